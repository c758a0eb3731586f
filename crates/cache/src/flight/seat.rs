use std::{
    any::Any,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, TryLockError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, response::Parts};
use http_body::{Body, Frame};
use tokio::time::timeout;

use super::{BoxError, Ended, Flight, Source};

/// What is kept of a chunk that is smaller is a copy of it.
const SMALL: usize = 2 << 10;

/// One of those who listen to a call and its answer, from its beginning, each at its own pace.
pub(crate) struct Seat {
    flight: Arc<Flight>,
    number: u64,
    /// Its trailers have been handed out, or there are none to come.
    is_over: bool,
    /// It listens for those who have left.
    is_last: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The call failed, with this error of the inner service. Only one of all can be told.
    Because(Box<dyn Any + Send>),
    /// The call failed.
    Elsewhere,
}

/// What comes next of a body.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Frame<Bytes>),
    End,
    /// The body broke off, and this is how. Only one of all can be told.
    Because(BoxError),
    /// The body broke off, or has gone on without this listener, which was too slow for what is kept.
    Broken,
}

impl Seat {
    /// `None` if the beginning of the answer is forgotten already.
    pub(super) fn new(flight: &Arc<Flight>) -> Option<Self> {
        let mut record = flight.record();
        if record.forgotten > 0 {
            return None;
        }
        record.seats += 1;
        let number = record.seats;
        record.places.insert(number, 0);
        drop(record);
        Some(Self { flight: flight.clone(), number, is_over: false, is_last: false })
    }

    /// Whether everything has come, and been handed out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The head of the answer.
    pub(crate) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Parts, Failed>> {
        loop {
            // Before anything is looked at: what comes after that wakes.
            self.flight.waiters.wait(self.number, cx.waker());
            let record = self.flight.record();
            if let Some(head) = &record.head {
                return Poll::Ready(Ok(Parts::clone(head)));
            }
            if record.end.is_some() {
                return Poll::Ready(Err(Failed::Elsewhere));
            }
            drop(record);
            match self.flight.poll_source() {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {}
                Poll::Ready(Some(Went::Call(error))) => return Poll::Ready(Err(Failed::Because(error))),
                Poll::Ready(Some(Went::Body(_))) => return Poll::Ready(Err(Failed::Elsewhere)),
            }
        }
    }

    /// What comes next of the body; not before the head is there.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            self.flight.waiters.wait(self.number, cx.waker());
            if let Some(next) = self.take() {
                return Poll::Ready(next);
            }
            match self.flight.poll_source() {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Went::Body(error))) => {
                    self.is_over = true;
                    return Poll::Ready(Next::Because(error));
                }
                Poll::Ready(_) => {}
            }
        }
    }

    /// What has come already.
    fn take(&mut self) -> Option<Next> {
        if self.is_over {
            return Some(Next::End);
        }
        let mut record = self.flight.record();
        let place = *record.places.get(&self.number)?;
        let Some(at) = place.checked_sub(record.forgotten) else {
            self.is_over = true;
            return Some(Next::Broken);
        };
        if let Some(chunk) = record.chunks.get(at).cloned() {
            record.places.insert(self.number, place + 1);
            return Some(Next::Frame(Frame::data(chunk)));
        }
        let end = record.end?;
        self.is_over = true;
        Some(match (end, record.trailers.clone()) {
            (Ended::Whole, Some(trailers)) => Next::Frame(Frame::trailers(trailers)),
            (Ended::Whole, None) => Next::End,
            _ => Next::Broken,
        })
    }
}

/// How a call or a body failed.
enum Went {
    Call(Box<dyn Any + Send>),
    Body(BoxError),
}

impl Flight {
    /// Drives the call on. `Ready(None)`: there is more to see. `Pending`: whoever waits will be woken.
    fn poll_source(self: &Arc<Self>) -> Poll<Option<Went>> {
        let mut source = match self.source.try_lock() {
            Ok(source) => source,
            // Another is at it, and wakes all when something comes of it.
            Err(TryLockError::WouldBlock) => return Poll::Pending,
            // It panicked: the answer is not to be trusted any more, nor polled.
            Err(TryLockError::Poisoned(source)) => {
                let mut source = source.into_inner();
                *source = Source::Over;
                self.end(Ended::Broken);
                return Poll::Ready(None);
            }
        };
        let cx = &mut Context::from_waker(&self.waker);
        let failed = match &mut *source {
            Source::Calling(call) => match call.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(answer)) => {
                    let (head, body) = answer.into_parts();
                    *source = Source::Answering(body);
                    self.record().head = Some(Arc::new(head));
                    None
                }
                Poll::Ready(Err(error)) => Some(Went::Call(error)),
            },
            Source::Answering(body) => match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    let is_over = body.is_end_stream();
                    self.keep(frame);
                    if is_over {
                        *source = Source::Over;
                        self.end(Ended::Whole);
                    }
                    None
                }
                Poll::Ready(None) => {
                    *source = Source::Over;
                    self.end(Ended::Whole);
                    None
                }
                Poll::Ready(Some(Err(error))) => Some(Went::Body(error)),
            },
            Source::Over => return Poll::Ready(None),
        };
        if failed.is_some() {
            *source = Source::Over;
            self.end(Ended::Broken);
        }
        drop(source);
        self.waiters.wake_all();
        Poll::Ready(failed)
    }

    fn keep(&self, frame: Frame<Bytes>) {
        let mut record = self.record();
        match frame.into_data() {
            Ok(chunk) if chunk.is_empty() => {}
            Ok(chunk) => {
                record.bytes += chunk.len();
                // A small one is a small part of the buffer that it was read into, which would stay as long as it does: hyper
                // takes 8 KiB anew for each event of a stream then.
                let is_small = chunk.len() < SMALL;
                record.chunks.push_back(if is_small { Bytes::copy_from_slice(&chunk) } else { chunk });
                if record.forget(self.max_bytes) {
                    drop(record);
                    // Nobody can hear it from the beginning any more.
                    self.leave_map();
                    self.ended(Ended::TooLong, Box::new(()));
                }
            }
            Err(frame) => record.trailers = Some(frame.into_trailers().unwrap_or_else(|_| HeaderMap::new())),
        }
    }

    fn end(self: &Arc<Self>, end: Ended) {
        let mut record = self.record();
        if record.end.is_some() {
            return;
        }
        record.end = Some(end);
        drop(record);
        if end == Ended::Broken {
            self.leave_map();
        }
        self.ended(end, Box::new(self.clone()));
    }
}

/// Who leaves hands over: it may be the one that the upstream has woken, and whoever found it at work waits to be woken.
impl Drop for Seat {
    fn drop(&mut self) {
        let mut record = self.flight.record();
        record.places.remove(&self.number);
        let goes_on = record.places.is_empty() && record.end.is_none() && !self.is_last;
        drop(record);
        self.flight.waiters.leave(self.number);
        // What panicked under its hands woke nobody.
        if self.flight.source.is_poisoned() {
            self.flight.waiters.wake_all();
        } else {
            self.flight.waiters.wake_one();
        }
        if goes_on
            && let Some(runtime) = &self.flight.finish
            && let Some(seat) = Self::new(&self.flight)
        {
            runtime.spawn(drain(seat));
        }
    }
}

/// As long as the official libraries wait for an answer. Nobody's deadline ends what nobody waits for.
const LONGEST: Duration = Duration::from_secs(600);

/// Listens to the end, for nobody.
pub(crate) fn drain(mut seat: Seat) -> impl Future<Output = ()> + Send {
    // Also of one that is dropped before it is polled, as on a runtime that is gone.
    seat.is_last = true;
    async move {
        let listen = async {
            if poll_fn(|cx| seat.poll_head(cx)).await.is_ok() {
                while matches!(poll_fn(|cx| seat.poll_next(cx)).await, Next::Frame(_)) {}
            }
        };
        drop(timeout(LONGEST, listen).await);
    }
}
