//! Policies beside each other on the same callers.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use dashpot::warm::policy::{Always, Fixed, HybridHistogram, Keep, Moment, Never, Policy};

use crate::population::{Caller, HORIZON, KINDS, Kind, population};

const CALLERS: u32 = 300;
/// What a start takes.
const START: f64 = 20.0;

pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) line: Line,
    make: Box<dyn Fn() -> Box<dyn Policy> + Send + Sync>,
}

/// Which curve it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Fixed,
    Hybrid,
    Alone,
}

pub(crate) struct Report {
    pub(crate) text: String,
    /// Each contestant's idle time, in parts of that of 10 minutes, and the cold share of three in four callers.
    pub(crate) points: Vec<(String, Line, f64, f64)>,
}

/// What one policy did for one caller.
#[derive(Clone, Copy, Default)]
struct Outcome {
    calls: usize,
    cold: usize,
    idle: f64,
    /// Starts before anybody came, and those after which nobody did.
    prewarms: usize,
    useless: usize,
}

fn contestants() -> Vec<Contestant> {
    fn of(name: String, line: Line, policy: impl Policy + Clone + Sync + 'static) -> Contestant {
        Contestant { name, line, make: Box::new(move || Box::new(policy.clone())) }
    }
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let fixed = [5, 10, 20, 30, 60, 120, 240]
        .map(|n| of(format!("fixed {n} min"), Line::Fixed, Fixed::new(minutes(n))));
    let hybrid = [10, 30, 60, 120].map(|n| {
        of(format!("hybrid, else {n} min"), Line::Hybrid, HybridHistogram::new().fallback(minutes(n)))
    });
    [of("never".into(), Line::Alone, Never)]
        .into_iter()
        .chain(fixed)
        .chain(hybrid)
        .chain([
            of("hybrid (the paper's)".into(), Line::Hybrid, HybridHistogram::new()),
            of("hybrid of 1 h".into(), Line::Alone, HybridHistogram::new().bins(60, minutes(1))),
            of("always".into(), Line::Alone, Always),
        ])
        .collect()
}

pub(crate) fn run(seeds: u64) -> Report {
    let contestants = contestants();
    let mut text = format!("{CALLERS} callers for a week, {seeds} seeds; a start takes {START} s\n");
    let outcomes = all(&contestants, seeds, 0.4, 0.4);
    let base = idle(&outcomes[2], None);
    let mut points = Vec::new();
    heading(&mut text, "all (40 % periodic, 40 % Poisson, 20 % bursty)");
    for (contestant, outcomes) in contestants.iter().zip(&outcomes) {
        row(&mut text, &contestant.name, outcomes, None, base);
        points.push((
            contestant.name.clone(),
            contestant.line,
            idle(outcomes, None) / base,
            rate(outcomes, None, 0.75),
        ));
    }
    for kind in KINDS {
        let base = idle(&outcomes[2], Some(kind));
        heading(&mut text, &format!("{kind:?} only"));
        for (contestant, outcomes) in contestants.iter().zip(&outcomes) {
            row(&mut text, &contestant.name, outcomes, Some(kind), base);
        }
    }
    let _ = writeln!(
        text,
        "\nthe periodic share swept: cold p75 %, idle (fixed 10 min = 1); the others are 2 Poisson to 1 bursty"
    );
    for share in [0.0, 0.2, 0.4, 0.6, 0.8] {
        let outcomes = all(&contestants, seeds.min(5), share, (1.0 - share) * 2.0 / 3.0);
        let base = idle(&outcomes[2], None);
        let _ = write!(text, "{:3.0} %", share * 100.0);
        for (contestant, outcomes) in contestants.iter().zip(&outcomes) {
            if ["fixed 60 min", "fixed 240 min", "hybrid, else 60 min", "hybrid (the paper's)"]
                .contains(&&*contestant.name)
            {
                let (cold, idle) = (rate(outcomes, None, 0.75) * 100.0, idle(outcomes, None) / base);
                let _ = write!(text, " | {}: {cold:5.1}, {idle:4.2}", contestant.name);
            }
        }
        text.push('\n');
    }
    Report { text, points }
}

fn heading(text: &mut String, of: &str) {
    let _ = writeln!(
        text,
        "\n{of:46} | cold of all calls | per caller p50 | p75    | idle, fixed 10 min = 1 | idle of warm | useless prewarms"
    );
}

fn row(text: &mut String, name: &str, outcomes: &[(Kind, Outcome)], kind: Option<Kind>, base: f64) {
    let of: Vec<_> = outcomes
        .iter()
        .filter(|(of, _)| kind.is_none_or(|kind| kind == *of))
        .map(|(_, outcome)| outcome)
        .collect();
    let sum = |what: fn(&Outcome) -> usize| of.iter().map(|outcome| what(outcome)).sum::<usize>() as f64;
    let (prewarms, useless) = (sum(|outcome| outcome.prewarms), sum(|outcome| outcome.useless));
    let idle = idle(outcomes, kind);
    let _ = writeln!(
        text,
        "{name:46} | {:15.2} % | {:12.1} % | {:4.1} % | {:22.2} | {:10.1} % | {}",
        100.0 * sum(|outcome| outcome.cold) / sum(|outcome| outcome.calls),
        100.0 * rate(outcomes, kind, 0.5),
        100.0 * rate(outcomes, kind, 0.75),
        idle / base,
        100.0 * idle / (of.len() as f64 * HORIZON),
        if prewarms > 0.0 { format!("{:.1} %", 100.0 * useless / prewarms) } else { "-".into() },
    );
}

fn idle(outcomes: &[(Kind, Outcome)], kind: Option<Kind>) -> f64 {
    outcomes
        .iter()
        .filter(|(of, _)| kind.is_none_or(|kind| kind == *of))
        .map(|(_, outcome)| outcome.idle)
        .sum()
}

/// The share of cold calls that this share of the callers does not exceed.
fn rate(outcomes: &[(Kind, Outcome)], kind: Option<Kind>, share: f64) -> f64 {
    let mut rates: Vec<_> = outcomes
        .iter()
        .filter(|(of, outcome)| kind.is_none_or(|kind| kind == *of) && outcome.calls > 0)
        .map(|(_, outcome)| outcome.cold as f64 / outcome.calls as f64)
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.get((rates.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// All outcomes of each contestant, on as many threads as there are.
fn all(contestants: &[Contestant], seeds: u64, periodic: f64, poisson: f64) -> Vec<Vec<(Kind, Outcome)>> {
    let populations: Vec<_> = (0..seeds).map(|seed| population(seed, CALLERS, periodic, poisson)).collect();
    let (next, now) = (AtomicUsize::new(0), tokio::time::Instant::now().into_std());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<Vec<_>> = contestants.iter().map(|_| Vec::new()).collect();
    thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            while let Some(contestant) = contestants.get(next.fetch_add(1, Relaxed)) {
                let callers = populations.iter().flatten();
                done.push((
                    &contestant.name,
                    callers.map(|caller| (caller.kind, one(contestant, caller, now))).collect(),
                ));
            }
            done
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for handle in handles {
            for (name, outcomes) in handle.join().expect("a simulation does not panic") {
                let at = contestants.iter().position(|contestant| contestant.name == *name);
                all[at.expect("it is one of them")] = outcomes;
            }
        }
    });
    all
}

/// Calls take no time here, so that only the pauses between them count.
fn one(contestant: &Contestant, caller: &Caller, begin: Instant) -> Outcome {
    let mut policy = (contestant.make)();
    let mut outcome = Outcome { calls: caller.calls.len(), ..Outcome::default() };
    let moment = |at: f64| {
        let since = Duration::from_secs_f64(at);
        Moment { at: begin + since, unix: since }
    };
    let Some(&first) = caller.calls.first() else { return outcome };
    outcome.cold = 1;
    // As the layer does, which knows how long starts take.
    let idle =
        |policy: &mut Box<dyn Policy>, at| policy.idle(moment(at)).early(Duration::from_secs_f64(START));
    let mut keep = idle(&mut policy, first);
    for pair in caller.calls.windows(2) {
        let gap = pair[1] - pair[0];
        let warm = warm(keep, gap, &mut outcome);
        outcome.cold += usize::from(!warm);
        policy.arrived(Duration::from_secs_f64(gap), moment(pair[1]));
        keep = idle(&mut policy, pair[1]);
    }
    // Whoever waits for a caller that does not come again pays for it all the same.
    if let Some(last) = caller.calls.last() {
        warm(keep, HORIZON - last, &mut outcome);
    }
    outcome
}

/// Whether it is warm after a pause, whose idle time is counted.
fn warm(keep: Keep, gap: f64, outcome: &mut Outcome) -> bool {
    let stay = if keep.stays() == Duration::MAX { f64::INFINITY } else { keep.stays().as_secs_f64() };
    outcome.idle += gap.min(stay);
    if gap < stay {
        return true;
    }
    let Some((from, until)) = keep.returns() else { return false };
    let (ready, until) = (from.as_secs_f64() + START, until.as_secs_f64());
    if gap < from.as_secs_f64() {
        return false;
    }
    outcome.prewarms += 1;
    outcome.useless += usize::from(gap >= until);
    outcome.idle += (gap.min(until) - ready).max(0.0);
    (ready..until).contains(&gap)
}
