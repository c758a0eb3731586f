//! The default policy.

mod cuts;
mod decide;
mod growth;
mod histogram;
mod length;
mod level;
mod probe;
mod reading;
mod rests;
mod throughput;
mod track;
mod window;

use std::time::{Duration, Instant};

use super::{Belief, Event, Observation, Policy, Reason, Sample, Signal, Snapshot};
use cuts::Cuts;
use decide::Phase;
use growth::Growth;
use probe::Probes;
use throughput::Throughput;
use track::Track;

/// Times beyond a day are cut off, so that no sum of squares leaves its range.
const DAY: f64 = 86_400.0;

/// This share of overloads says nothing of the limit: one broken server of many answers so at any load.
const EXCUSED: f64 = 0.03;

/// Estimates the queue in front of the upstream, and holds it short.
///
/// By Little's law, as many exchanges wait as leave per second, times what each of them waited: `throughput * (time -
/// baseline)`. The baseline is the time that an exchange takes when it need not wait, learned from windows in which no
/// queue can have been. If the queue is longer than a share of what is being served, and than the noise of the
/// estimate, the limit is lowered by about as much, and no more is concluded until that took effect. If there is no
/// queue and the limit binds, it is raised. Otherwise it is kept, so that it does not drift.
///
/// Times vary with the length of an answer or a prompt. Where lengths are known, what they explain is taken out; if what
/// is left still varies much, lower quartiles are compared in place of means: a queue moves the whole distribution,
/// long answers only stretch its top.
#[derive(Clone, Debug)]
pub struct LittlesLaw {
    limit: f64,
    min: f64,
    max: f64,

    first_token: Track,
    latency: Track,
    /// What the latest samples were about.
    signal: Kind,
    throughput: Throughput,

    phase: Phase,
    growth: Growth,
    /// The limit before a run of overloads, and when the last of them was: no window has closed since.
    overloaded: Option<(f64, f64)>,
    /// Whether the last window of first tokens was as long as a slower upstream explains.
    explained: bool,
    /// Overloads that may come by chance.
    excused: f64,
    /// Of each kind of signal its own: what one shows says nothing of decreases for the other's sake.
    cuts: [Option<Cuts>; 2],
    probes: Probes,

    epoch: Option<Instant>,
    now: f64,
    queue: Option<f64>,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    FirstToken,
    Latency,
}

impl Default for LittlesLaw {
    fn default() -> Self {
        Self::new()
    }
}

impl LittlesLaw {
    /// Starts at 20, within 1 and 1000.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limit: 20.0,
            min: 1.0,
            max: 1000.0,
            first_token: Track::new(Kind::FirstToken),
            latency: Track::new(Kind::Latency),
            signal: Kind::Latency,
            throughput: Throughput::default(),
            phase: Phase::Run,
            growth: Growth::new(),
            overloaded: None,
            explained: false,
            excused: 0.0,
            cuts: [None; 2],
            probes: Probes::new(),
            epoch: None,
            now: 0.0,
            queue: None,
            reason: Reason::Start,
        }
    }

    /// The limit at first. Within the bounds, whichever is set first.
    #[must_use]
    pub fn initial(mut self, limit: u32) -> Self {
        self.limit = f64::from(limit).clamp(self.min, self.max);
        self
    }

    /// Never less than this.
    ///
    /// # Panics
    ///
    /// If it is 0, or more than the highest limit.
    #[must_use]
    pub fn min(mut self, min: u32) -> Self {
        assert!(min > 0, "a limit of 0 admits nothing");
        assert!(f64::from(min) <= self.max, "the lowest limit is above the highest");
        self.min = min.into();
        self.limit = self.limit.max(self.min);
        self
    }

    /// Never more than this.
    ///
    /// # Panics
    ///
    /// If it is less than the lowest limit.
    #[must_use]
    pub fn max(mut self, max: u32) -> Self {
        assert!(f64::from(max) >= self.min, "the highest limit is below the lowest");
        self.max = max.into();
        self.limit = self.limit.min(self.max);
        self
    }

    /// The time to the first token without a queue, for good: it is neither learned nor measured again.
    #[must_use]
    pub fn first_token_baseline(mut self, baseline: Duration) -> Self {
        self.first_token.pin(seconds(baseline));
        self
    }

    /// The latency of whole answers without a queue, for good: it is neither learned nor measured again.
    ///
    /// Like the one in [`Belief`], it is compared with the mean, or with the lower quartile if latencies vary much.
    #[must_use]
    pub fn latency_baseline(mut self, baseline: Duration) -> Self {
        self.latency.pin(seconds(baseline));
        self
    }

    fn track(&self, kind: Kind) -> &Track {
        match kind {
            Kind::FirstToken => &self.first_token,
            Kind::Latency => &self.latency,
        }
    }

    fn track_mut(&mut self, kind: Kind) -> &mut Track {
        match kind {
            Kind::FirstToken => &mut self.first_token,
            Kind::Latency => &mut self.latency,
        }
    }

    /// Seconds from the first report on; negative before.
    fn since_epoch(&mut self, at: Instant) -> f64 {
        let epoch = *self.epoch.get_or_insert(at);
        match at.checked_duration_since(epoch) {
            Some(after) => after.as_secs_f64(),
            None => -epoch.saturating_duration_since(at).as_secs_f64(),
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let (kind, length) = match sample.signal {
            Signal::FirstToken => (Kind::FirstToken, sample.prompt),
            Signal::Latency { output_tokens } => (Kind::Latency, output_tokens),
        };
        let (now, admitted) = (self.now, self.since_epoch(sample.admitted));
        self.track_mut(kind).add(now, admitted, seconds(sample.value), length, sample.in_flight);
    }

    fn left(&mut self, admitted: Instant, waited: Duration, in_flight: u32) {
        let (now, kind, admitted) = (self.now, self.signal, self.since_epoch(admitted));
        self.track_mut(kind).add_left(now, admitted, seconds(waited), in_flight);
    }

    /// Forgets what is not decided yet.
    fn discard_windows(&mut self) {
        self.first_token.discard();
        self.latency.discard();
        self.throughput.clear();
    }

    /// Starts anew: only exchanges that are admitted from now on are judged.
    fn open_windows(&mut self) {
        self.first_token.open(self.now);
        self.latency.open(self.now);
        self.throughput.clear();
    }
}

impl Policy for LittlesLaw {
    fn limit(&self) -> f64 {
        self.limit
    }

    fn observe(&mut self, now: Instant, observation: &Observation) {
        // Reports of two threads may change places on their way.
        self.now = self.since_epoch(now).max(self.now);
        // While a decrease takes effect, too: this is not judged by when the exchange was admitted.
        if let Event::Streamed { rest } = observation.event {
            self.first_token.add_rest(self.now, seconds(rest), observation.in_flight.saturating_add(1));
            self.undo_explained_cuts();
        }
        if self.is_settling(observation.in_flight) {
            return;
        }
        self.throughput.add(self.now, observation.departed);
        self.excused = (self.excused + EXCUSED * f64::from(observation.departed)).min(2.0);
        match &observation.event {
            Event::Sample(sample) => {
                self.forget_overloads();
                self.sample(sample);
            }
            Event::Left { admitted, waited } => {
                self.left(*admitted, *waited, observation.in_flight.saturating_add(1));
            }
            Event::Overload if self.excused >= 1.0 => return self.excused -= 1.0,
            Event::Overload => return self.overload(observation.in_flight),
            Event::Streamed { .. } | Event::Departure => return,
        }
        let kind = match (self.first_token.is_ready(), self.latency.is_ready()) {
            (true, _) => Kind::FirstToken,
            (false, true) => Kind::Latency,
            (false, false) => return,
        };
        self.close(kind, observation.in_flight);
    }

    fn belief(&self) -> Belief {
        Belief {
            baseline: self.track(self.signal).baseline().map(Duration::from_secs_f64),
            queue: self.queue,
            reason: self.reason,
        }
    }

    fn set_limit(&mut self, limit: f64) {
        if limit.is_nan() {
            return;
        }
        self.limit = limit.clamp(self.min, self.max);
        self.open_windows();
        self.phase = Phase::Run;
        self.growth = Growth::from(self.limit, self.limit);
        self.overloaded = None;
        self.cuts = [None; 2];
        self.probes.take();
        self.reason = Reason::Set;
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        if let Some(baseline) = snapshot.first_token {
            self.first_token.restore(seconds(baseline));
        }
        if let Some(baseline) = snapshot.latency {
            self.latency.restore(seconds(baseline));
        }
        self.set_limit(snapshot.limit);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            limit: self.probes.running().map_or(self.limit, |probe| probe.limit),
            first_token: self.first_token.baseline().map(Duration::from_secs_f64),
            latency: self.latency.baseline().map(Duration::from_secs_f64),
        }
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().min(DAY)
}
