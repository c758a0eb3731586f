//! The order of the layers.

use std::convert::Infallible;

use axum::body::Body;
use dashpot::{
    cache::{CacheLayer, RequestBody},
    deadline::{DeadlineLayer, PassOnLayer},
    sse::{HeartbeatLayer, ModeLayer},
};
use http::{Request, Response};
use tower::{Service, ServiceBuilder};

use crate::{
    cache::AnyStore,
    config::{self, Config},
    intake::IntakeLayer,
    refusal::InWordsLayer,
    resume::Resume,
    upstreams::{Switch, Upstream},
};

/// The layers, outermost first. Rate will stand before the cache, and the queue behind it.
///
/// - Heartbeats are outermost: they are the gateway's own, and must not pass for signs of the upstream's life.
/// - Streams that can be resumed are next: who comes back is answered there, and not by the model.
/// - The intake is before the limit: a body that is still on its way holds no slot.
/// - The mode is behind it, since it changes the body, and outside of all that looks at streams: who wants a whole answer
///   has their clocks all the same.
/// - The deadline counts from the intake on what all others take. What is left is told to the upstream at the last moment.
/// - The cache is behind the mode, so that it is asked in the mode that is wanted, and behind the deadline, which is each
///   caller's own where several wait for one call. What it answers takes no slot.
/// - The upstreams are behind it: which of them it is, the model says. What stands around each is its own: [`ModelLayer`]
///   and [`Upstream`] say in which order.
///
/// [`ModelLayer`]: crate::model::ModelLayer
pub(crate) fn stack(
    config: &Config,
    heartbeat: HeartbeatLayer,
    resume: Option<Resume>,
    mode: ModeLayer,
    cache: Option<CacheLayer<AnyStore>>,
    upstreams: &[Upstream],
) -> Result<
    impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + use<>,
    String,
> {
    let intake = IntakeLayer::new(&config.intake);
    let (deadline, pass_on) = deadline(&config.deadline)?;
    let resume = resume.map(|resume| {
        let as_inner = |answer: Response<_>| answer.map(Body::new);
        ServiceBuilder::new().map_response(as_inner).layer(resume.layer).into_inner()
    });
    let cache = cache.map(|cache| {
        let as_inner = |answer: Response<_>| answer.map(Body::new);
        let as_asked = |request: Request<RequestBody<Body>>| request.map(Body::new);
        ServiceBuilder::new().map_response(as_inner).layer(cache).map_request(as_asked).into_inner()
    });
    let stack = ServiceBuilder::new()
        .layer(InWordsLayer)
        .layer(heartbeat)
        .option_layer(resume)
        .layer(intake)
        .layer(mode)
        .layer(deadline)
        .option_layer(cache)
        .service(Switch::new(upstreams, config, &pass_on));
    Ok(stack)
}

fn deadline(config: &config::Deadline) -> Result<(DeadlineLayer, PassOnLayer), String> {
    let mut deadline =
        DeadlineLayer::new().first_content(config.first_content()).gap(config.gap()).total(config.total());
    let mut pass_on = PassOnLayer::new();
    if let Some(name) = config.header()? {
        (deadline, pass_on) = (deadline.header(name.clone()), pass_on.header(name));
    }
    Ok((deadline, pass_on))
}
