//! Upstreams and clients that lead limits astray: seen from where the user stands, with a real queue in front of slots.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use dashpot_limit::{LimitLayer, Stats, policy::LittlesLaw};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tower::{Layer, ServiceExt, service_fn};

/// How often each is run, with other arrivals.
const SEEDS: std::ops::Range<u64> = 0..5;
const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
/// What the upstream can work at, and how long that takes each.
const SLOTS: usize = 16;
const WORK: Duration = Duration::from_millis(500);
/// How many it can do in a second, and how many people want.
const CAPACITY: f64 = 32.0;
const DEMAND: f64 = 1.5 * CAPACITY;

/// What the next request meets.
#[derive(Clone, Copy)]
enum Answer {
    /// Waits for a slot, and then takes its time.
    Work,
    /// At once, without work.
    At(u16),
}

/// An upstream behind a limit, and people who ask it.
struct Stand {
    layer: LimitLayer,
    slots: Arc<Semaphore>,
    random: SmallRng,
    /// Clients wait no longer.
    patience: Duration,
    served: Arc<AtomicU32>,
    /// As it was after each arrival and each end.
    limits: Arc<Mutex<Vec<u32>>>,
}

impl Stand {
    fn new(seed: u64, initial: u32) -> Self {
        Self {
            layer: LimitLayer::with_policy(LittlesLaw::new().initial(initial)),
            slots: Arc::new(Semaphore::new(SLOTS)),
            random: SmallRng::seed_from_u64(seed),
            patience: 60 * SECOND,
            served: Arc::default(),
            limits: Arc::default(),
        }
    }

    /// Some of its slots break.
    fn lose(&self, slots: usize) {
        for _ in 0..slots {
            let slots = self.slots.clone();
            tokio::spawn(async move { slots.acquire().await.unwrap().forget() });
        }
    }

    fn ask(&self, answer: Answer) {
        let (layer, slots, served) = (self.layer.clone(), self.slots.clone(), self.served.clone());
        let (limits, patience) = (self.limits.clone(), self.patience);
        tokio::spawn(timeout(patience, async move {
            let service = service_fn(async |_: Request<Full<Bytes>>| {
                let code = match answer {
                    Answer::Work => {
                        let _slot = slots.acquire().await.unwrap();
                        sleep(WORK).await;
                        200
                    }
                    Answer::At(code) => {
                        sleep(MILLI).await;
                        code
                    }
                };
                let body = Full::from(Bytes::from_static(b"answer"));
                Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
            });
            let answer = layer.layer(service).oneshot(Request::default()).await.unwrap();
            let is_served = answer.status() == StatusCode::OK;
            answer.into_body().collect().await.unwrap();
            served.fetch_add(is_served.into(), Relaxed);
            limits.lock().unwrap().push(layer.handle().stats().limit);
        }));
    }

    /// So many come each second, at random, for so long: the limits that were, and how many were served in a second.
    async fn run(&mut self, per_second: f64, time: Duration, answer: impl Fn(u32) -> Answer) -> Run {
        let (begin, served) = (Instant::now(), self.served.load(Relaxed));
        self.limits.lock().unwrap().clear();
        for n in 0.. {
            self.ask(answer(n));
            let gap = -(1.0 - self.random.random::<f64>()).ln() / per_second;
            sleep(Duration::from_secs_f64(gap)).await;
            self.limits.lock().unwrap().push(self.stats().limit);
            if Instant::now() >= begin + time {
                break;
            }
        }
        let served = self.served.load(Relaxed) - served;
        Run {
            limits: std::mem::take(&mut *self.limits.lock().unwrap()),
            per_second: f64::from(served) / time.as_secs_f64(),
        }
    }

    fn stats(&self) -> Stats {
        self.layer.handle().stats()
    }
}

#[derive(Debug)]
struct Run {
    limits: Vec<u32>,
    per_second: f64,
}

impl Run {
    fn lowest(&self) -> u32 {
        *self.limits.iter().min().unwrap()
    }

    fn highest(&self) -> u32 {
        *self.limits.iter().max().unwrap()
    }
}

fn work(_: u32) -> Answer {
    Answer::Work
}

/// The upstream is busy, and its queue is no longer than the time of one answer.
fn assert_good(run: &Run, what: &str) {
    assert!(run.per_second > 0.9 * CAPACITY, "{what}: {} a second", run.per_second);
    assert!(
        run.lowest() >= SLOTS as u32 * 3 / 5 && run.highest() <= 2 * SLOTS as u32,
        "{what}: {} to {}",
        run.lowest(),
        run.highest()
    );
}

#[tokio::test(start_paused = true)]
async fn one_fast_answer_does_not_make_all_others_look_like_a_queue() {
    for (seed, initial) in SEEDS.flat_map(|seed| [4, 20].map(|initial| (seed, initial))) {
        let mut stand = Stand::new(seed, initial);
        let first = |n| if n == 0 { Answer::At(200) } else { Answer::Work };
        stand.run(DEMAND, 30 * SECOND, first).await;
        assert_good(&stand.run(DEMAND, 60 * SECOND, work).await, &format!("seed {seed}, from {initial}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_fast_answers_among_slow_ones_leave_the_limit_where_it_is() {
    for (seed, initial) in SEEDS.flat_map(|seed| [4, 20].map(|initial| (seed, initial))) {
        let mut stand = Stand::new(seed, initial);
        let cached = |n| if n % 20 == 0 { Answer::At(200) } else { Answer::Work };
        stand.run(DEMAND, 30 * SECOND, cached).await;
        assert_good(&stand.run(DEMAND, 60 * SECOND, cached).await, &format!("seed {seed}, from {initial}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_fast_failures_neither_raises_nor_lowers_the_limit() {
    for (seed, code) in SEEDS.flat_map(|seed| [500, 404, 429].map(|code| (seed, code))) {
        let mut stand = Stand::new(seed, 20);
        stand.run(DEMAND, 30 * SECOND, work).await;
        // Those in flight may still say what they were about to say.
        stand.run(1.0, 2 * SECOND, |_| Answer::At(code)).await;
        let limit = stand.stats().limit;
        let burst = stand.run(1000.0, 5 * SECOND, |_| Answer::At(code)).await;
        assert_eq!((burst.lowest(), burst.highest()), (limit, limit), "seed {seed}, {code}");
        assert_good(&stand.run(DEMAND, 30 * SECOND, work).await, &format!("seed {seed}, after {code}"));
    }
}

#[tokio::test(start_paused = true)]
async fn fast_503s_lower_the_limit_by_tenths_and_it_comes_back() {
    // A longer burst leads down to 1: from there the first windows take ten seconds each.
    for (seed, burst, back) in SEEDS.flat_map(|seed| [(seed, 100, 20), (seed, 300, 60), (seed, 1000, 60)]) {
        let mut stand = Stand::new(seed, 20);
        stand.run(DEMAND, 30 * SECOND, work).await;
        let run = stand.run(1000.0, burst * MILLI, |_| Answer::At(503)).await;
        // If the limit was lowered for a probe, it comes back for that.
        let start = run.limits.iter().position(|limit| *limit == run.highest()).unwrap();
        let (mut limits, what) = (run.limits[start..].to_vec(), format!("seed {seed}, {burst} ms"));
        limits.dedup();
        let lowered = f64::from(limits[limits.len() - 1]) / f64::from(limits[0]);
        // Each 503 counts once the one before has taken effect, so that a short burst is little.
        assert!(burst == 100 || lowered < 0.7, "{what}: {limits:?}");
        for pair in limits.windows(2) {
            let tenth = f64::from(pair[0]) * 0.9;
            assert!(pair[1] < pair[0] && pair[1] >= tenth as u32, "{what}: {limits:?}");
        }
        stand.run(DEMAND, back * SECOND, work).await;
        assert_good(&stand.run(DEMAND, 30 * SECOND, work).await, &what);
    }
}

#[tokio::test(start_paused = true)]
async fn when_clients_time_out_in_the_upstreams_queue_the_limit_falls_to_what_they_wait_for() {
    for seed in SEEDS {
        let mut stand = Stand::new(seed, 20);
        stand.patience = SECOND;
        stand.run(DEMAND, 60 * SECOND, work).await;
        let before = stand.run(DEMAND, 30 * SECOND, work).await;

        // With as many in flight as before an answer takes two seconds, and nobody waits for longer than one.
        stand.lose(SLOTS * 3 / 4);
        let falling = stand.run(DEMAND, 20 * SECOND, work).await;
        assert!(
            falling.highest() <= before.highest() + 2,
            "seed {seed}: {} {}",
            falling.highest(),
            before.highest()
        );
        let all = stand.run(DEMAND, 90 * SECOND, work).await;
        assert!(all.per_second > 0.7 * CAPACITY / 4.0, "seed {seed}: {} a second", all.per_second);
        assert!(all.highest() <= 8, "seed {seed}: {}", all.highest());
        let low = stand.run(DEMAND, 30 * SECOND, work).await;
        assert!(low.per_second > 0.9 * CAPACITY / 4.0, "seed {seed}: {} a second", low.per_second);
        let (lowest, highest) = (low.lowest(), low.highest());
        assert!(lowest >= 2 && highest <= 8, "seed {seed}: {lowest} to {highest}");

        stand.slots.add_permits(SLOTS * 3 / 4);
        stand.run(DEMAND, 60 * SECOND, work).await;
        assert_good(&stand.run(DEMAND, 30 * SECOND, work).await, &format!("seed {seed}"));
    }
}
