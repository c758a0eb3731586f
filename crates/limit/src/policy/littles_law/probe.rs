use super::reading::Reading;

/// The limit during a probe, as a share: low enough that a tolerated queue is gone, and not much lost.
const LOWERED: f64 = 0.7;

/// Probes are this many times as far apart as they last, so that they cost 0.3 / 20 of the throughput.
const SPARSE: f64 = 20.0;

/// Seconds between probes of an upstream that does not change, unless they last long.
const USUAL: f64 = 60.0;

/// Seconds before a probe that may find much: after the start, or after one that found the baseline much too high.
const SOON: f64 = 2.0;

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

    /// Plans the next one.
    pub(super) fn plan(&mut self, now: f64, probe: &Probe, reading: &Reading) {
        let duration = now - probe.started;
        let every = match reading.middle < 0.9 * probe.before.baseline {
            true => (4.0 * duration).max(SOON),
            false => 2.0 * self.every,
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
