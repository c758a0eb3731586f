use std::{sync::Arc, time::Instant};

use crate::{Stats, breakers::One, permit::now, word::Control};

/// Shows a breaker, and lets an operator take it over. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(pub(crate) Arc<One>);

impl Handle {
    /// The breaker at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats(now())
    }

    /// Refuses all, until another word.
    pub fn force_open(&self) {
        self.take_over(Control::ForcedOpen);
    }

    /// Lets all pass and counts nothing, until another word: as if there were no breaker.
    pub fn force_closed(&self) {
        self.take_over(Control::ForcedClosed);
    }

    /// Lets all pass and counts, until another word: to see what it would do.
    pub fn metrics_only(&self) {
        self.take_over(Control::MetricsOnly);
    }

    /// Closes it and forgets what was, and how long answers usually take; from here on it decides by itself.
    pub fn reset(&self) {
        self.take_over(Control::Automatic);
    }

    /// Opens it until then at least, for a reason that it cannot see itself: a health check failed, another process said so,
    /// a spending limit is reached. It then comes back as after failures. Nothing happens while an operator has taken over.
    pub fn trip(&self, reason: &'static str, until: Instant) {
        self.0.tell(self.0.machine.trip(reason, until, now()), None);
    }

    fn take_over(&self, control: Control) {
        self.0.tell(self.0.machine.take_over(control), None);
    }
}
