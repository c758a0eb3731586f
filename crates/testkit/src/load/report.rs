use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;

use super::{End, Exchange};

/// What all exchanges came to.
#[derive(Debug)]
pub struct Report {
    /// From the first request until the last answer.
    pub time: Duration,
    /// How many ended in which way, in words.
    pub ends: BTreeMap<String, u64>,
    /// How many were answered well.
    pub answered: u64,
    /// Of those, how many by a cache.
    pub hits: u64,
    first: Histogram<u64>,
    gaps: Histogram<u64>,
    whole: Histogram<u64>,
}

impl Default for Report {
    fn default() -> Self {
        // Microseconds, from one to an hour, to three figures.
        let histogram = || Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("these bounds are valid");
        Self {
            time: Duration::ZERO,
            ends: BTreeMap::new(),
            answered: 0,
            hits: 0,
            first: histogram(),
            gaps: histogram(),
            whole: histogram(),
        }
    }
}

impl Report {
    /// Takes one in.
    pub fn add(&mut self, exchange: &Exchange) {
        let end = match exchange.end {
            End::Answered => "answered".to_owned(),
            End::Refused(status) => format!("refused with {status} and a time to try again"),
            End::Failed(status) => format!("failed with {status}"),
            End::Broken => "broke off".to_owned(),
            End::Unreachable => "had no answer".to_owned(),
            End::Left => "left, waiting".to_owned(),
        };
        *self.ends.entry(end).or_default() += 1;
        if exchange.end != End::Answered {
            return;
        }
        self.answered += 1;
        self.hits += u64::from(exchange.is_hit);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(first) = exchange.first {
            let histogram = if exchange.stream { &mut self.first } else { &mut self.whole };
            histogram.saturating_record(micros(first));
        }
        for gap in &exchange.gaps {
            self.gaps.saturating_record(micros(*gap));
        }
    }

    /// How many there were.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.ends.values().sum()
    }

    /// From when a stream was due until its first token, below which this share of the answered ones is.
    #[must_use]
    pub fn first_token(&self, share: f64) -> Duration {
        Duration::from_micros(self.first.value_at_quantile(share))
    }

    /// From when a whole answer was due until it was there.
    #[must_use]
    pub fn whole(&self, share: f64) -> Duration {
        Duration::from_micros(self.whole.value_at_quantile(share))
    }

    /// Between the tokens of answered streams.
    #[must_use]
    pub fn gap(&self, share: f64) -> Duration {
        Duration::from_micros(self.gaps.value_at_quantile(share))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, seconds) = (self.all(), self.time.as_secs_f64());
        writeln!(f, "{all} requests in {seconds:.1} s")?;
        for (end, count) in &self.ends {
            writeln!(f, "{count:>9}  {:>5.1} %  {end}", 100.0 * *count as f64 / all.max(1) as f64)?;
        }
        let share = 100.0 * self.hits as f64 / self.answered.max(1) as f64;
        writeln!(f, "{:>9}  {share:>5.1} %  of those answered, by a cache", self.hits)?;
        writeln!(
            f,
            "\n{:<14} {:>10} {:>10} {:>10} {:>10} {:>10}",
            "ms", "p50", "p90", "p99", "p99.9", "most"
        )?;
        let rows = [("first token", &self.first), ("gap", &self.gaps), ("whole answer", &self.whole)];
        for (name, histogram) in rows {
            write!(f, "{name:<14}")?;
            for share in [0.5, 0.9, 0.99, 0.999, 1.0] {
                let micros = histogram.value_at_quantile(share);
                write!(f, " {:>10.2}", micros as f64 / 1000.0)?;
            }
            writeln!(f)?;
        }
        for (name, histogram) in rows.into_iter().filter(|(_, histogram)| !histogram.is_empty()) {
            writeln!(f, "\n{name}")?;
            bars(f, histogram)?;
        }
        Ok(())
    }
}

/// A bar for each factor of two.
fn bars(f: &mut fmt::Formatter<'_>, histogram: &Histogram<u64>) -> fmt::Result {
    const WIDTH: u64 = 50;
    let steps: Vec<_> = (0..32)
        .map(|power| {
            let from = if power == 0 { 0 } else { 1 << power };
            (1_u64 << (power + 1), histogram.count_between(from, (1 << (power + 1)) - 1))
        })
        .collect();
    let most = steps.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let is_empty = |(_, count): &&(u64, u64)| *count == 0;
    let first = steps.iter().take_while(is_empty).count();
    let last = steps.len() - steps.iter().rev().take_while(is_empty).count();
    for (to, count) in steps.get(first..last).unwrap_or_default() {
        let bar = "#".repeat(usize::try_from((count * WIDTH).div_ceil(most)).unwrap_or_default());
        writeln!(f, "  < {:>10.3} ms {count:>9} {bar}", *to as f64 / 1000.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_what_happened() {
        let mut report = Report::default();
        for millis in 1..=100 {
            let (first, total) = (Some(Duration::from_millis(millis)), Duration::from_millis(200));
            let gaps = vec![Duration::from_millis(20)];
            report.add(&Exchange {
                at: Duration::ZERO,
                stream: true,
                end: End::Answered,
                first,
                gaps,
                total,
                is_hit: millis > 75,
                attempts: 1,
            });
        }
        report.add(&Exchange { end: End::Refused(503), ..Exchange::broken() });
        let near = |time: Duration, millis: u64| {
            time.abs_diff(Duration::from_millis(millis)) < Duration::from_millis(1)
        };
        assert!(near(report.first_token(0.5), 50) && near(report.first_token(0.99), 99));
        assert!(near(report.gap(0.5), 20));
        let text = report.to_string();
        for part in
            ["101 requests", "100   99.0 %  answered", "refused with 503", "25   25.0 %  of those", "####"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
