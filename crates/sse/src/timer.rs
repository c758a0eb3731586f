use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep_until};

/// The one timer of a stream, made when there is something to wait for.
///
/// Boxed, since a body with a timer in it could not be moved any more.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Whether it is later than `since` by `wait`. A time that cannot be told never comes.
    pub(crate) fn poll(&mut self, since: Instant, wait: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = since.checked_add(wait) else { return Poll::Pending };
        let at = at.into();
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        // A wait that begins anew leaves the timer where it was. It rings once for nothing, and not for each frame.
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// The time, on the clock that tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
