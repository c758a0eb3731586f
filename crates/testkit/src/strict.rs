//! A service that holds its callers to the contract of Tower.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tower_service::Service;

/// A service that holds its callers to Tower's contract: [`call`](Service::call) panics on an instance that was not
/// polled ready since its last call.
///
/// `service_fn` is always ready, so a layer that calls a fresh clone passes its tests with it and fails with a real
/// client. Here readiness belongs to one instance: a clone starts without it, and a call uses it up.
///
/// ```
/// use dashpot_testkit::strict::Strict;
/// use tower::{Service, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let service = Strict::new(|n: u32| async move { Ok::<_, std::io::Error>(n + 1) }).pending_first(2);
/// let probe = service.probe();
/// assert_eq!(service.oneshot(1).await.unwrap(), 2);
/// assert_eq!((probe.calls(), probe.polls()), (1, 3));
/// # });
/// ```
pub struct Strict<F> {
    respond: F,
    pending_first: u32,
    pending_left: u32,
    ready: bool,
    probe: Probe,
}

impl<F> Strict<F> {
    /// A service that answers each request with the future that `respond` makes.
    pub fn new(respond: F) -> Self {
        Self { respond, pending_first: 0, pending_left: 0, ready: false, probe: Probe::default() }
    }

    /// The same, but `n` polls answer Pending before each readiness. The task is woken at once.
    #[must_use]
    pub fn pending_first(mut self, n: u32) -> Self {
        self.pending_first = n;
        self.pending_left = n;
        self
    }

    /// What this instance and all its clones count.
    #[must_use]
    pub fn probe(&self) -> Probe {
        self.probe.clone()
    }
}

impl<Request, F, Fut, Response, Error> Service<Request> for Strict<F>
where
    F: FnMut(Request) -> Fut,
    Fut: Future<Output = Result<Response, Error>>,
{
    type Response = Response;
    type Error = Error;
    type Future = Fut;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.probe.0.polls.fetch_add(1, Relaxed);
        // A ready instance stays ready until it is called.
        if !self.ready && self.pending_left > 0 {
            self.pending_left -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// If this instance was not polled ready since it was made, cloned or last called.
    fn call(&mut self, request: Request) -> Fut {
        assert!(
            self.ready,
            "called without readiness: poll_ready must say Ready on this very instance first"
        );
        self.ready = false;
        self.pending_left = self.pending_first;
        self.probe.0.calls.fetch_add(1, Relaxed);
        (self.respond)(request)
    }
}

impl<F: Clone> Clone for Strict<F> {
    /// The clone is not ready.
    fn clone(&self) -> Self {
        self.probe.0.clones.fetch_add(1, Relaxed);
        Self {
            respond: self.respond.clone(),
            pending_first: self.pending_first,
            pending_left: self.pending_first,
            ready: false,
            probe: self.probe.clone(),
        }
    }
}

impl<F> fmt::Debug for Strict<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strict")
            .field("ready", &self.ready)
            .field("probe", &self.probe)
            .finish_non_exhaustive()
    }
}

/// Counts over a [`Strict`] service and all its clones.
#[derive(Clone, Debug, Default)]
pub struct Probe(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    polls: AtomicU64,
    calls: AtomicU64,
    clones: AtomicU64,
}

// Relaxed: plain counts, read after the test has joined what it started.
impl Probe {
    /// How often readiness was asked for.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.0.polls.load(Relaxed)
    }

    /// How often the service was called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Relaxed)
    }

    /// How often it was cloned.
    #[must_use]
    pub fn clones(&self) -> u64 {
        self.0.clones.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
    };

    use tower::ServiceExt;

    use super::*;

    fn echo() -> Strict<impl FnMut(u8) -> Ready<Result<u8, Infallible>> + Clone> {
        Strict::new(|n: u8| ready(Ok(n)))
    }

    #[tokio::test]
    async fn a_ready_instance_answers_once() {
        let mut service = echo();
        assert_eq!(service.ready().await.unwrap().call(3).await, Ok(3));
        assert!(!service.ready, "the call used it up");
    }

    #[tokio::test]
    #[should_panic(expected = "called without readiness")]
    async fn a_second_call_needs_a_second_readiness() {
        let mut service = echo();
        let _ = service.ready().await.unwrap().call(1).await;
        let _ = service.call(2).await;
    }

    #[tokio::test]
    #[should_panic(expected = "called without readiness")]
    async fn a_clone_of_a_ready_instance_is_not_ready() {
        let mut service = echo();
        service.ready().await.unwrap();
        let _ = service.clone().call(1).await;
    }

    #[tokio::test]
    async fn readiness_can_take_several_polls_and_then_stays() {
        let mut service = echo().pending_first(2);
        let probe = service.probe();
        service.ready().await.unwrap();
        assert_eq!(probe.polls(), 3);
        service.ready().await.unwrap();
        assert_eq!(probe.polls(), 4, "still ready");
        let _ = service.call(1).await;
        service.clone().ready().await.unwrap();
        assert_eq!((probe.polls(), probe.calls(), probe.clones()), (7, 1, 1));
    }
}
