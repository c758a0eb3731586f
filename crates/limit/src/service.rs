use std::{
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_core::Classify;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{ResponseBody, ResponseFuture, future::Exchange, layer::Shared, limiter::Queued, permit::now};

/// A service that admits no more exchanges at once than its upstream can take.
///
/// It decides in `call`: an idle clone that is ready holds nothing.
pub struct Limit<S, C = dashpot_core::HttpClassify> {
    inner: S,
    shared: Shared<C>,
}

impl<S, C> Limit<S, C> {
    pub(crate) fn new(inner: S, shared: Shared<C>) -> Self {
        Self { inner, shared }
    }
}

impl<S, C, ReqBody, ResBody> Service<Request<ReqBody>> for Limit<S, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: Classify<Response<ResBody>, S::Error> + Clone,
    ReqBody: Body,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody, C>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let shared = &self.shared;
        let place = shared.limits.place(&request);
        let (limiter, claim) = (place.limiter(), &place.claim);
        let permit = match limiter.try_acquire(claim) {
            Some(permit) => permit,
            None => {
                let now = now();
                match shared.queue(limiter, *claim, now, &request) {
                    Queued::Admitted(permit) => permit,
                    Queued::Waits(turn) => {
                        renew(&mut self.inner);
                        return ResponseFuture::waiting(turn, self.inner.clone(), request, shared.clone());
                    }
                    Queued::Refused => {
                        let refusal = shared.refuse(limiter, *claim, now, request.headers());
                        renew(&mut self.inner);
                        return ResponseFuture::refused(refusal);
                    }
                }
            }
        };
        let exchange = Exchange::new(permit, shared, &request);
        ResponseFuture::admitted(self.inner.call(request), exchange)
    }
}

/// Another instance, which has promised nothing: the old one may hold a place further in, though it is not called.
fn renew<S: Clone>(inner: &mut S) {
    *inner = inner.clone();
}

impl<S: Clone, C: Clone> Clone for Limit<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Limit<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("inner", &self.inner)
            .field("limiter", &self.shared.limits.default)
            .finish_non_exhaustive()
    }
}
