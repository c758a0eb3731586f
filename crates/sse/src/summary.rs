use std::time::Duration;

use dashpot_wire::dialect::{Dialect, FinishReason, Usage};

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// As its dialect says: with its terminal marker, also when the client hung up after it. Plain server-sent events
    /// have no marker: between two events.
    Done,
    /// An error event passed.
    Error,
    /// The bytes ended without a terminal marker, or in the middle of a plain event, or before the stated length.
    Truncated,
    /// The inner body gave an error.
    Reset,
    /// The body was dropped before its end.
    ClientGone,
}

impl End {
    /// A name for logs and labels, such as `client-gone`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Error => "error",
            Self::Truncated => "truncated",
            Self::Reset => "reset",
            Self::ClientGone => "client-gone",
        }
    }
}

/// All about one stream, when it is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The dialect that it was read as; `None` is plain server-sent events.
    pub dialect: Option<Dialect>,
    /// How it ended.
    pub end: End,
    /// When things happened.
    pub times: Times,
    /// Complete events.
    pub events: u64,
    /// Bytes of the body.
    pub bytes: u64,
    /// Tokens, as far as the stream said.
    pub usage: Usage,
    /// Why the model stopped, if the stream said so.
    pub finish_reason: Option<FinishReason>,
}

/// When things happened in one exchange, each counted from the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// The head of the response.
    pub headers: Duration,
    /// The first frame with bytes in it.
    pub first_byte: Option<Duration>,
    /// The frame that completed the first event with content (see
    /// [`StreamReader::has_content`](dashpot_wire::dialect::StreamReader::has_content)).
    pub first_content: Option<Duration>,
    /// The end.
    pub end: Duration,
}

impl Summary {
    /// The name of the dialect, `plain` if it has none.
    #[must_use]
    pub fn dialect_name(&self) -> &'static str {
        dialect_name(self.dialect)
    }

    /// The mean time from one token to the next: from the first content to the end, over the tokens after the first.
    ///
    /// `None` unless the stream is [`Done`](End::Done) and stated at least two output tokens.
    #[must_use]
    pub fn time_per_output_token(&self) -> Option<Duration> {
        let (first, tokens) = (self.times.first_content?, self.usage.output_tokens?);
        let gaps = u32::try_from(tokens.checked_sub(1)?).ok()?;
        let flow = self.times.end.saturating_sub(first);
        if self.end == End::Done { flow.checked_div(gaps) } else { None }
    }

    /// Whoever runs the service must act on a stream that its upstream broke; a client that leaves is every day's.
    pub(crate) fn trace(&self) {
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    end = self.end.name(),
                    dialect = self.dialect_name(),
                    events = self.events,
                    bytes = self.bytes,
                    elapsed = ?self.times.end,
                    "event stream ended"
                )
            };
        }
        match self.end {
            End::Done | End::ClientGone => event!(debug),
            End::Error | End::Truncated | End::Reset => event!(warn),
        }
    }
}

pub(crate) fn dialect_name(dialect: Option<Dialect>) -> &'static str {
    dialect.map_or("plain", Dialect::name)
}
