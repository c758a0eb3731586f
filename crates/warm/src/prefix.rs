//! When it pays to keep a provider's prompt cache warm.
//!
//! A cache that is read in time lives on; one that is not has to be written again, which costs more than a read. To read it
//! for nothing but that, a ping, pays as long as somebody is likely to come back. [`PrefixPing`] says for how long that is,
//! and sends nothing; [`PrefixLayer`] does, where it was put into a stack.

mod known;
mod layer;
mod sender;
mod service;

use std::time::Duration;

pub use layer::{PrefixHandle, PrefixLayer, PrefixStats};
pub use service::{KeepPrefix, KeepPrefixFuture};

/// What a provider's cache costs, in parts of the price of plain input, and how long it lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefixPing {
    ttl: Duration,
    margin: Duration,
    read: f64,
    write: f64,
}

impl PrefixPing {
    /// A cache that lives for `ttl` from the begin of each request that reads it, and of which a read and a write cost so
    /// much. A ping goes a tenth of that time early.
    ///
    /// # Panics
    ///
    /// If a read costs nothing, or as much as a write.
    #[must_use]
    pub fn new(ttl: Duration, read: f64, write: f64) -> Self {
        assert!(0.0 < read && read < write, "a read at {read} does not save a write at {write}");
        Self { ttl, margin: ttl / 10, read, write }
    }

    /// Five minutes, a tenth to read and five quarters to write: Anthropic's prices of 2025.
    #[must_use]
    pub fn anthropic() -> Self {
        Self::new(Duration::from_secs(5 * 60), 0.1, 1.25)
    }

    /// How likely somebody has to come within the next life of the cache for a ping to pay: what it costs, over what a
    /// write costs more than a read.
    #[must_use]
    pub fn break_even(&self) -> f64 {
        self.read / (self.write - self.read)
    }

    /// So many pings without anybody coming cost as much as the one write that they might have saved.
    #[must_use]
    pub fn most(&self) -> u32 {
        ((self.write - self.read) / self.read + 1e-9) as u32
    }

    /// How long after the latest read the next ping goes, if one pays: so many have gone since somebody came, and somebody
    /// comes within a life with this probability, if that is known.
    #[must_use]
    pub fn next(&self, pings: u32, returns: Option<f64>) -> Option<Duration> {
        let pays = returns.is_none_or(|returns| returns > self.break_even()) && pings < self.most();
        pays.then(|| self.ttl - self.margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_go_while_they_pay() {
        let ping = PrefixPing::anthropic();
        assert_eq!(ping.most(), 11);
        assert!((ping.break_even() - 0.087).abs() < 1e-3);
        assert_eq!(ping.next(0, None), Some(Duration::from_secs(270)));
        assert_eq!(ping.next(10, Some(0.09)), Some(Duration::from_secs(270)));
        assert_eq!((ping.next(11, None), ping.next(0, Some(0.08))), (None, None));
    }
}
