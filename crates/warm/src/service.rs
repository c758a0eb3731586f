use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_body::Head;
use dashpot_core::Deadline;
use http::{Method, Request, Response};
use http_body::Body;
use tokio::sync::futures::OwnedNotified;
use tower_service::Service;

use crate::{
    HttpIsCold, IsCold, NoReplay, Replay, ResponseBody, ResponseFuture, future::Exchange,
    loading::ask_for_identity, permit::now, upstream::Place, upstreams::Upstreams, waiting::Waiting,
};

/// A service that holds requests until their upstream is warm.
///
/// It decides in `call`. While its upstream is ready it is ready when the inner service is; otherwise at once, since a
/// request has to come before anything is started.
pub struct Warm<S, C = HttpIsCold, R = NoReplay> {
    inner: S,
    /// Whether the inner service has said so, and has not been called since.
    is_ready: bool,
    /// While something else is waited for: the upstream may become ready, or cold.
    turned: Option<Pin<Box<OwnedNotified>>>,
    shared: Shared<C, R>,
}

/// What a request needs of its layer.
#[derive(Clone)]
pub(crate) struct Shared<C, R> {
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) is_cold: C,
    pub(crate) replay: R,
}

impl<S, C, R> Warm<S, C, R> {
    pub(crate) fn new(inner: S, upstreams: Arc<Upstreams>, is_cold: C, replay: R) -> Self {
        Self { inner, is_ready: false, turned: None, shared: Shared { upstreams, is_cold, replay } }
    }

    /// Whether readiness is the inner service's: the upstream is ready, or each key has one of its own.
    fn is_inner(&self) -> bool {
        let upstreams = &self.shared.upstreams;
        upstreams.default.word.load().is_open
            || upstreams.keyed.is_some()
            || upstreams.default.state().is_ready()
    }
}

impl<S, C, R, ReqBody, ResBody> Service<Request<ReqBody>> for Warm<S, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: IsCold<Response<ResBody>, S::Error> + Clone,
    R: Replay<ReqBody> + Clone,
    ReqBody: Body,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody, ResponseFuture<S, ReqBody, C, R>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, C, R>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.is_ready = false;
        loop {
            let is_inner = self.is_inner();
            let upstreams = &self.shared.upstreams;
            let is_pending = !is_inner && upstreams.plan.while_cold.is_pending;
            if !is_pending {
                match self.inner.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        (self.is_ready, self.turned) = (true, None);
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Err(error)) if is_inner => {
                        if self.shared.is_cold.is_cold(Err(&error)) {
                            upstreams.default.unasked_lost();
                        }
                        self.turned = None;
                        return Poll::Ready(Err(error));
                    }
                    // It is asked again when the upstream is warm.
                    _ if !is_inner => {
                        self.turned = None;
                        return Poll::Ready(Ok(()));
                    }
                    _ => {}
                }
            }
            // A new one each time it has been told: the state is looked at, and the start asked for, after it listens.
            let default = &upstreams.default;
            let turned = self.turned.get_or_insert_with(|| Box::pin(default.turned.clone().notified_owned()));
            if turned.as_mut().poll(cx).is_ready() {
                self.turned = None;
                continue;
            }
            if is_pending {
                default.want();
            }
            if self.is_inner() == is_inner {
                return Poll::Pending;
            }
        }
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let is_ready = std::mem::take(&mut self.is_ready);
        let upstreams = &self.shared.upstreams;
        let own = match upstreams.own(&request) {
            Ok(own) => own,
            Err(rejection) => {
                renew(&mut self.inner);
                return ResponseFuture::refused(upstreams.refuse(rejection, &request));
            }
        };
        let upstream = own.as_ref().unwrap_or(&upstreams.default);
        let permit = match upstream.enter() {
            Some(permit) => permit,
            None => {
                let while_cold = &upstreams.plan.while_cold;
                let deadline = Deadline::of(&request, now).map(Deadline::instant);
                match upstream.place(while_cold, deadline) {
                    Place::Passes(permit) => permit,
                    Place::Waits(turn) => {
                        let wants_body = request.method() != Method::HEAD;
                        let comments = while_cold
                            .loading
                            .as_ref()
                            .filter(|(_, wants)| wants_body && wants(&Head::of(&request)));
                        let comments = comments.map(|&(every, _)| every);
                        if comments.is_some() {
                            ask_for_identity(request.headers_mut());
                        }
                        renew(&mut self.inner);
                        let waiting =
                            Waiting::new(turn, self.inner.clone(), request, self.shared.clone(), true);
                        return ResponseFuture::waiting(waiting, comments);
                    }
                    Place::Refused(rejection) => {
                        renew(&mut self.inner);
                        return ResponseFuture::refused(upstreams.refuse(rejection, &request));
                    }
                }
            }
        };
        if is_ready {
            let exchange = Exchange::new(permit, &self.inner, &request, &self.shared, true);
            ResponseFuture::admitted(self.inner.call(request), exchange)
        } else {
            // It may stand in a queue further in, so whoever waits takes its place there.
            let inner = renew(&mut self.inner);
            let waiting = Waiting::admitted(permit, inner, request, self.shared.clone(), true);
            ResponseFuture::waiting(waiting, None)
        }
    }
}

/// Another instance, which has promised nothing: the old one may hold a place, though it is not called.
fn renew<S: Clone>(inner: &mut S) -> S {
    let new = inner.clone();
    std::mem::replace(inner, new)
}

impl<S: Clone, C: Clone, R: Clone> Clone for Warm<S, C, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), is_ready: false, turned: None, shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Warm<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("inner", &self.inner)
            .field("upstreams", &self.shared.upstreams)
            .finish_non_exhaustive()
    }
}
