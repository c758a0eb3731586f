use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use dashpot_body::{Timer, is_bodiless};
use dashpot_wire::dialect::Dialect;
use http::{Response, response::Parts};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use super::{
    Peek, PeekFirstBody, answer,
    first::{self, First},
};
use crate::{head, watch::now};

pin_project! {
    /// The answer of a [`PeekFirst`](crate::PeekFirst).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner service's future, or the body that it holds.
    pub struct PeekFirstFuture<F, B>
    where
        B: Body,
    {
        #[pin]
        inner: F,
        peek: Peek,
        // Boxed: most of its time a call waits for its head, and this is large.
        held: Option<Box<Held<B>>>,
    }
}

impl<F, B: Body> PeekFirstFuture<F, B> {
    pub(super) fn new(inner: F, peek: Peek) -> Self {
        Self { inner, peek, held: None }
    }
}

impl<F, B, E> Future for PeekFirstFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes> + Unpin,
{
    type Output = Result<Response<PeekFirstBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut held = match this.held.take() {
            Some(held) => held,
            None => {
                let (head, body) = ready!(this.inner.poll(cx))?.into_parts();
                let Some(dialect) = this.peek.dialect_of(&head) else {
                    return Poll::Ready(Ok(Response::from_parts(head, PeekFirstBody::unheld(body))));
                };
                Box::new(Held::new(dialect, head, body))
            }
        };
        if held.poll_first(this.peek, cx).is_pending() {
            *this.held = Some(held);
            return Poll::Pending;
        }
        Poll::Ready(Ok(held.answer()))
    }
}

impl<F: fmt::Debug, B: Body> fmt::Debug for PeekFirstFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekFirstFuture")
            .field("inner", &self.inner)
            .field("peek", &self.peek)
            .field("held", &self.held.is_some())
            .finish()
    }
}

impl Peek {
    /// The dialect of a stream that is to be held.
    fn dialect_of(&self, head: &Parts) -> Option<Dialect> {
        let is_held = head.status.is_success()
            && head::is_event_stream(&head.headers)
            && !head::is_encoded(&head.headers)
            && !is_bodiless(self.asked, head.status);
        self.dialect.filter(|_| is_held)
    }
}

/// An answer whose first event is waited for.
struct Held<B: Body> {
    dialect: Dialect,
    head: Parts,
    first: First,
    /// The trailers, or the error, that came instead of it.
    last: Option<Result<Frame<Bytes>, B::Error>>,
    /// Gone when it is over.
    body: Option<B>,
    /// The clock is read only when there is something to wait for.
    since: Option<Instant>,
    timer: Timer,
}

impl<B: Body<Data = Bytes> + Unpin> Held<B> {
    fn new(dialect: Dialect, head: Parts, body: B) -> Self {
        Self {
            dialect,
            head,
            first: First::new(dialect),
            last: None,
            body: Some(body),
            since: None,
            timer: Timer::default(),
        }
    }

    /// Ready when the head is to go out.
    fn poll_first(&mut self, peek: &Peek, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(body) = self.body.as_mut().filter(|body| !body.is_end_stream()) {
            let Poll::Ready(polled) = Pin::new(body).poll_frame(cx) else {
                let since = *self.since.get_or_insert_with(now);
                // A time that cannot be told never comes.
                let Some(at) = since.checked_add(peek.time) else { return Poll::Pending };
                return self.timer.poll(at, cx);
            };
            match polled.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) if data.is_empty() => {}
                Some(Ok(Ok(data))) => {
                    if self.first.push(data) || self.first.len() > peek.bytes {
                        break;
                    }
                }
                Some(Ok(Err(trailers))) => (self.last, self.body) = (Some(Ok(trailers)), None),
                Some(Err(error)) => (self.last, self.body) = (Some(Err(error)), None),
                None => self.body = None,
            }
        }
        Poll::Ready(())
    }

    fn answer(self) -> Response<PeekFirstBody<B>> {
        let Self { dialect, head, first, last, body, .. } = self;
        let Some(outcome) = first.error() else {
            return Response::from_parts(head, PeekFirstBody::new(first.into_bytes(), last, body));
        };
        // The upstream first: whatever else it has to say, nobody will hear it.
        drop(body);
        let event = first::data(&first.into_bytes());
        answer::of_error(head, dialect, outcome, &event).map(|words| PeekFirstBody::new(words, None, None))
    }
}
