//! A policy that only writes down what it is told.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use dashpot_limit::policy::{Belief, Event, Observation, Policy, Reason, Signal};

#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<(Instant, Observation)>>>);

impl Policy for Recorder {
    fn limit(&self) -> f64 {
        2.0
    }

    fn observe(&mut self, now: Instant, observation: &Observation) {
        self.0.lock().unwrap().push((now, *observation));
    }

    fn belief(&self) -> Belief {
        Belief::new(Reason::Set)
    }

    fn set_limit(&mut self, _: f64) {}
}

/// One report: the milliseconds at which it came, what it was, and the exchanges in flight and departed.
pub(crate) type Told = (u128, What, u32, u32);

/// An [`Event`], with times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    FirstToken(u128),
    Latency(u128, Option<u32>),
    Overload,
    Left(u128),
    Streamed(u128),
    Departure,
}

impl Recorder {
    pub(crate) fn observations(&self) -> Vec<Observation> {
        self.0.lock().unwrap().iter().map(|(_, observation)| *observation).collect()
    }

    /// All reports, their times counted from `start`.
    pub(crate) fn told(&self, start: Instant) -> Vec<Told> {
        let told = |(at, observation): &(Instant, Observation)| {
            let at = at.saturating_duration_since(start).as_millis();
            (at, what(&observation.event), observation.in_flight, observation.departed)
        };
        self.0.lock().unwrap().iter().map(told).collect()
    }
}

fn what(event: &Event) -> What {
    match event {
        Event::Sample(sample) => match sample.signal {
            Signal::FirstToken => What::FirstToken(sample.value.as_millis()),
            Signal::Latency { output_tokens } => What::Latency(sample.value.as_millis(), output_tokens),
        },
        Event::Overload => What::Overload,
        Event::Left { waited, .. } => What::Left(waited.as_millis()),
        Event::Streamed { rest } => What::Streamed(rest.as_millis()),
        Event::Departure => What::Departure,
    }
}
