//! Response bodies that do what a script says, and tell what was done with them.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::Trigger;

/// A body that does what its script says, step by step, and lets a [`BodyProbe`] tell what was done with it.
///
/// By default it gives no size hint and says that it is over only by `None`; [`exact`](Self::exact) and
/// [`eager`](Self::eager) change that. Waits follow tokio's clock, so they cost nothing when it is paused.
///
/// ```
/// use dashpot_testkit::body::Scripted;
/// use http_body_util::BodyExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let body = Scripted::new().data("one ").data("two").exact();
/// let probe = body.probe();
/// assert_eq!(body.collect().await.unwrap().to_bytes(), "one two");
/// assert!(probe.dropped_at().is_some());
/// # });
/// ```
pub struct Scripted {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    exact: bool,
    eager: bool,
    over: bool,
    probe: BodyProbe,
}

enum Step {
    Frame(Frame<Bytes>),
    Error(BodyError),
    Wait(Duration),
    Until(Trigger),
}

impl Scripted {
    /// An empty script: a body that ends at once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            steps: VecDeque::new(),
            sleep: None,
            exact: false,
            eager: false,
            over: false,
            probe: BodyProbe::default(),
        }
    }

    /// Then a frame of data.
    #[must_use]
    pub fn data(self, data: impl Into<Bytes>) -> Self {
        self.then(Step::Frame(Frame::data(data.into())))
    }

    /// Then trailers.
    #[must_use]
    pub fn trailers(self, trailers: HeaderMap) -> Self {
        self.then(Step::Frame(Frame::trailers(trailers)))
    }

    /// Then an error with these words; nothing comes after it.
    #[must_use]
    pub fn error(self, words: &'static str) -> Self {
        self.then(Step::Error(BodyError(words)))
    }

    /// Then nothing for a while.
    #[must_use]
    pub fn wait(self, duration: Duration) -> Self {
        self.then(Step::Wait(duration))
    }

    /// Then nothing until `trigger` fires.
    #[must_use]
    pub fn until(self, trigger: &Trigger) -> Self {
        self.then(Step::Until(trigger.clone()))
    }

    /// Then nothing, ever.
    #[must_use]
    pub fn forever(self) -> Self {
        self.until(&Trigger::new())
    }

    /// `size_hint` states the exact number of bytes left.
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// `is_end_stream` is true as soon as the last step is done, before anyone sees `None`.
    #[must_use]
    pub fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    /// What happens to this body, also after it is gone.
    #[must_use]
    pub fn probe(&self) -> BodyProbe {
        self.probe.clone()
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match self.steps.front() {
                Some(Step::Wait(duration)) => {
                    let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(*duration)));
                    ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                }
                Some(Step::Until(trigger)) => ready!(trigger.poll_fired(cx)),
                Some(Step::Frame(_) | Step::Error(_)) | None => {}
            }
            match self.steps.pop_front() {
                Some(Step::Wait(_) | Step::Until(_)) => {}
                Some(Step::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(Step::Error(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.probe.0.polls.fetch_add(1, Relaxed);
        if self.over {
            self.probe.0.polls_after_end.fetch_add(1, Relaxed);
            return Poll::Ready(None);
        }
        let step = ready!(self.poll_step(cx));
        if step.as_ref().is_some_and(Result::is_ok) {
            self.probe.0.frames.fetch_add(1, Relaxed);
        } else {
            self.over = true;
        }
        Poll::Ready(step)
    }

    fn is_end_stream(&self) -> bool {
        self.eager && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.exact {
            return SizeHint::default();
        }
        let left = self.steps.iter().map(|step| match step {
            Step::Frame(frame) => frame.data_ref().map_or(0, |data| data.len() as u64),
            Step::Error(_) | Step::Wait(_) | Step::Until(_) => 0,
        });
        SizeHint::with_exact(left.sum())
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let dropped_at = Some(Instant::now());
        *self.probe.0.dropped_at.lock().unwrap_or_else(PoisonError::into_inner) = dropped_at;
        self.probe.0.dropped.fire();
    }
}

impl Default for Scripted {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("steps_left", &self.steps.len())
            .field("over", &self.over)
            .field("probe", &self.probe)
            .finish_non_exhaustive()
    }
}

/// The error that a [`Scripted`] body gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyError(pub &'static str);

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BodyError {}

/// What was done with one [`Scripted`] body.
#[derive(Clone, Debug, Default)]
pub struct BodyProbe(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    polls: AtomicU64,
    polls_after_end: AtomicU64,
    frames: AtomicU64,
    dropped_at: Mutex<Option<Instant>>,
    dropped: Trigger,
}

// Relaxed: plain counts, written by the one task that polls the body.
impl BodyProbe {
    /// How often the body was polled.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.0.polls.load(Relaxed)
    }

    /// How often it was polled after it had given `None` or an error.
    #[must_use]
    pub fn polls_after_end(&self) -> u64 {
        self.0.polls_after_end.load(Relaxed)
    }

    /// How many frames it has given, trailers included.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.0.frames.load(Relaxed)
    }

    /// When it was dropped; `None` while it lives.
    #[must_use]
    pub fn dropped_at(&self) -> Option<Instant> {
        *self.0.dropped_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was dropped.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.0.dropped.is_fired()
    }

    /// Waits until it is dropped.
    pub async fn dropped(&self) {
        self.0.dropped.fired().await;
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn trailers() -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), http::HeaderValue::from_static("7"))])
    }

    #[tokio::test(start_paused = true)]
    async fn the_steps_come_in_order_and_at_their_time() {
        let start = Instant::now();
        let mut body =
            Scripted::new().data("a").wait(Duration::from_secs(5)).data("b").trailers(trailers()).exact();
        let probe = body.probe();
        assert_eq!(body.size_hint().exact(), Some(2));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        assert_eq!(body.size_hint().exact(), Some(1));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "b");
        assert_eq!(Instant::now(), start + Duration::from_secs(5));
        assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers());
        assert!(!body.is_end_stream(), "lazy: only None says so");
        assert!(body.frame().await.is_none());
        assert_eq!((probe.frames(), probe.polls(), probe.polls_after_end()), (3, 5, 0));
        assert!(body.frame().await.is_none());
        assert_eq!(probe.polls_after_end(), 1);
    }

    #[tokio::test]
    async fn an_eager_body_is_over_with_its_last_frame() {
        assert!(Scripted::new().eager().is_end_stream());
        let mut body = Scripted::new().data("a").eager();
        assert!(!body.is_end_stream());
        body.frame().await.unwrap().unwrap();
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn nothing_comes_after_an_error() {
        let mut body = Scripted::new().error("boom").data("never");
        let probe = body.probe();
        assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyError("boom"));
        assert!(body.frame().await.is_none());
        assert_eq!(probe.polls_after_end(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trigger_holds_the_body_and_a_drop_is_seen() {
        let trigger = Trigger::new();
        let mut body = Scripted::new().until(&trigger).data("a").forever();
        let probe = body.probe();
        let waiting = tokio::spawn(async move {
            let frame = body.frame().await.unwrap().unwrap();
            (body, frame)
        });
        tokio::task::yield_now().await;
        assert_eq!((probe.polls(), probe.frames()), (1, 0));
        trigger.fire();
        let (body, frame) = waiting.await.unwrap();
        assert_eq!(frame.into_data().unwrap(), "a");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(probe.dropped_at(), None);
        drop(body);
        assert!(probe.is_dropped());
        assert_eq!(probe.dropped_at(), Some(Instant::now()));
        probe.dropped().await;
    }
}
