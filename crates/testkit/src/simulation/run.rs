use super::{
    Answers, Controller, Exchange, Nanos, Report, Sample, Scenario, Slo,
    arrivals::Arrivals,
    live::{Live, LiveTable},
    report::Recorder,
    scenario::Truth,
    seconds,
    timers::{Timers, What},
    upstream::{Id, Progress, Upstream},
    workload::{Fate, HIT_TIME, Request},
};

/// How often the limit is looked at.
pub(super) const TICK: Nanos = 500_000_000;

impl Scenario {
    /// Runs it once, with as many controllers as it has limiters.
    ///
    /// # Panics
    ///
    /// If there are more or fewer.
    #[must_use]
    pub fn run(&self, seed: u64, controllers: &mut [Box<dyn Controller>]) -> Report {
        assert_eq!(controllers.len(), self.limiters, "one controller for each limiter");
        let truths: Vec<Truth> = self.phases.iter().map(|phase| self.truth(phase)).collect();
        let mut arrivals = Arrivals::new(self, &truths, seed);
        let mut simulation = Simulation {
            scenario: self,
            truths: &truths,
            in_flight: vec![0; controllers.len()],
            controllers,
            upstream: self.upstream(),
            live: LiveTable::default(),
            timers: Timers::default(),
            end: seconds(self.length_s),
            recorder: Recorder::new(self),
        };
        simulation.pass(&mut arrivals);
        simulation.recorder.report(self, &truths, arrivals.ideal())
    }
}

struct Simulation<'s> {
    scenario: &'s Scenario,
    truths: &'s [Truth],
    controllers: &'s mut [Box<dyn Controller>],
    in_flight: Vec<u32>,
    upstream: Box<dyn Upstream>,
    live: LiveTable,
    timers: Timers,
    end: Nanos,
    recorder: Recorder,
}

impl Simulation<'_> {
    fn pass(&mut self, arrivals: &mut Arrivals<'_>) {
        for (at, phase) in self.scenario.phases.iter().enumerate() {
            self.timers.set(seconds(phase.from_s), What::Phase(at));
        }
        self.timers.set(0, What::Tick);
        let grace = match self.scenario.slo {
            Slo::Total(limit) => seconds(limit),
            // The longest answers take so long.
            Slo::FirstToken(limit) => seconds(limit + 60.0),
        };
        let mut arrival = arrivals.next();
        loop {
            let timer = self.timers.next().unwrap_or(Nanos::MAX);
            let upstream = self.upstream.next().unwrap_or(Nanos::MAX);
            let now = timer.min(upstream).min(arrival.0.at);
            if now >= self.end + grace || now >= self.end && self.recorder.is_settled() {
                break;
            }
            if now == timer {
                self.fire(now);
            } else if now == upstream {
                self.progress(now);
            } else {
                let (request, calm) = arrival;
                self.recorder.arrives(&request, calm);
                self.attempt(now, request, 0, calm);
                arrival = arrivals.next();
            }
        }
        self.recorder.counts.unfinished = self.live.iter().filter(|live| !live.gone).count() as u64;
    }

    fn attempt(&mut self, now: Nanos, request: Request, tries: u8, calm: bool) {
        self.recorder.counts.attempts += 1;
        let limiter = self.limiter(&request);
        let in_flight = self.in_flight[limiter];
        let refused = in_flight >= self.controllers[limiter].limit().max(1);
        if tries == 0 && calm && request.at < self.end {
            self.recorder.calm_refused += u64::from(refused);
        }
        let exchange = Exchange {
            admitted: now,
            in_flight: in_flight + 1,
            prompt: request.work.prompt,
            output_tokens: (request.answers == Answers::Counted).then_some(request.work.output),
            streamed: request.answers == Answers::Streamed,
            first_token: None,
        };
        let live = Live { request, tries, exchange, first: None, gone: false };
        if refused {
            self.recorder.refused(&request, tries);
            self.controllers[limiter].refused(now, in_flight);
            self.again(now, live);
            return;
        }
        self.in_flight[limiter] += 1;
        self.controllers[limiter].admitted(now, in_flight + 1);
        let id = self.live.insert(live);
        match request.fate {
            Fate::Hit => self.timers.set(now + HIT_TIME, What::Answer(id)),
            Fate::Failure { after, .. } => self.timers.set(now + after, What::Answer(id)),
            Fate::Served | Fate::Stuck { .. } => {
                if !self.upstream.offer(now, id, &request.work) {
                    let live = self.end(id);
                    self.recorder.counts.overloaded += 1;
                    let in_flight = self.in_flight[limiter];
                    self.controllers[limiter].overload(now, &live.exchange, in_flight);
                    self.again(now, live);
                    return;
                }
            }
        }
        if let Some(patience) = request.patience {
            self.timers.set(now + patience, What::Patience(id));
        }
        if let Some(leaves) = request.leaves_after {
            self.timers.set(now + leaves, What::Leaves(id));
        }
    }

    fn progress(&mut self, now: Nanos) {
        let Some((id, progress)) = self.upstream.advance(now) else { return };
        let Some(live) = self.live.get(id) else { return };
        match progress {
            Progress::End if live.gone => {
                self.live.remove(id);
            }
            Progress::End => self.complete(now, id),
            Progress::FirstToken { .. } if live.gone => {}
            Progress::FirstToken { waited } => {
                let request = live.request;
                self.recorder.waited(&request, waited);
                self.first_token(now, id);
                if let Fate::Stuck { until } = request.fate {
                    self.upstream.withdraw(now, id);
                    self.timers.set(now + until, What::Answer(id));
                }
            }
        }
    }

    fn fire(&mut self, now: Nanos) {
        let Some(what) = self.timers.pop() else { return };
        match what {
            What::Tick => self.tick(now),
            What::Phase(at) => {
                let phase = &self.scenario.phases[at];
                self.upstream.reshape(now, phase.slots, phase.slow);
                let share = self.truths[at].limit / self.controllers.len() as f64;
                for controller in self.controllers.iter_mut() {
                    controller.truth(now, share);
                }
                self.recorder.phase = at;
            }
            What::Patience(id) => {
                if self.live.get(id).is_some_and(|live| !live.gone && live.exchange.first_token.is_none()) {
                    let live = self.leave(now, id);
                    self.again(now, live);
                }
            }
            What::Leaves(id) => {
                if self.live.get(id).is_some_and(|live| !live.gone) {
                    let live = self.leave(now, id);
                    self.recorder.closed(&live.request);
                }
            }
            What::Answer(id) => self.answer(now, id),
            What::Retry(id) => {
                if let Some(live) = self.live.remove(id) {
                    self.attempt(now, live.request, live.tries + 1, false);
                }
            }
        }
    }

    /// What did not come from the upstream has come.
    fn answer(&mut self, now: Nanos, id: Id) {
        let Some(live) = self.live.get(id) else { return };
        match live.request.fate {
            Fate::Stuck { .. } => {
                let live = self.leave(now, id);
                self.recorder.closed(&live.request);
            }
            Fate::Failure { overload, .. } => {
                let live = self.end(id);
                let limiter = self.limiter(&live.request);
                let in_flight = self.in_flight[limiter];
                if overload {
                    self.recorder.counts.overloaded += 1;
                    self.controllers[limiter].overload(now, &live.exchange, in_flight);
                } else {
                    self.recorder.counts.failed += 1;
                    self.controllers[limiter].failed(now, &live.exchange, in_flight);
                }
                self.again(now, live);
            }
            Fate::Hit | Fate::Served => {
                self.first_token(now, id);
                self.complete(now, id);
            }
        }
    }

    fn first_token(&mut self, now: Nanos, id: Id) {
        let Some(live) = self.live.get(id) else { return };
        live.first = Some(now);
        if live.exchange.streamed {
            live.exchange.first_token = Some(now);
            let (request, exchange) = (live.request, live.exchange);
            let limiter = self.limiter(&request);
            self.controllers[limiter].first_token(now, &exchange, self.in_flight[limiter]);
        }
    }

    fn complete(&mut self, now: Nanos, id: Id) {
        let live = self.end(id);
        let begun = live.request.at;
        let in_time = match self.scenario.slo {
            Slo::Total(limit) => now - begun <= seconds(limit),
            Slo::FirstToken(limit) => live.first.is_some_and(|first| first - begun <= seconds(limit)),
        };
        self.recorder.completed(&live.request, self.limiter(&live.request), in_time);
        let limiter = self.limiter(&live.request);
        self.controllers[limiter].completed(now, &live.exchange, self.in_flight[limiter]);
    }

    /// The client leaves.
    fn leave(&mut self, now: Nanos, id: Id) -> Live {
        let live = if self.scenario.unnoticed {
            let live = self.live.get(id).expect("looked up by the caller");
            live.gone = true;
            let live = *live;
            let limiter = self.limiter(&live.request);
            self.in_flight[limiter] -= 1;
            live
        } else {
            self.upstream.withdraw(now, id);
            self.end(id)
        };
        self.recorder.counts.left += 1;
        let limiter = self.limiter(&live.request);
        self.controllers[limiter].left(now, &live.exchange, self.in_flight[limiter]);
        live
    }

    /// An attempt came to nothing.
    fn again(&mut self, now: Nanos, live: Live) {
        if live.tries < live.request.retries {
            // Held under a key of its own, as if it were gone, until it is time.
            let id = self.live.insert(Live { gone: true, ..live });
            self.timers.set(now + live.request.retry_after, What::Retry(id));
        } else {
            self.recorder.closed(&live.request);
        }
    }

    fn tick(&mut self, now: Nanos) {
        if now >= self.end {
            return;
        }
        let limit: u32 = self.controllers.iter().map(|controller| controller.limit().max(1)).sum();
        let truth = self.truths[self.recorder.phase].limit;
        let in_flight = self.in_flight.iter().sum();
        self.recorder.samples.push(Sample { at: now, limit, in_flight, truth });
        self.timers.set(now + TICK, What::Tick);
    }

    fn limiter(&self, request: &Request) -> usize {
        request.client as usize % self.in_flight.len()
    }

    /// An exchange is over for the limiter and the upstream.
    fn end(&mut self, id: Id) -> Live {
        let live = self.live.remove(id).expect("looked up by the caller");
        let limiter = self.limiter(&live.request);
        self.in_flight[limiter] -= 1;
        live
    }
}
