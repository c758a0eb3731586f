use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_core::{Classify, Deadline, HttpClassify};
use http::{Request, Response};
use http_body::Body;
use tokio::sync::futures::OwnedNotified;
use tower_service::Service;

use crate::{
    Fallback, Refuse, ResponseBody, ResponseFuture, breakers::Breakers, future::Exchange, hold::Held,
    permit::now,
};

/// A service that does not call what fails.
///
/// It decides in `call`. While it is closed or recovering it is ready when the inner service is; otherwise at once, since
/// most requests will not reach that.
pub struct Breaker<S, C = HttpClassify, F = Refuse> {
    inner: S,
    /// Whether the inner service has said so, and has not been called since.
    is_ready: bool,
    /// While the inner service is not ready: it may not matter any more.
    opened: Option<Pin<Box<OwnedNotified>>>,
    breakers: Arc<Breakers>,
    classify: C,
    fallback: F,
}

impl<S, C, F> Breaker<S, C, F> {
    pub(crate) fn new(inner: S, breakers: Arc<Breakers>, classify: C, fallback: F) -> Self {
        Self { inner, is_ready: false, opened: None, breakers, classify, fallback }
    }
}

impl<S, C, F, ReqBody, ResBody> Service<Request<ReqBody>> for Breaker<S, C, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: Classify<Response<ResBody>, S::Error> + Clone,
    F: Fallback<ReqBody, S::Error, ResBody::Error> + Clone,
    ReqBody: Body,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody, C, F::Body>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, C, F, F::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let one = &self.breakers.default;
        while one.machine.is_closed() {
            if let Poll::Ready(ready) = self.inner.poll_ready(cx) {
                self.opened = None;
                self.is_ready = ready.is_ok();
                if let Err(error) = &ready
                    && let Some(permit) = one.unasked()
                {
                    permit.end(self.classify.error(error));
                }
                return Poll::Ready(ready);
            }
            // A new one each time it has been told: whether it is closed is looked at after it listens.
            let opened = self.opened.get_or_insert_with(|| Box::pin(one.opened.clone().notified_owned()));
            let is_told = opened.as_mut().poll(cx).is_ready();
            if is_told {
                self.opened = None;
            } else if one.machine.is_closed() {
                return Poll::Pending;
            }
        }
        self.opened = None;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let own = self.breakers.own(&request);
        let one = own.as_ref().unwrap_or(&self.breakers.default);
        let permit = match one.admit() {
            Ok(permit) => permit,
            Err(refused) => {
                let was_ready = std::mem::take(&mut self.is_ready);
                if let Some(held) = Held::new(one, refused, Deadline::of(&request, now)) {
                    let (classify, fallback) = (self.classify.clone(), self.fallback.clone());
                    return ResponseFuture::held(held, renew(&mut self.inner), request, classify, fallback);
                }
                if was_ready {
                    renew(&mut self.inner);
                }
                return ResponseFuture::refused(self.fallback.call(one.refuse(refused), request));
            }
        };
        let exchange = Exchange::new(permit, self.classify.clone(), &request);
        if std::mem::take(&mut self.is_ready) {
            ResponseFuture::admitted(self.inner.call(request), exchange)
        } else {
            // It may stand in a queue further in, so whoever comes late takes its place there.
            ResponseFuture::late(renew(&mut self.inner), request, exchange)
        }
    }
}

/// Another instance, which has promised nothing: the old one may hold a place further in, though it is not called.
fn renew<S: Clone>(inner: &mut S) -> S {
    let new = inner.clone();
    std::mem::replace(inner, new)
}

impl<S: Clone, C: Clone, F: Clone> Clone for Breaker<S, C, F> {
    fn clone(&self) -> Self {
        let (classify, fallback) = (self.classify.clone(), self.fallback.clone());
        Self::new(self.inner.clone(), self.breakers.clone(), classify, fallback)
    }
}

impl<S: fmt::Debug, C, F> fmt::Debug for Breaker<S, C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("inner", &self.inner)
            .field("breaker", &self.breakers.default)
            .finish_non_exhaustive()
    }
}
