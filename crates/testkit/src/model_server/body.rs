use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Fault,
    gate::Slot,
    log::{End, Entry},
    pace::Pace,
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
    /// Whether hyper had time to send what came before.
    flushed: bool,
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
        self.fault = Some(BodyFault { fault, after, flushed: false, event: event(after) });
        self
    }

    /// The next frame, whose time has come.
    fn step(&mut self) -> Step {
        if !self.rest.is_empty() {
            return self.drip();
        }
        if let Some(mut fault) = self.fault.take_if(|fault| fault.after <= self.next) {
            match fault.fault {
                Fault::Reset { .. } if !fault.flushed => {
                    // On an error hyper throws away what it has not written, perhaps even the head.
                    fault.flushed = true;
                    self.fault = Some(fault);
                    self.pace.due = self.pace.due.max(Instant::now()) + Duration::from_millis(1);
                    return Step::Wait;
                }
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

/// What breaks the connection.
#[derive(Debug)]
pub(super) struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reset, as the fault asked for")
    }
}

impl std::error::Error for Reset {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, Method};
    use http_body_util::BodyExt;
    use rand::{SeedableRng, rngs::SmallRng};
    use serde_json::json;

    use super::*;
    use crate::model_server::{Config, Distribution, Exchange, log::Log, script::Events};

    /// An answer of a head and three tokens, 100 ms to the first and 20 ms apart, and the log that it is in.
    struct Answer(ReplyBody, Arc<Log>);

    fn answer() -> Answer {
        let config = Config {
            ttft_ms: Distribution::Constant(100.0),
            gap_ms: Distribution::Constant(20.0),
            ..Config::default()
        };
        let mut events = Events::default();
        for tokens in [0, 1, 1, 1] {
            events.data(&json!(tokens), tokens);
        }
        let log = Arc::new(Log::new(1));
        let entry = log.begin(Method::POST, "/".into(), HeaderMap::new());
        let pace = Pace::new(&config, config.time_scale, SmallRng::seed_from_u64(0));
        Answer(ReplyBody::new(events.done(), pace, entry, None), log)
    }

    impl Answer {
        fn fault(self, fault: &str) -> Self {
            let body = self.0.with_fault(fault.parse().unwrap(), |number| format!("error {number}").into());
            Self(body, self.1)
        }

        /// Milliseconds from now, and text; "end" or "reset" at last.
        async fn read(&mut self) -> Vec<(u128, String)> {
            let (start, mut seen) = (Instant::now(), Vec::new());
            loop {
                let text = match self.0.frame().await {
                    Some(Ok(frame)) => String::from_utf8(frame.into_data().unwrap().into()).unwrap(),
                    Some(Err(_)) => "reset".into(),
                    None => "end".into(),
                };
                let over = ["reset", "end"].contains(&&*text);
                seen.push(((Instant::now() - start).as_millis(), text.replace("data: ", "").trim().into()));
                if over {
                    return seen;
                }
            }
        }

        fn log(&self) -> Exchange {
            self.1.snapshot().remove(0)
        }
    }

    fn seen(events: &[(u128, &str)]) -> Vec<(u128, String)> {
        events.iter().map(|&(at, text)| (at, text.to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn every_part_comes_at_its_time() {
        let mut answer = answer();
        let all = seen(&[(0, "0"), (100, "1"), (120, "1"), (140, "1"), (140, "[DONE]"), (140, "end")]);
        assert_eq!(answer.read().await, all);
        let log = answer.log();
        assert!(log.ended(End::Complete));
        assert_eq!((log.events, log.bytes), (5, 4 * 9 + 14));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_finds_what_was_made_meanwhile() {
        let mut answer = answer();
        tokio::time::advance(Duration::from_millis(130)).await;
        let late = seen(&[(0, "0"), (0, "1"), (0, "1"), (10, "1"), (10, "[DONE]"), (10, "end")]);
        assert_eq!(answer.read().await, late);
    }

    #[tokio::test(start_paused = true)]
    async fn faults_come_after_their_event() {
        for (fault, last, at) in [
            ("truncate;after=2", seen(&[(100, "1"), (100, "end")]), 2),
            ("reset;after=2", seen(&[(100, "1"), (101, "reset")]), 2),
            ("stream-error;after=1", seen(&[(0, "error 1"), (0, "end")]), 2),
            ("truncate;after=99", seen(&[(140, "1"), (140, "end")]), 4),
        ] {
            let mut answer = answer().fault(fault);
            let seen = answer.read().await;
            assert!(seen.ends_with(&last), "{fault}: {seen:?}");
            assert!(answer.log().ended(End::Fault) && answer.log().events == at, "{fault}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_passes_or_does_not() {
        let mut passes = answer().fault("stall;after=2;ms=500");
        let rest = seen(&[(100, "1"), (620, "1"), (640, "1"), (640, "[DONE]"), (640, "end")]);
        assert!(passes.read().await.ends_with(&rest));
        assert!(passes.log().ended(End::Complete));
        let mut never = answer().fault("stall;after=0");
        assert!(tokio::time::timeout(Duration::from_secs(9999), never.read()).await.is_err());
        let log = never.1.clone();
        drop(never);
        assert!(log.snapshot()[0].ended(End::Aborted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_cuts_anywhere() {
        let mut answer = answer().fault("slow-drip;bytes=5;ms=1");
        let drip = seen(&[(0, "data:"), (1, "0"), (102, "data:"), (103, "1")]);
        assert!(answer.read().await.starts_with(&drip));
        assert_eq!(answer.log().events, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_knows_its_length_unless_a_fault_may_cut_it() {
        let document = || ReplyBody::plain(Script::json(&json!("abcd")));
        assert_eq!(document().size_hint().exact(), Some(6));
        let mut cut = Answer(
            document().with_fault(Fault::Truncate { after: 3 }, |_| Bytes::new()),
            Arc::new(Log::new(1)),
        );
        assert_eq!(cut.0.size_hint().exact(), None);
        assert_eq!(cut.read().await, seen(&[(0, "\"ab"), (0, "end")]));
    }
}
