use std::time::Duration;

use super::{Keep, Moment, Policy, histogram::Histogram, recent::Recent};

/// Learns from a histogram of idle times when the next request will come.
///
/// The policy of Shahrad et al., "Serverless in the Wild" (USENIX ATC 2020): if most idle times are much alike, it stops at
/// once, is warm again shortly before the first of them is likely to end, and stays until the last of them has. Where they
/// say little, it stays warm for as long as the histogram reaches. Where most are longer than that, the paper forecasts the
/// next one by ARIMA; this takes the median of the last 16, if they are within the margin of it, and else stays for the
/// fallback.
///
/// | | default | |
/// |---|---|---|
/// | bins | 240 of a minute | [`bins`](Self::bins) |
/// | head and tail | 5 % and 99 % | [`percentiles`](Self::percentiles) |
/// | margin of the histogram | 10 % | |
/// | says something if its bins vary by more than | 2 times their mean | |
/// | most are too long from | half of them | |
/// | margin of a forecast | 15 % | |
/// | otherwise | stays for as long as the bins reach | [`fallback`](Self::fallback) |
#[derive(Clone, Debug)]
pub struct HybridHistogram {
    bin: Duration,
    bins: u32,
    head: f64,
    tail: f64,
    fallback: Duration,
    histogram: Histogram,
    /// Those that were longer than the bins reach.
    beyond: u32,
    recent: Recent,
}

/// What the idle times look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Most are longer than the histogram reaches.
    Beyond,
    /// They are much alike.
    Regular,
    /// They say little.
    Uncertain,
}

const MARGIN: f64 = 0.10;
const VARIATION: f64 = 2.0;
const FORECAST_MARGIN: f64 = 0.15;
const RECENT: usize = 16;

impl HybridHistogram {
    /// With the paper's defaults.
    #[must_use]
    pub fn new() -> Self {
        let bin = Duration::from_secs(60);
        Self {
            bin,
            bins: 240,
            head: 0.05,
            tail: 0.99,
            fallback: bin * 240,
            histogram: Histogram::new(240),
            beyond: 0,
            recent: Recent::new(RECENT),
        }
    }

    /// So many bins of this length. The [`fallback`](Self::fallback) becomes as long as they reach.
    ///
    /// # Panics
    ///
    /// If there are less than 2 or more than 10,000, or their length is less than a millisecond or more than a day.
    #[must_use]
    pub fn bins(self, bins: u32, bin: Duration) -> Self {
        assert!((2..=10_000).contains(&bins), "{bins} bins are not from 2 to 10,000");
        let bounds = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
        assert!(bounds.contains(&bin), "a bin of {bin:?} is not from 1 ms to a day");
        Self { bin, bins, fallback: bin * bins, histogram: Histogram::new(bins as usize), ..self }
    }

    /// It is warm again before this share of the idle times has ended, and until that share has.
    ///
    /// # Panics
    ///
    /// If they are not shares, or the first is not less than the second.
    #[must_use]
    pub fn percentiles(self, head: f64, tail: f64) -> Self {
        assert!(0.0 <= head && head < tail && tail <= 1.0, "{head} and {tail} are no shares in order");
        Self { head, tail, ..self }
    }

    /// For how long it stays warm when it does not know: where that is dear, less than the paper has it.
    #[must_use]
    pub fn fallback(self, fallback: Duration) -> Self {
        Self { fallback, ..self }
    }

    /// What the idle times so far look like.
    #[must_use]
    pub fn pattern(&self) -> Pattern {
        let (within, beyond) = (self.histogram.total(), self.beyond);
        if beyond > 0 && beyond >= within {
            Pattern::Beyond
        } else if self.histogram.variation() < VARIATION {
            Pattern::Uncertain
        } else {
            Pattern::Regular
        }
    }

    /// The wish that counts from the begin of an idle time.
    #[must_use]
    pub fn keep(&self) -> Keep {
        match self.pattern() {
            Pattern::Uncertain => Keep::stay(self.fallback),
            Pattern::Regular => {
                let head = self.bin.mul_f64(self.histogram.percentile(self.head) as f64 * (1.0 - MARGIN));
                let tail = (self.histogram.percentile(self.tail) + 1) as f64 * (1.0 + MARGIN);
                Keep::NONE.again(head, self.bin.mul_f64(tail))
            }
            Pattern::Beyond => self.forecast().unwrap_or(Keep::stay(self.fallback)),
        }
    }

    fn forecast(&self) -> Option<Keep> {
        let (median, away) = self.recent.spread()?;
        let is_alike = self.recent.len() > 1 && away <= median.mul_f64(FORECAST_MARGIN);
        is_alike.then(|| {
            let [early, late] =
                [1.0 - FORECAST_MARGIN, 1.0 + FORECAST_MARGIN].map(|share| median.mul_f64(share));
            Keep::NONE.again(early, late)
        })
    }
}

impl Default for HybridHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for HybridHistogram {
    fn arrived(&mut self, idle: Duration, _: Moment) {
        self.recent.add(idle);
        let bin = idle.as_nanos() / self.bin.as_nanos();
        if bin < u128::from(self.bins) {
            self.histogram.add(bin as usize);
        } else {
            self.beyond += 1;
            if self.beyond >= 1 << 16 {
                self.beyond /= 2;
                self.histogram.halve();
            }
        }
    }

    fn idle(&mut self, _: Moment) -> Keep {
        self.keep()
    }

    fn resolution(&self) -> Duration {
        (self.bin / 16).clamp(Duration::from_millis(1), Duration::from_secs(1))
    }
}
