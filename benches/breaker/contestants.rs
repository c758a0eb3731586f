//! The breakers of the table, each in front of an upstream of its own.

use std::time::Duration;

use dashpot::breaker::BreakerLayer;
use http_body_util::BodyExt;
use tower::{BoxError, Layer, Service, ServiceExt, util::BoxCloneService};

use crate::{
    MAX_WAIT, WAIT,
    upstream::{Answer, Asked, Upstream},
};

/// Whoever has waited so long for an answer leaves.
pub(crate) const PATIENCE: Duration = Duration::from_millis(20);

pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) make: fn(Upstream) -> BoxCloneService<Asked, Answer, BoxError>,
}

/// Ours, with its defaults but for the times, which the table has no time for.
pub(crate) const DASHPOT: Contestant = Contestant {
    name: "dashpot",
    make: |upstream| {
        let layer = BreakerLayer::new().wait(WAIT, MAX_WAIT).silence(PATIENCE / 2);
        boxed(layer.layer(upstream).map_response(|response| response.map(BodyExt::boxed)))
    },
};

pub(crate) fn boxed<S>(service: S) -> BoxCloneService<Asked, Answer, BoxError>
where
    S: Service<Asked, Response = Answer> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    BoxCloneService::new(service.map_err(Into::into))
}
