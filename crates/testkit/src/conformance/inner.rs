use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use crate::{
    Trigger,
    body::{BodyProbe, Scripted},
    strict::Strict,
};

/// The service that a layer under test wraps: strict, scripted, and counting.
#[derive(Clone)]
pub struct Inner {
    strict: Strict<Respond>,
    plan: Plan,
}

type Respond = fn((Request<Full<Bytes>>, Plan)) -> InnerFuture;

impl Inner {
    pub(super) fn new(plan: Plan) -> Self {
        let respond: Respond = |(_, plan)| InnerFuture::new(plan);
        Self { strict: Strict::new(respond).pending_first(1), plan }
    }
}

impl Service<Request<Full<Bytes>>> for Inner {
    type Response = Response<Scripted>;
    type Error = InnerError;
    type Future = InnerFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), InnerError>> {
        if let Some(open) = &self.plan.0.ready {
            ready!(open.poll_fired(cx));
        }
        Service::<(Request<Full<Bytes>>, Plan)>::poll_ready(&mut self.strict, cx)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> InnerFuture {
        self.strict.call((request, self.plan.clone()))
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("strict", &self.strict).finish_non_exhaustive()
    }
}

/// What the inner service does in one check, and what was done with it.
#[derive(Clone)]
pub(super) struct Plan(Arc<State>);

struct State {
    /// Ready only once it fires.
    ready: Option<Trigger>,
    /// Answers only once it fires.
    answer: Option<Trigger>,
    make: Box<dyn Fn() -> Result<Response<Scripted>, InnerError> + Send + Sync>,
    futures: AtomicU64,
    bodies: Mutex<Vec<BodyProbe>>,
}

impl Plan {
    /// Answers at once, or when the trigger fires, with what `make` makes.
    pub(super) fn new(
        answer: Option<Trigger>,
        make: impl Fn() -> Result<Response<Scripted>, InnerError> + Send + Sync + 'static,
    ) -> Self {
        Self::with_ready(None, answer, make)
    }

    pub(super) fn with_ready(
        ready: Option<Trigger>,
        answer: Option<Trigger>,
        make: impl Fn() -> Result<Response<Scripted>, InnerError> + Send + Sync + 'static,
    ) -> Self {
        let (futures, bodies) = (AtomicU64::new(0), Mutex::default());
        Self(Arc::new(State { ready, answer, make: Box::new(make), futures, bodies }))
    }

    /// Futures that live.
    pub(super) fn futures(&self) -> u64 {
        self.0.futures.load(Relaxed)
    }

    /// All bodies that were handed out.
    pub(super) fn bodies(&self) -> MutexGuard<'_, Vec<BodyProbe>> {
        self.0.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The future of [`Inner`].
pub struct InnerFuture(Plan);

impl InnerFuture {
    fn new(plan: Plan) -> Self {
        plan.0.futures.fetch_add(1, Relaxed);
        Self(plan)
    }
}

impl Future for InnerFuture {
    type Output = Result<Response<Scripted>, InnerError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let plan = &self.0;
        if let Some(answer) = &plan.0.answer {
            ready!(answer.poll_fired(cx));
        }
        let response = (plan.0.make)()?;
        plan.bodies().push(response.body().probe());
        Poll::Ready(Ok(response))
    }
}

impl Drop for InnerFuture {
    fn drop(&mut self) {
        self.0.0.futures.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for InnerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InnerFuture(..)")
    }
}

/// The error of [`Inner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerError;

impl fmt::Display for InnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the inner service failed, as the check wants it")
    }
}

impl std::error::Error for InnerError {}
