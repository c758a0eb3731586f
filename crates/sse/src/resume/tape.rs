use std::{
    fmt::Write as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;

use super::{
    BoxError,
    blocks::{Block, Blocks},
    handle::Counters,
    id::EventId,
    store::{Abandoned, End, Recorder},
};

/// So much is allocated at once for small events with their ids.
const ROOM: usize = 4 << 10;

/// Larger ones are allocated alone, so that little room is left over where the next does not fit in.
const SMALL: usize = ROOM / 8;

/// Gives the events of one stream their ids.
pub(super) struct Tape {
    last: EventId,
    blocks: Blocks,
    room: BytesMut,
    /// An event that is longer cannot be kept.
    max_event: usize,
    gave_up: bool,
    counters: Counters,
}

/// How the recording of a stream ended.
#[derive(Debug)]
pub(super) enum Ended {
    As(End),
    Error(BoxError),
    Abandoned,
}

impl Tape {
    pub(super) fn new(stream: u128, max_event: usize, counters: Counters) -> Self {
        let last = EventId { stream, number: 0 };
        Self { last, blocks: Blocks::default(), room: BytesMut::new(), max_event, gave_up: false, counters }
    }

    /// Before the first event nothing is promised; `None` while it has not come.
    pub(super) fn first(&mut self, data: &[u8]) -> Option<First> {
        self.blocks.push(data);
        match self.blocks.next() {
            Some(Block::Between(bytes)) => Some(First::Between(bytes)),
            Some(Block::Event(bytes, _)) if self.blocks.has_own_id() => {
                self.counters.count(|cells| &cells.own_ids);
                Some(First::Own([bytes.freeze(), self.blocks.take()]))
            }
            Some(Block::Event(bytes, _)) if bytes.len() > self.max_event => {
                self.counters.count(|cells| &cells.too_long);
                Some(First::Own([bytes.freeze(), self.blocks.take()]))
            }
            Some(Block::Event(bytes, at)) => Some(First::Event(self.label(bytes, at))),
            None if self.blocks.held() > self.max_event => {
                self.counters.count(|cells| &cells.too_long);
                Some(First::Own([self.blocks.take(), Bytes::new()]))
            }
            None => None,
        }
    }

    /// What is left when the stream has ended.
    pub(super) fn rest(&mut self) -> Bytes {
        self.blocks.take()
    }

    /// Adds all that is complete.
    fn record<R: Recorder>(&mut self, recorder: &mut R) {
        while let Some(block) = self.blocks.next() {
            match block {
                // A copy, as below: a part of a chunk would hold all of it.
                Block::Between(bytes) => recorder.append(None, Bytes::copy_from_slice(&bytes)),
                Block::Event(bytes, at) if bytes.len() <= self.max_event => {
                    let event = self.label(bytes, at);
                    recorder.append(Some(self.last.number), event);
                }
                Block::Event(bytes, _) => return self.give_up(bytes.freeze(), recorder),
            }
        }
        if self.blocks.held() > self.max_event {
            self.give_up(Bytes::new(), recorder);
        }
    }

    /// An event is too long to be kept -> the stream goes on as it is, for who follows it now.
    fn give_up<R: Recorder>(&mut self, event: Bytes, recorder: &mut R) {
        self.counters.count(|cells| &cells.too_long);
        tracing::debug!("an event is too long to be kept; from here on its stream cannot be resumed");
        recorder.give_up();
        self.gave_up = true;
        if !event.is_empty() {
            recorder.append(None, event);
        }
        self.flush(recorder);
    }

    /// Reads the upstream on, as fast as it is wanted.
    pub(super) fn poll_run<B, R>(
        &mut self,
        mut body: Pin<&mut B>,
        recorder: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<Ended>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
        R: Recorder,
    {
        // What came with the first event.
        self.record(recorder);
        loop {
            if body.is_end_stream() {
                self.flush(recorder);
                return Poll::Ready(Ended::As(End::Complete(None)));
            }
            if let Err(Abandoned) = ready!(recorder.poll_wanted(cx)) {
                return Poll::Ready(Ended::Abandoned);
            }
            let ended = match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if self.gave_up => {
                        recorder.append(None, data);
                        None
                    }
                    Ok(data) => {
                        self.blocks.push(&data);
                        self.record(recorder);
                        None
                    }
                    Err(frame) => Some(Ended::As(End::Complete(frame.into_trailers().ok()))),
                },
                Some(Err(error)) => Some(Ended::Error(error.into())),
                None => Some(Ended::As(End::Complete(None))),
            };
            if let Some(ended) = ended {
                self.flush(recorder);
                return Poll::Ready(ended);
            }
        }
    }

    /// What is left, and will be no event.
    fn flush<R: Recorder>(&mut self, recorder: &mut R) {
        let rest = self.blocks.take();
        if !rest.is_empty() {
            recorder.append(None, Bytes::copy_from_slice(&rest));
        }
    }

    fn label(&mut self, block: BytesMut, at: usize) -> Bytes {
        self.last.number += 1;
        let needed = block.len() + "id: \n".len() + EventId::MAX_LEN;
        let mut alone = BytesMut::new();
        let room = if needed > SMALL {
            alone.reserve(needed);
            &mut alone
        } else {
            if self.room.capacity() < needed {
                self.room = BytesMut::with_capacity(ROOM);
            }
            &mut self.room
        };
        room.extend_from_slice(&block[..at]);
        // There is room, so it cannot fail.
        let _ = writeln!(room, "id: {}", self.last);
        room.extend_from_slice(&block[at..]);
        room.split().freeze()
    }
}

/// What a stream begins with.
#[derive(Debug)]
pub(super) enum First {
    /// Not its first event yet.
    Between(Bytes),
    /// An event, with an id of ours.
    Event(Bytes),
    /// Of a stream that goes on as it is: it has its own ids, or its first event is too long to be kept.
    Own([Bytes; 2]),
}
