//! Tells a policy what the layer would tell it.

use std::time::{Duration, Instant};

use dashpot_testkit::simulation::{Controller, Exchange, Nanos};

use super::limit::{
    Policy,
    policy::{Event, Observation, Sample, Signal},
};

/// A policy in a simulation.
#[derive(Debug)]
pub(crate) struct Simulated<P> {
    policy: P,
    /// Virtual time 0.
    epoch: Instant,
}

impl<P: Policy> Simulated<P> {
    pub(crate) fn new(policy: P, epoch: Instant) -> Self {
        Self { policy, epoch }
    }

    fn at(&self, now: Nanos) -> Instant {
        self.epoch + Duration::from_nanos(now)
    }

    fn observe(&mut self, now: Nanos, in_flight: u32, departed: u32, event: Event) {
        let now = self.at(now);
        self.policy.observe(now, &Observation { in_flight, departed, event });
    }

    fn sample(&self, now: Nanos, exchange: &Exchange, signal: Signal) -> Event {
        Event::Sample(Sample {
            signal,
            value: Duration::from_nanos(now - exchange.admitted),
            admitted: self.at(exchange.admitted),
            in_flight: exchange.in_flight,
            prompt: (exchange.prompt > 0).then_some(exchange.prompt),
        })
    }
}

impl<P: Policy> Controller for Simulated<P> {
    fn limit(&self) -> u32 {
        self.policy.limit() as u32
    }

    fn first_token(&mut self, now: Nanos, exchange: &Exchange, in_flight: u32) {
        self.observe(now, in_flight, 0, self.sample(now, exchange, Signal::FirstToken));
    }

    fn completed(&mut self, now: Nanos, exchange: &Exchange, in_flight: u32) {
        let event = match exchange.first_token {
            Some(first) => Event::Streamed { rest: Duration::from_nanos(now - first) },
            None => self.sample(now, exchange, Signal::Latency { output_tokens: exchange.output_tokens }),
        };
        self.observe(now, in_flight, 1, event);
    }

    fn overload(&mut self, now: Nanos, _: &Exchange, in_flight: u32) {
        self.observe(now, in_flight, 1, Event::Overload);
    }

    fn failed(&mut self, now: Nanos, _: &Exchange, in_flight: u32) {
        self.observe(now, in_flight, 1, Event::Departure);
    }

    fn left(&mut self, now: Nanos, exchange: &Exchange, in_flight: u32) {
        let event = match exchange.first_token {
            Some(_) => Event::Departure,
            None => {
                let admitted = self.at(exchange.admitted);
                Event::Left { admitted, waited: Duration::from_nanos(now - exchange.admitted) }
            }
        };
        self.observe(now, in_flight, 1, event);
    }
}
