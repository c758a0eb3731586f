use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut};
use dashpot_core::Embedding;
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    BadAnswer, BoxError,
    answer::{Expected, refusal},
};

pin_project! {
    /// The answer of an [`OpenAiEmbedder`](crate::OpenAiEmbedder).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct OpenAiFuture<F, B> {
        expected: Expected,
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Asking { #[pin] future: F },
        Reading { status: StatusCode, #[pin] body: B, read: Vec<u8> },
    }
}

impl<F, B> OpenAiFuture<F, B> {
    pub(super) fn new(future: F, expected: Expected) -> Self {
        Self { expected, state: State::Asking { future } }
    }
}

impl<F, B, E> Future for OpenAiFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Vec<Option<Embedding>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Asking { future } => {
                    let (head, body) = ready!(future.poll(cx)).map_err(Into::into)?.into_parts();
                    this.state.set(State::Reading { status: head.status, body, read: Vec::new() });
                }
                StateProjection::Reading { status, body, read } => match ready!(body.poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        let Ok(data) = frame.into_data() else { continue };
                        let most = this.expected.most_bytes();
                        if data.remaining() > most - read.len() {
                            return Poll::Ready(Err(BadAnswer(format!("more than {most} bytes")).into()));
                        }
                        read.put(data);
                    }
                    Some(Err(error)) => return Poll::Ready(Err(error.into())),
                    None if status.is_success() => {
                        return Poll::Ready(this.expected.read(read).map_err(Into::into));
                    }
                    None => return Poll::Ready(Err(refusal(*status, read).into())),
                },
            }
        }
    }
}

impl<F, B> fmt::Debug for OpenAiFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiFuture").field("expected", &self.expected).finish_non_exhaustive()
    }
}
