use std::{sync::Arc, time::Duration};

use dashpot_body::End as BodyEnd;
use dashpot_core::{BodyReport, Outcome};
use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    sse::Framer,
};
use tokio::time::Instant;

use crate::{End, Observer, Summary, Times, layer::Shared};

/// What is known of one stream. It is told the bytes and the time; it has no clock.
pub(crate) struct Watch<O> {
    shared: Arc<Shared<O>>,
    report: BodyReport,
    dialect: Option<Dialect>,
    framer: Framer,
    reader: StreamReader,
    bytes: u64,
    /// The inner body gave an error.
    reset: bool,
    called: Instant,
    headers: Duration,
    first_byte: Option<Duration>,
    first_content: Option<Duration>,
}

impl<O: Observer> Watch<O> {
    /// A stream that begins: its head came at `now`.
    pub(crate) fn new(
        shared: Arc<Shared<O>>,
        dialect: Option<Dialect>,
        report: BodyReport,
        called: Instant,
        now: Instant,
    ) -> Self {
        let headers = now.saturating_duration_since(called);
        shared.counters.started();
        shared.observer.on_headers(dialect, headers);
        Self {
            shared,
            report,
            dialect,
            framer: Framer::new(),
            reader: StreamReader::new(dialect),
            bytes: 0,
            reset: false,
            called,
            headers,
            first_byte: None,
            first_content: None,
        }
    }

    /// Sees what passes; `true` if there is something to [`tell`](Self::tell), which needs the time.
    pub(crate) fn data(&mut self, data: &[u8]) -> bool {
        if data.is_empty() {
            return false;
        }
        self.bytes += data.len() as u64;
        self.framer.push(data, &mut self.reader);

        let usage = self.reader.usage();
        if let Some(tokens) = usage.input_tokens {
            self.report.set_input_tokens(tokens);
        }
        if let Some(tokens) = usage.output_tokens {
            self.report.set_output_tokens(tokens);
        }
        // Not only at the end: an outer body that is dropped asks before this one is dropped.
        if let Some(outcome) = self.said() {
            self.report.set_outcome(outcome);
        }
        self.first_byte.is_none() || self.first_content.is_none() && self.reader.has_content()
    }

    /// Tells what came first with the last frame, at `now`.
    pub(crate) fn tell(&mut self, now: Instant) {
        let after = now.saturating_duration_since(self.called);
        let observer = &self.shared.observer;
        if self.first_byte.is_none() && self.bytes > 0 {
            self.first_byte = Some(after);
            observer.on_first_byte(self.dialect, after);
        }
        if self.first_content.is_none() && self.reader.has_content() {
            self.first_content = Some(after);
            self.report.set_first_content(after);
            observer.on_first_content(self.dialect, after);
        }
    }

    /// The inner body gave an error.
    pub(crate) fn reset(&mut self) {
        self.reset = true;
    }

    /// The stream is over.
    pub(crate) fn end(self, body: BodyEnd, now: Instant) {
        let end = self.foresee(body);
        let summary = Summary {
            dialect: self.dialect,
            end,
            times: Times {
                headers: self.headers,
                first_byte: self.first_byte,
                first_content: self.first_content,
                end: now.saturating_duration_since(self.called),
            },
            events: self.reader.events(),
            bytes: self.bytes,
            usage: self.reader.usage(),
            finish_reason: self.reader.finish_reason(),
        };
        self.shared.counters.ended(&summary);
        summary.trace();
        self.shared.observer.on_end(&summary);
    }

    /// Reports the outcome that the stream will have if its body ends like this, and how that is called.
    pub(crate) fn foresee(&self, body: BodyEnd) -> End {
        let end = self.how(body);
        self.report.set_outcome(match end {
            End::Done => Outcome::Success,
            End::Error => self.reader.error().unwrap_or(Outcome::Failure),
            End::Truncated | End::Reset => Outcome::Failure,
            End::ClientGone => Outcome::Ignored,
        });
        end
    }

    /// What the stream itself has said about its outcome so far.
    fn said(&self) -> Option<Outcome> {
        self.reader.error().or_else(|| self.reader.is_terminated().then_some(Outcome::Success))
    }

    fn how(&self, body: BodyEnd) -> End {
        // The stream's own word first: SDKs hang up after the marker, and servers after an error event.
        if self.reader.error().is_some() {
            return End::Error;
        }
        let whole = if self.reader.is_terminated() {
            true
        } else if self.reader.expects_marker() {
            // Servers that are compatible with OpenAI's chat in all else leave its marker out. Where the body is whole, and
            // the model has said why it stopped, nothing is missing.
            let is_chat = matches!(self.dialect, Some(Dialect::OpenAiChat | Dialect::OpenAiCompletions));
            is_chat && self.reader.finish_reason().is_some() && self.framer.at_boundary()
        } else {
            self.framer.at_boundary()
        };
        match body {
            _ if self.reset => End::Reset,
            BodyEnd::Complete if whole => End::Done,
            BodyEnd::Dropped if self.reader.is_terminated() => End::Done,
            BodyEnd::Dropped => End::ClientGone,
            BodyEnd::Complete | BodyEnd::Error => End::Truncated,
        }
    }
}

/// The time, on the clock that tests can pause.
pub(crate) fn now() -> std::time::Instant {
    Instant::now().into_std()
}
