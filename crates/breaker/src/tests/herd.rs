//! A hundred instances, each with its own breaker, before one upstream that comes back with a cold cache.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    BreakerState,
    machine::{Machine, Shown, Ticket},
    rules::Rules,
};

const INSTANCES: usize = 100;
const MILLIS_OF_A_CALL: u64 = 50;

/// Serves 1,250 calls a second when it is warm and a tenth of that when it is cold, and refuses the rest at once.
struct Upstream {
    is_out: bool,
    /// Of calls in a millisecond, when it is warm.
    capacity: f64,
    /// From 0 to 1.
    warmth: f64,
    /// How many it can serve now: what it has not for 100 ms is gone.
    tokens: f64,
}

impl Upstream {
    fn a_milli_passes(&mut self) {
        let capacity = self.capacity * (0.1 + 0.9 * self.warmth);
        self.tokens = (self.tokens + capacity).min(100.0 * capacity);
    }

    fn serves(&mut self) -> bool {
        let serves = !self.is_out && self.tokens >= 1.0;
        if serves {
            self.tokens -= 1.0;
            self.warmth = (self.warmth + 1.0 / (3_000.0 * self.capacity)).min(1.0);
        }
        serves
    }
}

/// What happened since the upstream was back, second by second from the first call that it served.
#[derive(Debug, Default)]
struct Seen {
    reached: Vec<u32>,
    failed: Vec<u32>,
    /// How often each instance opened since then.
    opened: Vec<u64>,
    /// The second in which all were closed.
    all_back: Option<u64>,
    /// The most that were open at once after they were back.
    most_open: usize,
}

/// Each instance has `rate` calls a second; the upstream is out for `outage`.
fn run(rules: &Rules, seed: u64, rate: u64, outage: Duration) -> Seen {
    let origin = crate::permit::now();
    let rules = Arc::new(rules.clone());
    let machines: Vec<_> =
        (0..INSTANCES as u64).map(|n| Machine::new(rules.clone(), origin, seed * 1_000 + n)).collect();
    let capacity = 1.25e-3 * INSTANCES as f64 * rate as f64;
    let mut upstream = Upstream { is_out: false, capacity, warmth: 1.0, tokens: 0.0 };
    let mut under_way: VecDeque<(u64, usize, Ticket, bool)> = VecDeque::new();
    let mut random = seed;
    let (begin, end) = (10_000, 10_000 + outage.as_millis() as u64);
    let (mut first, mut before, mut seen) = (None, Vec::new(), Seen::default());
    for milli in 0..end + 120_000 {
        let now = origin + Duration::from_millis(milli);
        if milli == begin {
            upstream = Upstream { is_out: true, warmth: 0.0, ..upstream };
        }
        upstream.is_out = (begin..end).contains(&milli);
        upstream.a_milli_passes();
        while under_way.front().is_some_and(|call| call.0 <= milli) {
            let Some((_, n, ticket, served)) = under_way.pop_front() else { break };
            let shown =
                if served { Shown::Success } else { Shown::Failure { retry_after: None, has_begun: false } };
            machines[n].record(ticket, shown, || now);
        }
        for (n, machine) in machines.iter().enumerate() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if (random >> 33) % 1_000 >= rate {
                continue;
            }
            let (Ok(ticket), _) = machine.admit(|| now) else { continue };
            let served = upstream.serves();
            under_way.push_back((milli + MILLIS_OF_A_CALL, n, ticket, served));
            if milli < end {
                continue;
            }
            if first.is_none() {
                first = Some(milli);
                before = machines.iter().map(|machine| machine.stats(now).opened).collect();
            }
            let second = ((milli - first.unwrap_or(milli)) / 1_000) as usize;
            seen.reached.resize(seen.reached.len().max(second + 1), 0);
            seen.failed.resize(seen.reached.len(), 0);
            seen.reached[second] += 1;
            seen.failed[second] += u32::from(!served);
        }
        if let (0, Some(first)) = (milli % 100, first) {
            let in_state =
                |state| machines.iter().filter(|machine| machine.stats(now).state == state).count();
            if seen.all_back.is_none() {
                let is_back = in_state(BreakerState::Closed) == INSTANCES;
                seen.all_back = is_back.then_some((milli - first) / 1_000);
            }
            let open = in_state(BreakerState::Open);
            if seen.all_back.is_some() {
                seen.most_open = seen.most_open.max(open);
            }
        }
    }
    let now = origin + Duration::from_millis(end + 120_000);
    let opened = machines.iter().map(|machine| machine.stats(now).opened);
    seen.opened = opened.zip(before).map(|(after, before)| after - before).collect();
    seen
}

/// How many of the instances opened again, having printed it.
fn again(rate: u64, outage: u64, seed: u64, seen: &Seen) -> usize {
    let again = seen.opened.iter().filter(|&&opened| opened > 0).count();
    let (reached, failed) = (&seen.reached[..8], &seen.failed[..8]);
    println!(
        "{rate} calls a second each, out for {outage} s, seed {seed}: by second {reached:?} reached it,"
    );
    println!("    {failed:?} failed; {again} instances opened again; all closed after {:?} s", seen.all_back);
    assert!(seen.all_back.is_some(), "some never came back");
    assert_eq!(seen.most_open, 0, "some opened again after all were back");
    again
}

#[test]
fn of_a_hundred_instances_a_tenth_of_the_load_comes_in_the_first_second_and_the_upstream_stays_up() {
    for (rate, outage) in [(10, 5), (10, 10), (10, 20), (10, 60), (100, 5), (100, 20)] {
        for seed in 1..=2 {
            let seen = run(&Rules::default(), seed, rate, Duration::from_secs(outage));
            let again = again(rate, outage, seed, &seen);
            assert!(seen.reached[0] as usize * 10 <= INSTANCES * rate as usize);
            assert!(again <= 5, "it was overrun");
        }
    }
}

/// When it was out for as long as the first wait some have hardly opened, and where calls are few the probes alone are
/// more than a cold upstream can serve: some open again, each waits longer, and so they come back all the same.
#[test]
fn after_an_outage_as_short_as_the_first_wait_some_open_again_and_never_all() {
    for (rate, outage) in [(10, 2), (3, 5)] {
        for seed in 1..=2 {
            let seen = run(&Rules::default(), seed, rate, Duration::from_secs(outage));
            assert!(again(rate, outage, seed, &seen) <= INSTANCES / 2);
            assert!(seen.opened.iter().all(|&opened| opened <= 2));
            assert!(seen.all_back.is_some_and(|seconds| seconds <= 30));
        }
    }
}
