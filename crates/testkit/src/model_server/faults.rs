use std::{fmt, str::FromStr, time::Duration};

/// Something that goes wrong with one exchange.
///
/// Read from text as a name and options, `name;key=value;...`: the header `x-fault` and the control endpoint use it.
///
/// | text | what happens | options and their defaults |
/// |---|---|---|
/// | `rate-limit` | 429 with every hint of the dialect | `ms=1500`: when to come back |
/// | `quota` | 429 that says the allowance is spent | |
/// | `error` | 500 | |
/// | `unavailable` | 503 | |
/// | `overloaded` | 529 | |
/// | `stream-error` | an error event, then a clean end | `after=3` events |
/// | `stall` | silence, then the rest | `after=3` events, `ms`: for how long (default: for ever) |
/// | `truncate` | a clean end without the protocol's marker | `after=3` events |
/// | `reset` | the connection (HTTP/1) or the stream (HTTP/2) breaks | `after=3` events |
/// | `slow-head` | the head comes late | `ms=1000`: by how much |
/// | `slow-drip` | a few bytes at a time | `bytes=7`, `ms=10`: between two pieces |
///
/// `after` never goes past the last event but one, so that the marker never comes. An answer that is not a stream
/// breaks in the middle, and `stream-error` makes it a 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with hints.
    RateLimit {
        /// When to come back.
        retry_after: Duration,
    },
    /// 429, and waiting does not help.
    Quota,
    /// 500.
    Error,
    /// 503.
    Unavailable,
    /// 529.
    Overloaded,
    /// An error event in mid-stream.
    StreamError {
        /// Events before it.
        after: usize,
    },
    /// Silence in mid-stream.
    Stall {
        /// Events before it.
        after: usize,
        /// For how long; `None`: for ever.
        time: Option<Duration>,
    },
    /// A clean end in mid-stream.
    Truncate {
        /// Events before it.
        after: usize,
    },
    /// A broken connection in mid-stream.
    Reset {
        /// Events before it.
        after: usize,
    },
    /// A late head.
    SlowHead {
        /// How late.
        delay: Duration,
    },
    /// A few bytes at a time.
    SlowDrip {
        /// How many.
        bytes: usize,
        /// Between two pieces.
        pause: Duration,
    },
}

impl Fault {
    /// Its name, as in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimit { .. } => "rate-limit",
            Self::Quota => "quota",
            Self::Error => "error",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::StreamError { .. } => "stream-error",
            Self::Stall { .. } => "stall",
            Self::Truncate { .. } => "truncate",
            Self::Reset { .. } => "reset",
            Self::SlowHead { .. } => "slow-head",
            Self::SlowDrip { .. } => "slow-drip",
        }
    }

    /// The status of the answer that it makes instead, if it makes one.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::RateLimit { .. } | Self::Quota => Some(429),
            Self::Error => Some(500),
            Self::Unavailable => Some(503),
            Self::Overloaded => Some(529),
            _ => None,
        }
    }
}

impl FromStr for Fault {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let (mut after, mut ms, mut bytes) = (None, None, None);
        for option in parts {
            let (key, value) = option.split_once('=').ok_or_else(|| BadFault(option.into()))?;
            let value: u32 = value.trim().parse().map_err(|_| BadFault(option.into()))?;
            match key.trim() {
                "after" => after = Some(value as usize),
                "ms" => ms = Some(Duration::from_millis(value.into())),
                "bytes" if value > 0 => bytes = Some(value as usize),
                _ => return Err(BadFault(option.into())),
            }
        }
        let or = |default| ms.unwrap_or(Duration::from_millis(default));
        let events = after.unwrap_or(3);
        let (fault, takes) = match name {
            "rate-limit" => (Self::RateLimit { retry_after: or(1500) }, [false, true, false]),
            "quota" => (Self::Quota, [false; 3]),
            "error" => (Self::Error, [false; 3]),
            "unavailable" => (Self::Unavailable, [false; 3]),
            "overloaded" => (Self::Overloaded, [false; 3]),
            "stream-error" => (Self::StreamError { after: events }, [true, false, false]),
            "stall" => (Self::Stall { after: events, time: ms }, [true, true, false]),
            "truncate" => (Self::Truncate { after: events }, [true, false, false]),
            "reset" => (Self::Reset { after: events }, [true, false, false]),
            "slow-head" => (Self::SlowHead { delay: or(1000) }, [false, true, false]),
            "slow-drip" => (Self::SlowDrip { bytes: bytes.unwrap_or(7), pause: or(10) }, [false, true, true]),
            _ => return Err(BadFault(name.into())),
        };
        let given = [after.is_some(), ms.is_some(), bytes.is_some()];
        match given.iter().zip(takes).any(|(&given, takes)| given && !takes) {
            true => Err(BadFault(text.into())),
            false => Ok(fault),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match *self {
            Self::StreamError { after } | Self::Truncate { after } | Self::Reset { after } => {
                write!(f, ";after={after}")
            }
            Self::Stall { after, time: None } => write!(f, ";after={after}"),
            Self::Stall { after, time: Some(time) } => write!(f, ";after={after};ms={}", time.as_millis()),
            Self::RateLimit { retry_after: time } | Self::SlowHead { delay: time } => {
                write!(f, ";ms={}", time.as_millis())
            }
            Self::SlowDrip { bytes, pause } => write!(f, ";bytes={bytes};ms={}", pause.as_millis()),
            Self::Quota | Self::Error | Self::Unavailable | Self::Overloaded => Ok(()),
        }
    }
}

/// Text that names no fault; holds the part that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFault(String);

impl fmt::Display for BadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such fault, or not an option of this one: {:?}", self.0)
    }
}

impl std::error::Error for BadFault {}

/// A fault that comes unasked.
///
/// Of several rules the first that fires counts. The draw is seeded by the number of the request, so a retry can fare
/// better than the request it repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// To which share of the requests, 0 to 1.
    pub rate: f64,
    /// How many times at most; `None`: no end.
    pub times: Option<u64>,
}

impl FaultRule {
    /// The fault happens to this share of the requests.
    #[must_use]
    pub fn rate(fault: Fault, rate: f64) -> Self {
        Self { fault, rate, times: None }
    }

    /// The fault happens to the next `times` requests.
    #[must_use]
    pub fn next(fault: Fault, times: u64) -> Self {
        Self { fault, rate: 1.0, times: Some(times) }
    }
}

/// The fault of one request, by the rules; `draw` gives numbers from 0 to 1.
pub(super) fn draw(rules: &mut [FaultRule], mut draw: impl FnMut() -> f64) -> Option<Fault> {
    let rule = rules.iter_mut().find(|rule| rule.times != Some(0) && draw() < rule.rate)?;
    rule.times = rule.times.map(|times| times - 1);
    Some(rule.fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_fault_agree_both_ways() {
        for text in [
            "rate-limit;ms=250",
            "quota",
            "error",
            "unavailable",
            "overloaded",
            "stream-error;after=0",
            "stall;after=2",
            "stall;after=2;ms=50",
            "truncate;after=3",
            "reset;after=9",
            "slow-head;ms=1",
            "slow-drip;bytes=1;ms=0",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
            assert!(text.starts_with(fault.name()));
        }
        assert_eq!("reset".parse(), Ok(Fault::Reset { after: 3 }));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, part) in [
            ("explode", "explode"),
            ("reset;after", "after"),
            ("reset;after=-1", "after=-1"),
            ("stall;for=3", "for=3"),
            ("slow-drip;bytes=0", "bytes=0"),
            ("error;ms=3", "error;ms=3"),
        ] {
            assert_eq!(text.parse::<Fault>(), Err(BadFault(part.into())), "{text}");
        }
    }

    #[test]
    fn the_first_rule_that_fires_counts_and_wears_out() {
        let mut rules = [FaultRule::next(Fault::Quota, 2), FaultRule::rate(Fault::Error, 0.5)];
        let mut fault = |roll| draw(&mut rules, || roll);
        assert_eq!(fault(0.9), Some(Fault::Quota));
        assert_eq!(fault(0.9), Some(Fault::Quota));
        assert_eq!(fault(0.9), None);
        assert_eq!(fault(0.1), Some(Fault::Error));
    }
}
