use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use dashpot::core::{Embedding, cosine};

use crate::{
    contestants::Contestant,
    data::{Data, MOST},
};

pub(crate) const HEAD: &str = concat!(
    "                              nearest found, %      four     search, us    while adding        insert, us          remove  bytes\n",
    "index                effort   first   near    any  found, %    p50    p99     p50    p99     mean     p99     max      us  a text"
);

/// Prints a row.
#[allow(clippy::print_stdout, reason = "the report of a bench")]
pub(crate) fn measure(name: &str, data: &Data, index: &impl Contestant) {
    let before = memory();
    let inserts = Times::of(data.kept.iter().enumerate(), |(n, embedding)| index.insert(n, embedding));
    let bytes = (memory() - before) / data.kept.len() as f64;
    let (effort, found) = least_effort(data, index);
    let searches = || Times::of(rounds(data), |embedding| drop(index.search(embedding, effort)));
    let alone = searches();
    let beside = while_adding(data, index, searches);
    let mut is_removed = true;
    let removals = Times::of(0..1000, |n| is_removed &= index.remove(n));
    let removal = if is_removed { format!("{:.1}", removals.mean()) } else { "cannot".into() };
    println!(
        "{name:20} {effort:6} {found}  {:6.0} {:6.0}  {:6.0} {:6.0}  {:7.1} {:7.1} {:7.0} {removal:>7} {bytes:7.0}",
        alone.at(0.5),
        alone.at(0.99),
        beside.at(0.5),
        beside.at(0.99),
        inserts.mean(),
        inserts.at(0.99),
        inserts.at(1.0),
    );
}

/// Another thread adds a text every millisecond, if it can, until `searches` is over.
fn while_adding(data: &Data, index: &impl Contestant, searches: impl Fn() -> Times) -> Times {
    let added = data.added();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = now();
            for (n, embedding) in added.iter().enumerate() {
                // Nothing is read that the other thread wrote.
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                index.insert(data.kept.len() + n, embedding);
                next += Duration::from_millis(1);
                thread::sleep(next.saturating_duration_since(now()));
            }
        });
        let times = searches();
        is_over.store(true, Ordering::Relaxed);
        times
    })
}

/// In per cent.
#[derive(Default)]
pub(crate) struct Found {
    /// Of all, the nearest is what is proposed first.
    first: f64,
    /// The nearest is among the four that are proposed: of other wordings, and of any.
    nearest: [f64; 2],
    /// Of the four nearest of all.
    four: f64,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [near, any] = self.nearest;
        write!(f, "  {:6.2} {near:6.2} {any:6.2}    {:6.2}", self.first, self.four)
    }
}

/// The least effort that finds 99 %, or the greatest; and what is found.
fn least_effort(data: &Data, index: &impl Contestant) -> (usize, Found) {
    let mut tried = (0, Found::default());
    for &effort in index.efforts() {
        tried = (effort, found(data, index, effort));
        if tried.1.nearest.iter().all(|&rate| rate >= 99.0) {
            break;
        }
    }
    tried
}

fn found(data: &Data, index: &impl Contestant, effort: usize) -> Found {
    let looked_up: Vec<[usize; 3]> = data
        .looked_up()
        .map(|(embedding, nearest)| {
            let cosines = index.search(embedding, effort).into_iter();
            let cosines: Vec<f32> =
                cosines.map(|n| cosine(data.kept[n].vector(), embedding.vector())).collect();
            // Others may be as near.
            let at_least = |least: f32| cosines.iter().filter(|&&cosine| cosine > least - 1e-6).count();
            let is_first = cosines.first().is_some_and(|&cosine| cosine > nearest[0] - 1e-6);
            [is_first.into(), at_least(nearest[0]).min(1), at_least(nearest[MOST - 1])]
        })
        .collect();
    let rate = |found: &[[usize; 3]], what: usize, of: usize| {
        100.0 * found.iter().map(|found| found[what]).sum::<usize>() as f64 / (found.len() * of) as f64
    };
    let (near, any) = looked_up.split_at(data.near.len());
    Found {
        first: rate(&looked_up, 0, 1),
        nearest: [rate(near, 1, 1), rate(any, 1, 1)],
        four: rate(&looked_up, 2, MOST),
    }
}

fn rounds(data: &Data) -> impl Iterator<Item = &Embedding> {
    (0..3).flat_map(|_| data.looked_up().map(|(embedding, _)| embedding))
}

/// In microseconds, in order.
struct Times(Vec<f64>);

impl Times {
    fn of<T>(all: impl Iterator<Item = T>, mut run: impl FnMut(T)) -> Self {
        let times = all.map(|one| {
            let before = now();
            run(one);
            now().saturating_duration_since(before)
        });
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        Self(times.into_iter().map(|time| time.as_secs_f64() * 1e6).collect())
    }

    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    fn at(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part) as usize]
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Of this process, in bytes, where the kernel tells.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok()).map_or(f64::NAN, |kib: f64| kib * 1024.0)
}
