use super::{
    Kind, LittlesLaw, Reason,
    cuts::{Cuts, Verdict},
    growth::{self, Growth},
    reading::Reading,
    track::IDLE,
};

/// Shorter than the queue that was seen, since the next window still has to show what is left of it.
const GAIN: f64 = 0.7;

/// No decrease is deeper, as a share of the limit: an estimate may be an outlier.
const DEEPEST: f64 = 0.3;

/// The share of the limit that has to have been in flight for it to bind.
const BINDING: f64 = 0.9;

/// Exchanges that are longer than this, in seconds, may keep more in flight than the limit for as long as that.
const SETTLES_WITHIN: (f64, f64) = (10.0, 120.0);

/// What is done with reports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// They fill a window.
    Run,
    /// They are let pass, until the limit has taken effect or this time has come.
    Settle { until: f64 },
}

impl LittlesLaw {
    /// Whether the last decrease has yet to take effect.
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

    // Run -> Settle: the limit is lower than it was. In flight may be more, for twice as long as these take to leave.
    fn settle(&mut self, in_flight: u32, rate: f64) {
        let excess = (f64::from(in_flight) - self.limit).max(0.0);
        let drain = if rate > 0.0 { 2.0 * excess / rate } else { 0.0 };
        self.phase = Phase::Settle { until: self.now + drain.clamp(SETTLES_WITHIN.0, SETTLES_WITHIN.1) };
    }

    /// The upstream refused, or a timeout passed: TCP's answer to a loss, as CUBIC softened it (RFC 9438 has 0.7; a
    /// refusal here is one of many exchanges, and there is the queue as a signal besides).
    pub(super) fn overload(&mut self, in_flight: u32) {
        if let Some(probe) = self.probes.take() {
            self.limit = probe.limit;
        }
        self.cuts = [None; 2];
        // While nothing else is known, the first of them says where the limit was too high, and the others nothing more.
        let (ceiling, _) = self.overloaded.unwrap_or((self.limit, 0.0));
        self.overloaded = Some((ceiling, self.now));
        self.lower(0.9 * self.limit, ceiling, Reason::Overload);
        let rate = self.throughput.rate().unwrap_or(0.0);
        self.settle(in_flight, rate);
    }

    /// Where so little comes that no window closes, overloads of long ago would lower the limit for ever.
    pub(super) fn forget_overloads(&mut self) {
        if let Some((limit, _)) = self.overloaded.take_if(|(_, at)| self.now - *at > IDLE) {
            self.raise(limit, Reason::Baseline);
            self.growth = Growth::from(self.limit, self.limit);
        }
    }

    /// A window of this kind is full: concludes what it shows.
    pub(super) fn close(&mut self, kind: Kind, in_flight: u32) {
        let (limit, rate) = (self.limit, self.throughput.rate());
        let reading = self.track_mut(kind).close(limit, rate, in_flight);
        self.signal = kind;
        self.overloaded = None;
        self.discard_windows();
        if kind == Kind::FirstToken {
            let was_explained = std::mem::replace(&mut self.explained, reading.explained);
            if reading.explained && !was_explained {
                self.probes.hasten(self.now, &reading);
            }
        }

        if let Some(probe) = self.probes.take() {
            if reading.explained && probe.shortened(&reading) {
                self.track_mut(kind).explains_nothing();
            } else {
                self.track_mut(kind).move_baseline(reading.level, probe.share(&reading));
            }
            self.probes.plan(self.now, &probe, &reading);
            self.cuts = [None; 2];
            return self.raise(probe.limit, Reason::Baseline);
        }
        let binds = reading.peak >= BINDING * limit.floor();
        if binds && self.undo_futile_cuts(&reading) {
            return;
        }
        let (short, long) = reading.bounds();
        let queue = reading.queue();
        self.queue = Some(queue.max(0.0));
        // Where the limit is far from being reached, lowering it shortens nothing.
        if reading.is_too_long() && (!reading.unused || reading.censored) {
            self.cuts[kind as usize].get_or_insert(Cuts::new(limit, reading));
            let cut = (GAIN * (queue - short)).clamp(0.5, DEEPEST * limit.max(2.0));
            let (to, ceiling) = self.growth.retreat(limit, cut);
            // The queue was there with so many in flight, so a limit above that shortens nothing.
            self.lower(to.min(reading.peak), ceiling, Reason::Queue);
            if limit <= self.min && !reading.censored {
                // There is nothing to lower, so no decrease can show that this is the upstream's own time.
                self.track_mut(kind).follow(reading.level, limit);
            }
            return self.settle(in_flight, reading.rate);
        }
        if !binds {
            self.reason = Reason::Unused;
        } else if queue < short.max(0.6 * long) {
            let next = self.growth.next(limit);
            self.raise(next, Reason::Growth);
        } else {
            self.reason = Reason::Balance;
        }
        self.maybe_probe(&reading, binds, in_flight);
    }

    fn lower(&mut self, to: f64, ceiling: f64, reason: Reason) {
        self.raise(to, reason);
        self.growth = Growth::from(self.limit, ceiling);
    }

    fn raise(&mut self, to: f64, reason: Reason) {
        self.limit = to.clamp(self.min, self.max);
        self.reason = reason;
    }

    /// Takes decreases back that did not shorten the wait: then it was no queue of ours but the upstream's own time, and
    /// the baseline is wrong.
    fn undo_futile_cuts(&mut self, reading: &Reading) -> bool {
        let at = reading.kind as usize;
        let Some(mut cuts) = self.cuts[at].take() else { return false };
        let track = self.track_mut(reading.kind);
        if track.is_pinned() || self.limit >= cuts.limit {
            return false;
        }
        match cuts.judge(self.limit, reading) {
            Verdict::Unclear => self.cuts[at] = Some(cuts),
            Verdict::Useful => self.cuts[at] = Some(Cuts::new(self.limit, *reading)),
            Verdict::Futile => {
                // Not all of the way: some of it may be a queue that came meanwhile.
                self.track_mut(reading.kind).move_baseline(reading.level, 0.7);
                self.raise(cuts.limit, Reason::Baseline);
                self.growth = Growth::from(self.limit, self.limit);
                return true;
            }
        }
        false
    }

    /// Takes decreases back as soon as what streams take after their first content explains the wait that led to them.
    pub(super) fn undo_explained_cuts(&mut self) {
        let at = Kind::FirstToken as usize;
        let Some(Cuts { limit, first, .. }) = self.cuts[at].filter(|_| self.probes.running().is_none())
        else {
            return;
        };
        // Later windows may have shown that nobody waits any more, whatever the wait was.
        let may_wait = matches!(self.reason, Reason::Queue | Reason::Balance);
        if first.censored || self.limit >= limit || !may_wait {
            return;
        }
        // By chance it is a little slower now than a moment ago, which takes nothing back.
        let slower = self.first_token.slower(first.quartile, first.middle);
        let slower = slower.filter(|baseline| *baseline > growth::FAST * first.baseline);
        let is_explained = slower.is_some_and(|baseline| !Reading { baseline, ..first }.is_too_long());
        if !is_explained {
            return;
        }
        self.probes.hasten(self.now, &first);
        self.cuts[at] = None;
        self.raise(limit, Reason::Baseline);
        self.growth = Growth::from(self.limit, self.limit);
        // Settle -> Run: there is nothing left to take effect.
        self.phase = Phase::Run;
        self.open_windows();
    }

    fn maybe_probe(&mut self, reading: &Reading, binds: bool, in_flight: u32) {
        // At the highest limit the first growth is over, though no queue has ended it.
        let grows = self.growth.is_slow_start() && self.limit < self.max;
        if self.track(reading.kind).is_pinned() || grows {
            return;
        }
        if !binds {
            if reading.unused && !reading.explained {
                self.probes.put_off(self.now);
            }
            return;
        }
        if let Some(limit) = self.probes.start(self.now, self.limit, reading) {
            self.raise(limit, Reason::Probe);
            self.settle(in_flight, reading.rate);
        }
    }
}
