use std::{fmt, time::Duration};

use crate::{
    client::Outcome,
    run::{Run, Sample},
};

/// What a person in a chat takes for prompt, a tenth of a second and a half, is twice the server's slowest hundredth.
const PROMPT: Duration = Duration::from_millis(150);

/// A row of the table.
pub(crate) struct Report {
    goodput: f64,
    first: [Option<Duration>; 2],
    shed: f64,
    left: f64,
    failed: usize,
    converged: [Option<Duration>; 2],
    peak: u64,
}

impl Report {
    pub(crate) const HEAD: &str = "goodput  first p50  first p99    shed    left    down      up    peak";

    pub(crate) fn new(run: &Run<'_>) -> Self {
        let part = |count: usize, whole: f64| count as f64 / whole;
        let all = run.outcomes.len() as f64;
        let over = run.start + run.time;
        let count = |is: fn(&Outcome) -> bool| run.outcomes.iter().filter(|outcome| is(outcome)).count();
        let mut first = Vec::new();
        let mut good = 0;
        for outcome in &run.outcomes {
            if let Outcome::Served { first: time, end } = *outcome {
                first.push(time);
                good += usize::from(time <= PROMPT && end <= over);
            }
        }
        first.sort_unstable();
        let third = run.time / 3;
        Self {
            goodput: part(good, run.scenario.capacity(run.time)),
            first: [0.5, 0.99].map(|share| first.get((share * first.len() as f64) as usize).copied()),
            shed: part(count(|outcome| matches!(outcome, Outcome::Shed)), all),
            left: part(count(|outcome| matches!(outcome, Outcome::Left)), all),
            failed: count(|outcome| matches!(outcome, Outcome::Failed)),
            converged: [1, 2].map(|step| {
                let slots = run.scenario.slots;
                let is_step = slots[step as usize] != slots[step as usize - 1];
                let (from, to) = (third * step, third * (step + 1));
                is_step.then(|| converged(&run.samples, from, to, slots[step as usize] as f64))?
            }),
            peak: run.samples.iter().map(|sample| sample.working + sample.queued).max().unwrap_or(0),
        }
    }
}

/// From a step until all is well over a second.
fn converged(samples: &[Sample], from: Duration, to: Duration, slots: f64) -> Option<Duration> {
    // Samples are 10 ms apart.
    const SECOND: usize = 100;
    let samples: Vec<_> = samples.iter().filter(|sample| (from..to).contains(&sample.at)).collect();
    let well = samples.windows(SECOND).find(|window| {
        let mean = |of: fn(&Sample) -> u64| {
            window.iter().map(|sample| of(sample)).sum::<u64>() as f64 / SECOND as f64
        };
        mean(|sample| sample.working) >= 0.9 * slots && mean(|sample| sample.queued) <= 0.5 * slots
    })?;
    Some(well[0].at - from)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = self.first.map(|time| match time {
            Some(time) => format!("{} ms", time.as_millis()),
            None => "-".into(),
        });
        let [down, up] = self.converged.map(|time| match time {
            Some(time) => format!("{:.1} s", time.as_secs_f64()),
            None => "-".into(),
        });
        write!(f, "{:7.3} {p50:>10} {p99:>10}", self.goodput)?;
        write!(
            f,
            " {:5.1} % {:5.1} % {down:>7} {up:>7} {:7}",
            100.0 * self.shed,
            100.0 * self.left,
            self.peak
        )?;
        if self.failed > 0 {
            write!(f, "  {} failed", self.failed)?;
        }
        Ok(())
    }
}
