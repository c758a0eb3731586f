//! A row of the table.

use std::{collections::BTreeMap, fmt, time::Duration};

use dashpot_testkit::load::{End, Exchange};

#[derive(Debug)]
pub(crate) struct Tally {
    silence: Duration,
    users: u64,
    served: u64,
    cached: u64,
    first: Vec<Duration>,
    errors: BTreeMap<String, u64>,
    pub(crate) calls: u64,
}

impl Tally {
    pub(crate) const HEAD: &str =
        " users  served  first p50  first p99   cached   calls  of the others, in per cent of all";

    /// Longer than `silence` no stream may say nothing.
    pub(crate) fn new(silence: Duration) -> Self {
        let (first, errors) = (Vec::new(), BTreeMap::new());
        Self { silence, users: 0, served: 0, cached: 0, first, errors, calls: 0 }
    }

    pub(crate) fn add(&mut self, exchange: &Exchange) {
        self.users += 1;
        let error = match exchange.end {
            End::Answered => {
                self.cached += u64::from(exchange.is_hit);
                self.first.extend(exchange.first.filter(|_| exchange.stream));
                if exchange.gaps.iter().all(|&gap| gap <= self.silence) {
                    self.served += 1;
                    return;
                }
                "with a long silence".to_owned()
            }
            End::Refused(status) | End::Failed(status) => status.to_string(),
            End::Broken => "broken off".to_owned(),
            End::Left => "left, waiting".to_owned(),
            _ => "not connected".to_owned(),
        };
        *self.errors.entry(error).or_default() += 1;
    }

    fn first(&self, share: f64) -> Duration {
        let mut sorted = self.first.clone();
        sorted.sort_unstable();
        sorted.get((share * sorted.len() as f64) as usize).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |count: u64| 100.0 * count as f64 / self.users.max(1) as f64;
        let ms = |time: Duration| time.as_millis();
        let errors = self.errors.iter().map(|(error, &count)| format!("{error} {:.1}", percent(count)));
        write!(
            f,
            "{:6} {:6.1}% {:7} ms {:7} ms {:7.1}% {:7}  {}",
            self.users,
            percent(self.served),
            ms(self.first(0.5)),
            ms(self.first(0.99)),
            percent(self.cached),
            self.calls,
            errors.collect::<Vec<_>>().join(", ")
        )
    }
}
