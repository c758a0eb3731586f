use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rand::rngs::SmallRng;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Config, Distribution, Fault,
    gate::Slot,
    log::{End, Entry},
    script::Script,
};

/// An answer on its way: sends the parts of a script, each at its time, unless a fault comes in between.
///
/// It holds the exchange's log entry and its slot, so both end when hyper has taken the last part, or drops the body.
#[derive(Debug)]
pub(super) struct ReplyBody {
    script: Script,
    /// The part that is next.
    next: usize,
    /// The part that is on its way, where it goes out by drips.
    rest: Bytes,
    fault: Option<BodyFault>,
    pace: Pace,
    sleep: Option<Pin<Box<Sleep>>>,
    over: bool,
    /// Absent for what is not logged.
    held: Option<Held>,
}

/// Dropped in this order: who sees the end in the log finds the slot free.
#[derive(Debug)]
struct Held {
    slot: Option<Slot>,
    entry: Entry,
}

/// The faults that come after the head.
#[derive(Debug)]
struct BodyFault {
    fault: Fault,
    /// Parts before it.
    after: usize,
    /// What a stream error says.
    event: Bytes,
}

impl ReplyBody {
    /// A document that is not logged and never fails.
    pub(super) fn plain(script: Script) -> Self {
        Self {
            script,
            next: 0,
            rest: Bytes::new(),
            fault: None,
            pace: Pace::none(),
            sleep: None,
            over: false,
            held: None,
        }
    }

    pub(super) fn new(script: Script, pace: Pace, entry: Entry, slot: Option<Slot>) -> Self {
        Self { pace, held: Some(Held { slot, entry }), ..Self::plain(script) }
    }

    /// Lets this fault happen on the way; `event` is what a stream error says, told how many events came before.
    pub(super) fn with_fault(mut self, fault: Fault, event: impl FnOnce(usize) -> Bytes) -> Self {
        let after = match fault {
            Fault::StreamError { after }
            | Fault::Stall { after, .. }
            | Fault::Truncate { after }
            | Fault::Reset { after } => after,
            Fault::SlowDrip { .. } => 0,
            _ => return self,
        };
        if self.script.whole && !matches!(fault, Fault::SlowDrip { .. }) {
            self.script = self.script.halved();
        }
        let after = if self.script.whole { 1 } else { after }.min(self.script.parts.len().saturating_sub(1));
        self.fault = Some(BodyFault { fault, after, event: event(after) });
        self
    }

    /// The next frame, whose time has come.
    fn step(&mut self) -> Step {
        if !self.rest.is_empty() {
            return self.drip();
        }
        if let Some(fault) = self.fault.take_if(|fault| fault.after <= self.next) {
            match fault.fault {
                Fault::StreamError { .. } => return Step::Send(fault.event, Some(End::Fault)),
                Fault::Truncate { .. } => return Step::End,
                Fault::Reset { .. } => return Step::Reset,
                Fault::Stall { time: Some(time), .. } => {
                    self.pace.due += time;
                    return Step::Wait;
                }
                Fault::Stall { time: None, .. } => {
                    // Put back: it never passes.
                    self.fault = Some(fault);
                    return Step::Never;
                }
                _ => self.fault = Some(fault),
            }
        }
        let Some((bytes, tokens)) = self.script.part(self.next) else {
            return Step::End;
        };
        if self.pace.pass(self.next, tokens) {
            return Step::Wait;
        }
        self.next += 1;
        self.rest = bytes;
        self.drip()
    }

    /// The next piece of the part that is on its way: all of it, unless the fault is to be slow.
    fn drip(&mut self) -> Step {
        let Some(BodyFault { fault: Fault::SlowDrip { bytes, pause }, .. }) = self.fault else {
            return Step::Send(std::mem::take(&mut self.rest), self.end_if_last());
        };
        let piece = self.rest.split_to(bytes.min(self.rest.len()));
        self.pace.due = self.pace.due.max(Instant::now()) + pause;
        let end = if self.rest.is_empty() { self.end_if_last() } else { None };
        Step::Send(piece, end)
    }

    fn end_if_last(&self) -> Option<End> {
        (self.next == self.script.parts.len()).then_some(End::Complete)
    }

    fn sent(&self, bytes: &Bytes) {
        if let Some(Held { entry, .. }) = &self.held {
            entry.sent(bytes.len(), self.rest.is_empty());
        }
    }

    fn end(&mut self, end: End) {
        self.over = true;
        if let Some(mut held) = self.held.take() {
            held.slot = None;
            held.entry.end(end);
        }
    }
}

enum Step {
    Send(Bytes, Option<End>),
    /// Until the pace's next instant.
    Wait,
    Never,
    Reset,
    End,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        let this = self.get_mut();
        loop {
            if this.over {
                return Poll::Ready(None);
            }
            if let Some(due) = this.pace.waits() {
                let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
                if sleep.deadline() != due {
                    sleep.as_mut().reset(due);
                }
                ready!(sleep.as_mut().poll(cx));
                this.pace.reached = due;
            }
            match this.step() {
                Step::Wait => {}
                Step::Never => return Poll::Pending,
                Step::Send(bytes, end) => {
                    this.sent(&bytes);
                    if let Some(end) = end {
                        this.end(end);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Step::Reset => {
                    this.end(End::Fault);
                    return Poll::Ready(Some(Err(Reset)));
                }
                Step::End => this.end(if this.fault.is_none() && this.next == this.script.parts.len() {
                    End::Complete
                } else {
                    End::Fault
                }),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }

    fn size_hint(&self) -> SizeHint {
        // A fault may end it early; a stream does not tell.
        if !self.script.whole || self.fault.is_some() {
            return SizeHint::default();
        }
        let sent = self.next.checked_sub(1).map_or(0, |last| self.script.parts[last].end);
        SizeHint::with_exact((self.script.bytes.len() - sent) as u64)
    }
}

/// The times of one answer. They follow from when it began and not from when it is read, as a model does not wait for
/// a slow reader.
#[derive(Debug)]
pub(super) struct Pace {
    rng: Option<SmallRng>,
    ttft_ms: Distribution,
    gap_ms: Distribution,
    scale: f64,
    due: Instant,
    /// The instant that was waited for last.
    reached: Instant,
    /// Parts whose time was counted.
    counted: usize,
    started: bool,
}

impl Pace {
    pub(super) fn new(config: &Config, rng: SmallRng) -> Self {
        let rng = (config.time_scale > 0.0).then_some(rng);
        Self { rng, ttft_ms: config.ttft_ms, gap_ms: config.gap_ms, scale: config.time_scale, ..Self::none() }
    }

    /// Waits for nothing.
    pub(super) fn none() -> Self {
        let now = Instant::now();
        let zero = Distribution::Constant(0.0);
        Self {
            rng: None,
            ttft_ms: zero,
            gap_ms: zero,
            scale: 0.0,
            due: now,
            reached: now,
            counted: 0,
            started: false,
        }
    }

    /// The time of so many tokens, the first token's included.
    pub(super) fn time(&mut self, tokens: usize) -> Duration {
        let Some(rng) = &mut self.rng else { return Duration::ZERO };
        let mut ms = 0.0;
        for _ in 0..tokens {
            let step = if self.started { self.gap_ms } else { self.ttft_ms };
            self.started = true;
            ms += step.sample(rng);
        }
        Duration::try_from_secs_f64(ms * self.scale / 1000.0).unwrap_or(Duration::from_secs(u32::MAX.into()))
    }

    /// Counts the time of this part, once; whether it is still to be waited for.
    fn pass(&mut self, part: usize, tokens: usize) -> bool {
        if self.counted == part {
            self.counted += 1;
            let time = self.time(tokens);
            self.due += time;
        }
        self.waits().is_some()
    }

    fn waits(&self) -> Option<Instant> {
        (self.due > self.reached).then_some(self.due)
    }
}

/// What breaks the connection.
#[derive(Debug)]
pub(super) struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reset, as the fault asked for")
    }
}

impl std::error::Error for Reset {}
