use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use dashpot_core::Embedding;
use tokio::sync::oneshot;

use super::{EmbedderError, queue::Answer};

/// The answer of an [`Embedder`](crate::Embedder); polled on any runtime, or none.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct EmbedderFuture(State);

#[derive(Debug)]
enum State {
    Refused(EmbedderError),
    Waiting(oneshot::Receiver<Answer>),
}

impl EmbedderFuture {
    pub(super) fn refused(error: EmbedderError) -> Self {
        Self(State::Refused(error))
    }

    pub(super) fn waiting(answer: oneshot::Receiver<Answer>) -> Self {
        Self(State::Waiting(answer))
    }
}

impl Future for EmbedderFuture {
    type Output = Result<Vec<Option<Embedding>>, EmbedderError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            State::Refused(error) => Poll::Ready(Err(*error)),
            // Only a thread that is gone, so one that panicked outside of the model, leaves without an answer.
            State::Waiting(answer) => {
                Poll::Ready(ready!(Pin::new(answer).poll(cx)).unwrap_or(Err(EmbedderError::Panicked)))
            }
        }
    }
}
