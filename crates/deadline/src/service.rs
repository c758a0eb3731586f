use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use dashpot_body::Timer;
use dashpot_core::{Arrival, Deadline, is_grpc};
use dashpot_wire::dialect::Dialect;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    ResponseBody, ResponseFuture,
    clocks::Clocks,
    future::{Exchange, now},
    layer::{Protocol, Rules},
    wish::wish,
};

/// A service whose exchanges are over in time, or cut off.
#[derive(Clone, Debug)]
pub struct DeadlineService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> DeadlineService<S> {
    pub(crate) fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, ReqBody, B> Service<Request<ReqBody>> for DeadlineService<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let now = now();
        let clocks = self.clocks(&mut request, now);
        let dialect =
            request.extensions().get().copied().or_else(|| Dialect::from_path(request.uri().path()));
        let exchange = Exchange {
            rules: self.rules.clone(),
            clocks,
            dialect,
            asked: request.method().into(),
            timer: Timer::default(),
            is_wished: request.extensions().get().copied().is_some_and(Deadline::is_wished),
            protocol: if is_grpc(request.headers()) { Protocol::Grpc } else { Protocol::Http },
        };
        ResponseFuture::new(self.inner.call(request), exchange)
    }
}

impl<S> DeadlineService<S> {
    /// The clocks of a request, counted from when it came in; the deadline is left in its extensions for others.
    fn clocks<B>(&self, request: &mut Request<B>, now: Instant) -> Clocks {
        let rules = &self.rules;
        let came = Arrival::of(request, now);
        let stated = Deadline::of(request, || came);
        let wished = rules.header.as_ref().and_then(|name| wish(request.headers(), name));
        let wished = wished.and_then(|time| Deadline::after(came, time)).map(Deadline::wished);
        let own = rules.total.and_then(|time| Deadline::after(came, time));
        let total = [own, wished, stated].into_iter().flatten().min();
        if let Some(total) = total {
            request.extensions_mut().insert(total);
        }
        Clocks {
            total: total.map(Deadline::instant),
            first_content: rules.first_content.and_then(|time| came.checked_add(time)),
            gap: rules.gap,
            waits_since: None,
        }
    }
}
