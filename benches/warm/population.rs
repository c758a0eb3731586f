//! Callers that nobody has recorded: how often each calls, and how regularly.
//!
//! Rates as "Serverless in the Wild" (USENIX ATC 2020) has them for Azure Functions: 45 % of the applications are called once
//! an hour or less, 81 % once a minute or less. How many are periodic or bursty is not from there; so that is swept.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

pub(crate) const DAYS: f64 = 7.0;
pub(crate) const HORIZON: f64 = DAYS * 24.0 * 3600.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By the clock, 2 % early or late.
    Periodic,
    /// At any time.
    Poisson,
    /// Ten or so in a row, at any time.
    Bursty,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Periodic, Kind::Poisson, Kind::Bursty];

pub(crate) struct Caller {
    pub(crate) kind: Kind,
    /// When it calls, in seconds.
    pub(crate) calls: Vec<f64>,
}

/// So many callers, with these shares of periodic and of Poisson ones; the others are bursty.
pub(crate) fn population(seed: u64, callers: u32, periodic: f64, poisson: f64) -> Vec<Caller> {
    let mut random = SmallRng::seed_from_u64(seed);
    (0..callers)
        .map(|n| {
            // By their number, so that shares are exact.
            let at = (f64::from(n) + 0.5) / f64::from(callers);
            let kind = match at {
                _ if at < periodic => Kind::Periodic,
                _ if at < periodic + poisson => Kind::Poisson,
                _ => Kind::Bursty,
            };
            let interval = interval(&mut random);
            Caller { kind, calls: calls(kind, interval, &mut random) }
        })
        .collect()
}

/// How far apart its calls are on average: evenly by the logarithm within each of the three parts.
fn interval(random: &mut SmallRng) -> f64 {
    let (longest, shortest) = match random.random::<f64>() {
        part if part < 0.45 => (HORIZON / 2.0, 3600.0),
        part if part < 0.81 => (3600.0, 60.0),
        // None calls more often than this: it would never be cold, and only take time here.
        _ => (60.0, 30.0),
    };
    let part: f64 = random.random();
    longest * f64::powf(shortest / longest, part)
}

fn calls(kind: Kind, interval: f64, random: &mut SmallRng) -> Vec<f64> {
    let exponential = |mean: f64, random: &mut SmallRng| -mean * (1.0 - random.random::<f64>()).ln();
    let mut now = random.random_range(0.0..interval);
    let mut calls = Vec::new();
    while now < HORIZON {
        calls.push(now);
        now += match kind {
            Kind::Periodic => interval * random.random_range(0.98..1.02),
            Kind::Poisson => exponential(interval, random),
            Kind::Bursty if random.random_bool(0.9) => exponential(1.0, random),
            Kind::Bursty => exponential(10.0 * interval, random),
        };
    }
    calls
}
