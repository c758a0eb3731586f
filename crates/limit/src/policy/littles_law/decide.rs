use super::{
    Kind, LittlesLaw, Reason,
    track::{Reading, SURE},
};

/// What is done with reports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// They fill a window.
    Run,
    /// They are let pass, until the limit has taken effect or this time has come.
    Settle { until: f64 },
}

/// A limit lowered for one window, to measure the baseline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    kind: Kind,
    /// The time before.
    middle: f64,
    pub(super) restore: f64,
    /// By how much the time falls if there is a queue.
    drained: f64,
}

/// Where a sequence of decreases started, and whether they were of use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    kind: Kind,
    limit: f64,
    rate: f64,
    middle: f64,
    error: f64,
    count: f64,
    futile: u32,
}

impl LittlesLaw {
    /// Whether the last change of the limit has yet to take effect.
    pub(super) fn is_settling(&mut self, in_flight: u32) -> bool {
        let Phase::Settle { until } = self.phase else { return false };
        if f64::from(in_flight) > self.limit.floor() + 1.0 && self.now < until {
            return true;
        }
        // Settle -> Run: only exchanges that are admitted from now on are judged.
        self.phase = Phase::Run;
        self.open_windows();
        false
    }

    /// Run -> Settle: the limit is lower than what is in flight.
    fn settle(&mut self, in_flight: u32, rate: f64) {
        let excess = (f64::from(in_flight) - self.limit).max(0.0);
        let drain = if rate > 0.0 { 2.0 * excess / rate } else { 0.0 };
        self.phase = Phase::Settle { until: self.now + drain.clamp(10.0, 120.0) };
    }

    pub(super) fn overload(&mut self, in_flight: u32) {
        self.abandon_probe();
        self.lower(0.9 * self.limit, Reason::Overload);
        self.cuts = None;
        let rate = self.throughput.rate().unwrap_or(0.0);
        self.settle(in_flight, rate);
    }

    pub(super) fn close(&mut self, kind: Kind, in_flight: u32) {
        let limit = self.limit;
        let reading = self.track_mut(kind).close(limit);
        let rate = self.throughput.rate().unwrap_or_else(|| reading.count / reading.age.max(1e-3));
        self.signal = kind;
        self.first_token.discard();
        self.latency.discard();
        self.throughput.clear();

        if let Some(probe) = self.probe.take() {
            self.limit = probe.restore;
            if probe.kind == kind {
                self.conclude_probe(&probe, &reading);
            }
            return;
        }

        let busy = rate * reading.baseline;
        let queue = rate * (reading.middle - reading.baseline);
        let noise = SURE * rate * reading.calm_error;
        let short = 0.1 * busy;
        let long = 0.25 * busy + noise;
        let bound = reading.peak >= 0.9 * limit.floor();
        self.queue = Some(queue.max(0.0));

        if bound && self.cuts_were_futile(kind, &reading, rate) {
            return;
        }
        if queue > long {
            if bound && self.cuts.is_none() {
                let Reading { middle, error, count, .. } = reading;
                self.cuts = Some(Cuts { kind, limit, rate, middle, error, count, futile: 0 });
            }
            let cut = (0.7 * (queue - short)).clamp(0.5, 0.3 * limit.max(2.0));
            self.lower(limit - cut, Reason::Queue);
            self.settle(in_flight, rate);
            return;
        }
        if !bound {
            self.reason = Reason::Unused;
        } else if queue < short.max(0.6 * long) {
            self.grow();
        } else {
            self.reason = Reason::Balance;
        }
        if bound {
            self.maybe_probe(kind, &reading, in_flight, rate);
        } else if reading.peak < 0.5 * limit {
            self.next_probe = self.next_probe.map(|at| at.max(self.now + 30.0));
        }
    }

    fn lower(&mut self, to: f64, reason: Reason) {
        self.slow_start = false;
        self.ceiling = self.limit;
        self.limit = to.clamp(self.min, self.max);
        self.reason = reason;
    }

    /// Fast far below the ceiling, careful around it, faster again beyond it, as CUBIC does (RFC 9438).
    fn grow(&mut self) {
        let (limit, ceiling) = (self.limit, self.ceiling);
        let more = if self.slow_start {
            0.5 * limit
        } else if limit < 0.9 * ceiling {
            (0.25 * (ceiling - limit)).max(0.3)
        } else if limit < 1.1 * ceiling {
            (0.02 * limit).max(0.3)
        } else {
            (0.25 * (limit - ceiling)).clamp(0.5, 0.25 * limit.max(2.0))
        };
        self.limit = (limit + more).clamp(self.min, self.max);
        self.reason = Reason::Growth;
    }

    /// Whether the decreases since the first one did not shorten the wait: then it is no queue of ours but the upstream's
    /// own time, and the baseline is wrong.
    ///
    /// A real queue falls by what the limit fell, and the throughput stays; else the throughput falls in proportion.
    fn cuts_were_futile(&mut self, kind: Kind, reading: &Reading, rate: f64) -> bool {
        let Some(mut cuts) = self.cuts.take() else { return false };
        if cuts.kind != kind || self.limit >= cuts.limit || self.track(kind).is_pinned() {
            return false;
        }
        let error = cuts.error.hypot(reading.error);
        let drained = (cuts.limit - self.limit) / cuts.rate;
        let narrowed = (cuts.limit / self.limit).ln();
        let rate_error = (1.0 / cuts.count + 1.0 / reading.count.max(1.0)).sqrt();
        let futile = if drained > 2.0 * error {
            cuts.middle - reading.middle < 0.4 * drained
        } else if narrowed > 2.0 * rate_error {
            (cuts.rate / rate).ln() > 0.6 * narrowed
        } else {
            self.cuts = Some(cuts);
            return false;
        };
        let present = Cuts {
            limit: self.limit,
            rate,
            middle: reading.middle,
            error: reading.error,
            count: reading.count,
            futile: 0,
            kind,
        };
        if !futile || reading.middle > cuts.middle + 2.0 * error {
            self.cuts = Some(present);
            return false;
        }
        cuts.futile += 1;
        if cuts.futile < 2 {
            self.cuts = Some(cuts);
            return false;
        }
        let deviation = reading.error * reading.count.sqrt();
        self.track_mut(kind).move_baseline(reading.middle, deviation, 0.7);
        self.limit = cuts.limit.clamp(self.min, self.max);
        self.reason = Reason::Baseline;
        true
    }

    fn maybe_probe(&mut self, kind: Kind, reading: &Reading, in_flight: u32, rate: f64) {
        if self.track(kind).is_pinned() {
            return;
        }
        let due = *self.next_probe.get_or_insert(self.now + 30.0);
        if self.now < due {
            return;
        }
        let restore = self.limit;
        self.limit = (0.7 * restore).max(self.min);
        let drained = (restore - self.limit) / rate;
        self.probe = Some(Probe { kind, middle: reading.middle, drained, restore });
        self.reason = Reason::Probe;
        self.settle(in_flight, rate);
    }

    fn conclude_probe(&mut self, probe: &Probe, reading: &Reading) {
        let deviation = reading.error * reading.count.sqrt();
        let fell =
            reading.middle < probe.middle - 2.0 * reading.error - 0.3 * probe.drained.min(probe.middle);
        let track = self.track_mut(probe.kind);
        if reading.middle < reading.baseline {
            track.move_baseline(reading.middle, deviation, 1.0);
        } else if !fell {
            track.move_baseline(reading.middle.min(2.0 * reading.baseline), deviation, 0.5);
        }
        self.next_probe = Some(self.now + 60.0 * (0.75 + 0.5 * self.random()));
        self.cuts = None;
        self.reason = Reason::Baseline;
    }

    fn abandon_probe(&mut self) {
        if let Some(probe) = self.probe.take() {
            self.limit = probe.restore;
        }
    }

    /// Uniform in [0, 1), by xorshift64 (Marsaglia 2003).
    fn random(&mut self) -> f64 {
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        (self.jitter >> 11) as f64 / (1_u64 << 53) as f64
    }
}
