use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::{
    BoxError, End, Recorder,
    handle::{Cells, Counters},
    tape::{Ended, First, Tape},
};

/// A stream before its first event: read by its client's own body. Dropped, it drops the inner one.
pub(super) struct Opening<B, R>(Option<Box<Reading<B, R>>>);

struct Reading<B, R> {
    body: Pin<Box<B>>,
    tape: Tape,
    recorder: R,
    counters: Counters,
}

/// What became of it.
pub(super) enum Opened<B, F> {
    /// Nothing yet; this stands before it.
    Between(Bytes),
    /// After these pieces it goes on as it is.
    Own(Pin<Box<B>>, [Bytes; 2]),
    /// It is followed from its beginning.
    Followed(F, Cause),
    /// It is over without an event.
    Over(Bytes, Option<Frame<Bytes>>),
    Failed(BoxError),
}

impl<B, R> Opening<B, R> {
    pub(super) fn new(body: B, tape: Tape, recorder: R, counters: Counters) -> Self {
        Self(Some(Box::new(Reading { body: Box::pin(body), tape, recorder, counters })))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.0.is_none()
    }
}

impl<B, R> Opening<B, R>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    R: Recorder,
{
    /// Looks for the first event.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Opened<B, R::Follower>> {
        // Not put back if it panics.
        let Some(mut reading) = self.0.take() else {
            return Poll::Ready(Opened::Over(Bytes::new(), None));
        };
        loop {
            let Poll::Ready(frame) = reading.body.as_mut().poll_frame(cx) else {
                self.0 = Some(reading);
                return Poll::Pending;
            };
            let data = match frame {
                None => return Poll::Ready(Opened::Over(reading.tape.rest(), None)),
                Some(Err(error)) => return Poll::Ready(Opened::Failed(error.into())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(trailers) => {
                        return Poll::Ready(Opened::Over(reading.tape.rest(), Some(trailers)));
                    }
                },
            };
            let first = reading.tape.first(&data);
            if first.is_none() && !reading.body.is_end_stream() {
                continue;
            }
            return Poll::Ready(match first {
                None => Opened::Over(reading.tape.rest(), None),
                Some(First::Between(bytes)) => {
                    self.0 = Some(reading);
                    Opened::Between(bytes)
                }
                Some(First::Own(pieces)) => Opened::Own(reading.body, pieces),
                Some(First::Event(event)) => reading.follow(event),
            });
        }
    }
}

impl<B, R> Reading<B, R>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    R: Recorder,
{
    /// Its first event is there -> it is kept, and followed.
    fn follow(mut self: Box<Self>, first: Bytes) -> Opened<B, R::Follower> {
        self.recorder.append(Some(1), first);
        let (follower, cause) = (self.recorder.follow(), Cause::default());
        tokio::spawn(self.run(cause.clone()));
        Opened::Followed(follower, cause)
    }

    /// The stream after its first event: read by a task.
    async fn run(self: Box<Self>, cause: Cause) {
        let Self { mut body, mut tape, mut recorder, counters } = *self;
        let mut count = Count::begin(counters);
        let ended = poll_fn(|cx| tape.poll_run(body.as_mut(), &mut recorder, cx)).await;
        // Now, and not when nobody waits any more for what is kept.
        drop((body, tape));
        let end = match ended {
            Ended::As(end) => end,
            Ended::Error(error) => {
                cause.put(error);
                End::Broken
            }
            Ended::Abandoned => {
                count.which = |cells| &cells.abandoned;
                tracing::debug!("nobody came back to a stream");
                return;
            }
        };
        if !matches!(end, End::Broken) {
            count.which = |cells| &cells.ended;
        }
        drop(count);
        recorder.finish(end).await;
    }
}

/// Counts a stream, and how it ended: unless that is said, it panicked.
struct Count {
    counters: Counters,
    which: fn(&Cells) -> &AtomicU64,
}

impl Count {
    fn begin(counters: Counters) -> Self {
        counters.count(|cells| &cells.recorded);
        Self { counters, which: |cells| &cells.failed }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.counters.count(self.which);
    }
}

/// Why a stream broke off; the first who asks is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Cause(Arc<Mutex<Option<BoxError>>>);

impl Cause {
    fn put(&self, error: BoxError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn take(&self) -> Option<BoxError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
