use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use dashpot_core::{CallError, Classify, Outcome, ResultClassify};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Handle, Policy,
    budgets::Claim,
    layer::rejection,
    limiter::Limiter,
    permit::{Permit, now},
    policy::{LittlesLaw, Signal},
    rules::Rules,
};

/// Makes services that admit no more calls at once than their upstream can take, whatever they speak.
///
/// As [`LimitLayer`](crate::LimitLayer), but a call is over when its future is, and a refusal is an error. For HTTP the
/// other is right: there an answer goes on when its head is there.
///
/// All services of one layer and its clones share one limit.
#[derive(Clone, Debug)]
pub struct CallLimitLayer<C = ResultClassify> {
    limiter: Arc<Limiter>,
    classify: C,
}

impl CallLimitLayer {
    /// A layer that finds its limit by itself, with [`LittlesLaw`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_policy(LittlesLaw::new())
    }

    /// A layer whose limit `policy` finds.
    #[must_use]
    pub fn with_policy(policy: impl Policy + Clone + Sync + 'static) -> Self {
        Self { limiter: Rules::new(policy).limiter(now()), classify: ResultClassify }
    }
}

impl<C> CallLimitLayer<C> {
    /// What counts as an overload, and what as a success to learn from. Default: [`ResultClassify`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> CallLimitLayer<D> {
        CallLimitLayer { limiter: self.limiter, classify }
    }

    /// Shows the limit, and lets an operator take it over.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.limiter.clone())
    }
}

impl Default for CallLimitLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, C: Clone> Layer<S> for CallLimitLayer<C> {
    type Service = CallLimit<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        CallLimit { inner, limiter: self.limiter.clone(), classify: self.classify.clone() }
    }
}

/// A service that admits no more calls at once than its upstream can take.
#[derive(Clone, Debug)]
pub struct CallLimit<S, C = ResultClassify> {
    inner: S,
    limiter: Arc<Limiter>,
    classify: C,
}

impl<S, C, R> Service<R> for CallLimit<S, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = CallFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(CallError::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let claim = Claim::default();
        let state = match self.limiter.try_acquire(&claim) {
            Some(permit) => State::Admitted {
                inner: self.inner.call(request),
                admitted: Some((permit, self.classify.clone())),
            },
            None => State::Refused { retry_after: self.limiter.refuse(now(), claim), classify: PhantomData },
        };
        CallFuture { state }
    }
}

pin_project! {
    /// The answer of a [`CallLimit`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it gives its slot back at once.
    pub struct CallFuture<F, C> {
        #[pin]
        state: State<F, C>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, C> {
        // The permit is gone once there is an answer.
        Admitted { #[pin] inner: F, admitted: Option<(Permit, C)> },
        Refused { retry_after: Duration, classify: PhantomData<C> },
    }
}

impl<F, C, T, E> Future for CallFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, CallError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Admitted { inner, admitted } => {
                let answer = ready!(inner.poll(cx));
                let (permit, classify) = admitted.take().expect("not polled after it is ready");
                let outcome = match &answer {
                    Ok(response) => classify.response(response).unwrap_or(Outcome::Success),
                    Err(error) => classify.error(error),
                };
                permit.end(outcome, Some(Signal::Latency { output_tokens: None }));
                Poll::Ready(answer.map_err(CallError::Inner))
            }
            StateProjection::Refused { retry_after, .. } => {
                Poll::Ready(Err(CallError::Refused(rejection(*retry_after))))
            }
        }
    }
}

impl<F: fmt::Debug, C> fmt::Debug for CallFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
