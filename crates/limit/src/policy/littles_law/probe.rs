use super::{level, reading::Reading};

/// The limit during a probe, as a share: low enough that a tolerated queue is gone, and not much lost.
const LOWERED: f64 = 0.7;

/// Probes are this many times as far apart as they last, so that they cost 0.3 / 20 of the throughput.
const SPARSE: f64 = 20.0;

/// Seconds between probes of an upstream that does not change, unless they last long.
const USUAL: f64 = 60.0;

/// Seconds before a probe that may find much: after the start, or after one that found the baseline much too high.
const SOON: f64 = 2.0;

/// How many times longer it is to the next after one that found nothing. Not at once as long as can be: one of them may
/// have been unlucky.
const RARER: f64 = 4.0;

/// When to lower the limit for one window, to see the baseline without a queue.
///
/// The baseline may have been learned while there was one. Then a probe finds a lower one, and the next comes soon; else
/// they become rare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probes {
    running: Option<Probe>,
    every: f64,
    next: Option<f64>,
    jitter: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// The limit before, and what the window before showed.
    pub(super) limit: f64,
    before: Reading,
    started: f64,
}

impl Probes {
    pub(super) fn new() -> Self {
        Self { running: None, every: SOON, next: None, jitter: 0x9e37_79b9_7f4a_7c15 }
    }

    pub(super) fn running(&self) -> Option<&Probe> {
        self.running.as_ref()
    }

    pub(super) fn take(&mut self) -> Option<Probe> {
        self.running.take()
    }

    /// Starts one if it is due; gives the limit during it.
    pub(super) fn start(&mut self, now: f64, limit: f64, reading: &Reading) -> Option<f64> {
        let Some(next) = self.next else {
            self.every = (4.0 * reading.age).max(SOON);
            self.next = Some(now + self.every);
            return None;
        };
        if now < next {
            return None;
        }
        self.running = Some(Probe { limit, before: *reading, started: now });
        Some(LOWERED * limit)
    }

    /// The baseline shows without a probe, so the next can wait.
    pub(super) fn put_off(&mut self, now: f64) {
        self.next = self.next.map(|next| next.max(now + USUAL / 2.0));
    }

    /// Something was concluded from a reading without having been tried: it is to be, soon.
    pub(super) fn hasten(&mut self, now: f64, reading: &Reading) {
        self.jitter ^= reading.middle.to_bits() | 1;
        let soon = now + (4.0 * reading.age).max(SOON) * (0.75 + 0.5 * self.random());
        self.next = self.next.map(|next| next.min(soon));
    }

    /// Plans the next one.
    pub(super) fn plan(&mut self, now: f64, probe: &Probe, reading: &Reading) {
        let duration = now - probe.started;
        let every = match reading.middle < 0.9 * probe.before.baseline {
            true => (4.0 * duration).max(SOON),
            false => RARER * self.every,
        };
        self.every = every.min((SPARSE * duration).max(USUAL));
        // Several limiters of one upstream should not probe together; what they measured makes them differ.
        self.jitter ^= reading.middle.to_bits() | 1;
        self.next = Some(now + self.every * (0.75 + 0.5 * self.random()));
    }

    /// Uniform in [0, 1), by xorshift64 (Marsaglia 2003).
    fn random(&mut self) -> f64 {
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        (self.jitter >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Probe {
    /// Whether the time fell with the limit by more than a queue that is let stand, so that it was no slower upstream that
    /// made it longer.
    pub(super) fn shortened(&self, reading: &Reading) -> bool {
        let half = (1.0 + LOWERED) / 2.0;
        // The same share of the mean or of the quartile, whichever this one shows.
        let explained = self.before.level.of(reading.quartile) * self.before.baseline
            / self.before.middle.max(level::SHORTEST);
        reading.kind == self.before.kind
            && !reading.censored
            && reading.middle + reading.error < half * explained
    }

    /// How far the baseline moves towards what the probe shows.
    pub(super) fn share(&self, reading: &Reading) -> f64 {
        if reading.kind != self.before.kind {
            return 0.0;
        }
        let above = reading.middle - reading.baseline;
        if above < 0.0 {
            return 1.0;
        }
        let before = self.before.level.of(reading.quartile);
        let drained = (1.0 - LOWERED) * self.limit / self.before.rate;
        if reading.middle < before - 2.0 * reading.error - 0.3 * drained.min(before) {
            // It took less time than before, so there was a queue, and there may be still.
            return 0.0;
        }
        if reading.censored {
            return 0.0;
        }
        // No queue, so this is the baseline; but not more than half as much again at once.
        0.5 * (reading.baseline / above.max(f64::MIN_POSITIVE)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::littles_law::{Kind, level::Level};

    fn reading(time: f64) -> Reading {
        Reading {
            kind: Kind::Latency,
            level: Level::both(time),
            quartile: false,
            middle: time,
            error: 0.002,
            calm_error: 0.002,
            baseline: 0.1,
            explained: false,
            rate: 200.0,
            count: 100.0,
            age: 1.0,
            peak: 20.0,
            unused: false,
            censored: false,
        }
    }

    /// One that begins at 100 s, under a limit of 20, when an exchange takes so long.
    fn begun(before: f64) -> (Probes, Probe) {
        let mut probes = Probes::new();
        assert_eq!(probes.start(0.0, 20.0, &reading(before)), None);
        assert_eq!(probes.start(100.0, 20.0, &reading(before)), Some(14.0));
        let probe = probes.take().unwrap();
        (probes, probe)
    }

    /// How long after a probe that began at 100 s and took a second the next one is due.
    fn next(probes: &mut Probes, probe: &Probe, found: f64) -> f64 {
        probes.plan(101.0, probe, &reading(found));
        let due = (0..).map(|tenths| 0.1 * f64::from(tenths));
        due.into_iter().find(|after| probes.start(101.0 + after, 20.0, &reading(0.1)).is_some()).unwrap()
    }

    #[test]
    fn the_first_is_due_four_windows_after_the_first_reading() {
        let mut probes = Probes::new();
        assert_eq!(probes.start(7.0, 20.0, &reading(0.1)), None);
        assert_eq!(probes.start(10.9, 20.0, &reading(0.1)), None);
        assert_eq!(probes.start(11.0, 20.0, &reading(0.1)), Some(14.0));
        assert_eq!(probes.running().unwrap().limit, 20.0);
    }

    #[test]
    fn after_one_that_found_a_lower_baseline_the_next_comes_soon() {
        let (mut probes, probe) = begun(0.15);
        let after = next(&mut probes, &probe, 0.05);
        assert!((3.0..=5.1).contains(&after), "{after}");
    }

    #[test]
    fn those_that_find_nothing_become_rare_but_do_not_end() {
        let (mut probes, mut probe) = begun(0.1);
        let mut afters = Vec::new();
        for _ in 0..10 {
            afters.push(next(&mut probes, &probe, 0.1));
            probe = Probe { started: 100.0, ..probes.take().unwrap() };
        }
        assert!(
            afters[0] < 20.1 && afters[2..].iter().all(|after| (45.0..=75.1).contains(after)),
            "{afters:?}"
        );
        // Never twice the same, so that several limiters do not stay together.
        assert!(afters.windows(2).all(|pair| pair[0] != pair[1]), "{afters:?}");
        // Long ones are rarer still.
        probe.started = 91.0;
        assert!(next(&mut probes, &probe, 0.1) >= 150.0);
    }

    #[test]
    fn what_shows_without_a_probe_need_not_be_probed_for() {
        let (mut probes, _) = begun(0.1);
        probes.put_off(100.0);
        assert_eq!(probes.start(129.0, 20.0, &reading(0.1)), None);
        assert!(probes.start(130.0, 20.0, &reading(0.1)).is_some());
    }

    #[test]
    fn a_shorter_time_than_the_baseline_is_the_baseline() {
        assert_eq!(begun(0.15).1.share(&reading(0.08)), 1.0);
    }

    #[test]
    fn the_same_time_under_a_lower_limit_is_no_queue() {
        // Half of the way; and from far away no more than by half of the baseline.
        assert_eq!(begun(0.15).1.share(&reading(0.15)), 0.5);
        let share = begun(0.5).1.share(&reading(0.5));
        assert!((share * 0.4 - 0.05).abs() < 1e-9, "{share}");
    }

    #[test]
    fn a_time_that_fell_with_the_limit_but_not_to_the_baseline_may_still_be_a_queue() {
        assert_eq!(begun(0.15).1.share(&reading(0.13)), 0.0);
    }

    #[test]
    fn a_time_that_fell_below_what_was_explained_was_not_the_upstreams() {
        // Some more than that waited, as it is let stand.
        let before = Reading { baseline: 0.4, explained: true, ..reading(0.45) };
        let probe = Probe { before, ..begun(0.45).1 };
        assert!(probe.shortened(&reading(0.3)) && !probe.shortened(&reading(0.36)));
        assert!(!probe.shortened(&Reading { censored: true, ..reading(0.3) }));
        // Short and long ones: of the quartile as much was explained as of the mean.
        let level = Level { mean: Some(0.45), quartile: 0.27 };
        let probe = Probe { before: Reading { level, ..probe.before }, ..probe };
        let quartile = |middle| Reading { quartile: true, ..reading(middle) };
        assert!(probe.shortened(&quartile(0.19)) && !probe.shortened(&quartile(0.22)));
        assert!(!probe.shortened(&Reading { kind: Kind::FirstToken, ..reading(0.3) }));
    }

    #[test]
    fn what_is_to_be_tried_soon_is_not_put_off() {
        let (mut probes, _) = begun(0.1);
        probes.put_off(100.0);
        probes.hasten(100.0, &reading(0.1));
        assert_eq!(probes.start(102.9, 20.0, &reading(0.1)), None);
        assert!(probes.start(105.0, 20.0, &reading(0.1)).is_some());
    }

    #[test]
    fn times_of_another_kind_or_of_clients_that_left_say_nothing() {
        let probe = begun(0.15).1;
        assert_eq!(probe.share(&Reading { kind: Kind::FirstToken, ..reading(0.05) }), 0.0);
        assert_eq!(probe.share(&Reading { censored: true, ..reading(0.15) }), 0.0);
    }
}
