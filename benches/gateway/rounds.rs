//! What is measured of one contestant in one round.

use std::{cell::Cell, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, interval, sleep_until};

use crate::{
    client::{Connection, Target},
    contestants::Contestant,
    cores::Cores,
    process::{Process, Server},
};

/// How many ask for whole answers at once.
pub(crate) const CONNECTIONS: usize = 64;
/// How many streams there are at once, and how many tokens each has.
pub(crate) const STREAMS: [(usize, usize); 3] = [(1, 3), (64, 20), (1000, 40)];
/// Between two tokens of the server's.
const GAP: Duration = Duration::from_millis(100);

/// How long each is measured.
#[derive(Debug)]
pub(crate) struct Times {
    /// Before that, so long is not counted: a gateway of ours that has just found the upstream warm lets the first in by
    /// and by, for five seconds; and others compile meanwhile what they run.
    warm_up: Duration,
    requests: Duration,
    alone: Duration,
    streams: [Duration; 3],
}

impl Times {
    /// 64 streams of two seconds are 500 within sixteen, so that a hundredth of them is some.
    pub(crate) const LONG: Self = Self::seconds(6, 3, 3, [4, 16, 8]);
    pub(crate) const SHORT: Self = Self::seconds(6, 1, 1, [1, 2, 8]);

    const fn seconds(warm_up: u64, requests: u64, alone: u64, [one, some, many]: [u64; 3]) -> Self {
        let seconds = Duration::from_secs;
        Self {
            warm_up: seconds(warm_up),
            requests: seconds(requests),
            alone: seconds(alone),
            streams: [seconds(one), seconds(some), seconds(many)],
        }
    }
}

/// The median and the 99th percentile, in seconds.
pub(crate) type Percentiles = [f64; 2];

/// What came of it; of several rounds the best.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Whole answers a second.
    pub(crate) requests: f64,
    /// Of a whole answer, and in the same moments of the server alone.
    pub(crate) whole: [Percentiles; 2],
    /// At each number of streams.
    pub(crate) first: [Percentiles; 3],
    pub(crate) jitter: [f64; 3],
    pub(crate) memory: f64,
    pub(crate) start: f64,
    /// Requests without an answer, or with another one than was to come.
    pub(crate) failed: usize,
}

impl Default for Figures {
    /// Worse than all.
    fn default() -> Self {
        const NEVER: f64 = f64::INFINITY;
        Self {
            requests: 0.0,
            whole: [[NEVER; 2]; 2],
            first: [[NEVER; 2]; 3],
            jitter: [NEVER; 3],
            memory: NEVER,
            start: NEVER,
            failed: 0,
        }
    }
}

impl Figures {
    pub(crate) fn better(&mut self, other: &Self) {
        let least = |mine: &mut f64, other: f64| *mine = mine.min(other);
        self.requests = self.requests.max(other.requests);
        // What is added, so that both are of the same moments.
        let added = |figures: &Self, at: usize| figures.whole[0][at] - figures.whole[1][at];
        for at in 0..2 {
            if self.whole[0][at].is_infinite() || added(other, at) < added(self, at) {
                (self.whole[0][at], self.whole[1][at]) = (other.whole[0][at], other.whole[1][at]);
            }
        }
        self.first
            .as_flattened_mut()
            .iter_mut()
            .zip(other.first.as_flattened())
            .for_each(|(m, o)| least(m, *o));
        self.jitter.iter_mut().zip(other.jitter).for_each(|(m, o)| least(m, o));
        least(&mut self.memory, other.memory);
        least(&mut self.start, other.start);
        self.failed += other.failed;
    }
}

pub(crate) async fn run(contestant: Contestant, cores: &Cores, times: &Times) -> Result<Figures, String> {
    let mut figures = Figures::default();
    let named = |why| format!("{}: {why}", contestant.name());
    {
        let server = cores.server(|| Server::start(&["--time-scale", "0", "--tokens", "1"]))?;
        let (target, mut process) = contestant.start(cores, &server.address)?;
        figures.start = start(&mut process, &target).await.map_err(named)?;
        let (requests, failed) = requests(&target, times).await.map_err(named)?;
        (figures.requests, figures.failed) = (requests, failed);
        let direct = Target::new(&server.address);
        figures.whole = alone(&target, &direct, times.alone).await.map_err(named)?;
    }
    let gap = GAP.as_millis().to_string();
    let server = cores.server(|| Server::start(&["--gap-ms", &gap, "--tokens", "40"]))?;
    let (target, mut process) = contestant.start(cores, &server.address)?;
    figures.start = figures.start.min(start(&mut process, &target).await.map_err(named)?);
    warm_up(&target, times.warm_up).await.map_err(named)?;
    // The most first: memory that others left could be used again.
    for (level, (&(count, tokens), &time)) in STREAMS.iter().zip(&times.streams).enumerate().rev() {
        let before = process.as_ref().map_or(0, Process::rss);
        let seen = streams(&target, process.as_ref(), count, tokens, time).await;
        figures.first[level] = percentiles(seen.first).ok_or_else(|| named("no stream was whole".into()))?;
        figures.jitter[level] = percentiles(seen.jitter).map_or(f64::INFINITY, |[_, p99]| p99);
        figures.failed += seen.failed;
        if level + 1 == STREAMS.len() {
            figures.memory = seen.rss.saturating_sub(before) as f64 / count as f64;
        }
    }
    Ok(figures)
}

async fn start(process: &mut Option<Process>, target: &Target) -> Result<f64, String> {
    match process {
        Some(process) => process.answers(target).await.map(|took| took.as_secs_f64()),
        None => target.ask_once().await.map(|()| 0.0),
    }
}

/// A few whole answers after each other, of which nothing is told.
async fn warm_up(target: &Target, time: Duration) -> Result<(), String> {
    let mut connection = Connection::open(target).await?;
    let end = Instant::now() + time;
    let mut question = 1 << 48;
    while Instant::now() < end {
        question += 1;
        connection.whole(question).await?;
    }
    Ok(())
}

/// Whole answers a second, and how many were none.
async fn requests(target: &Target, times: &Times) -> Result<(f64, usize), String> {
    let begun = Instant::now() + times.warm_up;
    let end = begun + times.requests;
    let (answered, failed, last) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let clients = (0..CONNECTIONS).map(async |_| {
        let mut connection = Connection::open(target).await?;
        loop {
            last.set(last.get() + 1);
            let is_there = connection.whole(last.get()).await.is_ok();
            let now = Instant::now();
            if now >= end {
                return Ok::<_, String>(());
            }
            if !is_there {
                failed.set(failed.get() + 1);
            } else if now >= begun {
                answered.set(answered.get() + 1);
            }
        }
    });
    join_all(clients).await.into_iter().collect::<Result<(), _>>()?;
    Ok((f64::from(answered.get()) / times.requests.as_secs_f64(), failed.get()))
}

/// One after the other through the contestant, and each time of the server itself too.
async fn alone(target: &Target, direct: &Target, time: Duration) -> Result<[Percentiles; 2], String> {
    let mut both = [Connection::open(target).await?, Connection::open(direct).await?];
    let mut seen = [Vec::new(), Vec::new()];
    let end = Instant::now() + time;
    let mut question = 1 << 32;
    while Instant::now() < end {
        question += 1;
        for (connection, seen) in both.iter_mut().zip(&mut seen) {
            seen.push(connection.whole(question).await?);
        }
    }
    let mut figures = seen.into_iter().filter_map(percentiles);
    figures.next().zip(figures.next()).map(|(via, direct)| [via, direct]).ok_or("no answer".into())
}

/// What was seen of streams.
#[derive(Debug, Default)]
struct Seen {
    first: Vec<Duration>,
    jitter: Vec<Duration>,
    rss: u64,
    failed: usize,
}

/// So many clients that read one stream after the other; they begin evenly over the length of one.
async fn streams(
    target: &Target,
    process: Option<&Process>,
    count: usize,
    tokens: usize,
    time: Duration,
) -> Seen {
    let length = GAP * u32::try_from(tokens - 1).unwrap_or(u32::MAX);
    let begun = Instant::now();
    let end = begun + time.max(2 * length);
    let last = Cell::new((tokens as u64) << 40);
    let clients = (0..count).map(async |number| {
        let mut seen = Seen::default();
        sleep_until(begun + length.mul_f64(number as f64 / count as f64)).await;
        let mut connection = Connection::open(target).await;
        while Instant::now() < end {
            last.set(last.get() + 1);
            match &mut connection {
                Ok(open) => match open.stream(last.get(), tokens).await {
                    Ok(stream) => {
                        seen.first.push(stream.first);
                        seen.jitter.extend(stream.gaps.iter().map(|gap| gap.abs_diff(GAP)));
                    }
                    Err(_) => seen.failed += 1,
                },
                Err(_) => {
                    seen.failed += 1;
                    connection = Connection::open(target).await;
                }
            }
        }
        seen
    });
    let watch = async {
        let (mut tick, mut most) = (interval(Duration::from_millis(250)), 0);
        while tick.tick().await < end {
            most = most.max(process.map_or(0, Process::rss));
        }
        most
    };
    let (all, rss) = tokio::join!(join_all(clients), watch);
    let mut seen = Seen { rss, ..Seen::default() };
    for one in all {
        seen.first.extend(one.first);
        seen.jitter.extend(one.jitter);
        seen.failed += one.failed;
    }
    seen
}

fn percentiles(mut times: Vec<Duration>) -> Option<Percentiles> {
    times.sort_unstable();
    let at = |percent| times.get(times.len() * percent / 100).map(Duration::as_secs_f64);
    at(50).zip(at(99)).map(|(p50, p99)| [p50, p99])
}
