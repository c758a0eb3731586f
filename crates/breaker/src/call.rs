use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use dashpot_core::{CallError, Classify, Outcome, Rejection, ResultClassify};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{BreakerLayer, Handle, breakers::Breakers, hold::Held, permit::Permit, ready_call::ReadyCall};

/// Makes services that do not call what fails, whatever they speak.
///
/// As [`BreakerLayer`], but a call is over when its future is, and a refusal is an error. For HTTP the other is right: there
/// an answer goes on when its head is there.
///
/// All services of one layer and its clones share one breaker.
#[derive(Clone, Debug)]
pub struct CallBreakerLayer<C = ResultClassify> {
    breakers: Arc<Breakers>,
    classify: C,
}

impl CallBreakerLayer {
    /// A layer with a breaker that opens and comes back as that of `layer`. It has one of its own, and no keys.
    #[must_use]
    pub fn new<C, F>(layer: &BreakerLayer<C, F>) -> Self {
        Self { breakers: layer.without_keys(), classify: ResultClassify }
    }
}

impl<C> CallBreakerLayer<C> {
    /// What counts as a failure. Default: [`ResultClassify`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> CallBreakerLayer<D> {
        CallBreakerLayer { breakers: self.breakers, classify }
    }

    /// Shows the breaker, and lets an operator take it over.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.breakers.default.clone())
    }
}

impl<S, C: Clone> Layer<S> for CallBreakerLayer<C> {
    type Service = CallBreaker<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        CallBreaker { inner, breakers: self.breakers.clone(), classify: self.classify.clone() }
    }
}

/// A service that does not call what fails. It is always ready: whether the inner service is, is part of a call.
#[derive(Clone, Debug)]
pub struct CallBreaker<S, C = ResultClassify> {
    inner: S,
    breakers: Arc<Breakers>,
    classify: C,
}

impl<S, C, R> Service<R> for CallBreaker<S, C>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = CallFuture<S, R, C>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let one = &self.breakers.default;
        let call = || (self.inner.clone(), self.classify.clone());
        let state = match one.admit() {
            Ok(permit) => State::admitted(permit, request, call()),
            Err(refused) => match Held::new(one, refused, None) {
                Some(held) => State::Held { held: Box::new(held), call: Some(Box::new((request, call()))) },
                None => State::Refused { rejection: one.refuse(refused) },
            },
        };
        CallFuture { state }
    }
}

pin_project! {
    /// The answer of a [`CallBreaker`].
    ///
    /// # Cancel safety
    ///
    /// As that of a [`Breaker`](crate::Breaker).
    pub struct CallFuture<S, R, C>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, C>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, R, C>
    where
        S: Service<R>,
    {
        // The permit is gone once there is an answer.
        Admitted { #[pin] inner: ReadyCall<S, R>, admitted: Option<(Permit, C)> },
        // What it becomes is gone once it has become that.
        Held { held: Box<Held>, call: Option<Box<(R, (S, C))>> },
        Refused { rejection: Rejection },
    }
}

impl<S: Service<R>, R, C> State<S, R, C> {
    fn admitted(permit: Permit, request: R, (inner, classify): (S, C)) -> Self {
        Self::Admitted { inner: ReadyCall::new(inner, request), admitted: Some((permit, classify)) }
    }
}

impl<S, R, C> Future for CallFuture<S, R, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, CallError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Admitted { inner, admitted } => {
                    let answer = inner.poll(cx);
                    if let (Poll::Pending, Some((permit, _))) = (&answer, &mut *admitted) {
                        permit.pending();
                    }
                    let answer = ready!(answer);
                    let (mut permit, classify) = admitted.take().expect("not polled after it is ready");
                    let outcome = match &answer {
                        Ok(response) => classify.response(response).unwrap_or(Outcome::Success),
                        Err(error) => classify.error(error),
                    };
                    permit.first();
                    permit.end(outcome);
                    return Poll::Ready(answer.map_err(CallError::Inner));
                }
                StateProjection::Held { held, call } => {
                    let decided = ready!(held.poll(cx));
                    let (request, call) = *call.take().expect("it becomes something else at once");
                    match decided {
                        Ok(permit) => State::admitted(permit, request, call),
                        Err(rejection) => State::Refused { rejection },
                    }
                }
                StateProjection::Refused { rejection } => {
                    return Poll::Ready(Err(CallError::Refused(*rejection)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<R>, R, C> fmt::Debug for CallFuture<S, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
