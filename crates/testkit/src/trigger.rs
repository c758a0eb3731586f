use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

/// A switch that a test throws once, and that any number of tasks can wait for.
#[derive(Clone, Debug, Default)]
pub struct Trigger(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    fired: bool,
    waiting: Vec<Waker>,
}

impl Trigger {
    /// A trigger that has not fired.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything that waits go on, now and in future.
    pub fn fire(&self) {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.fired = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether it has fired.
    #[must_use]
    pub fn is_fired(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fired
    }

    /// Ready once it has fired.
    pub fn poll_fired(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.fired {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until it has fired.
    pub async fn fired(&self) {
        std::future::poll_fn(|cx| self.poll_fired(cx)).await;
    }
}
