use std::sync::Arc;

use crate::{Start, WarmState};

/// What became of a request that did not find its upstream ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColdRequest {
    /// It waits.
    Held,
    /// It was refused at once.
    Refused,
    /// It has waited for too long.
    TimedOut,
}

impl ColdRequest {
    /// In lower case with underscores, as labels of metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Is told what happens to upstreams. It may run on the path of a request: it must neither block nor panic.
pub trait Observer: Send + Sync {
    /// An upstream changed.
    fn on_state(&self, from: WarmState, to: WarmState) {
        let _ = (from, to);
    }

    /// A start has worked.
    fn on_start(&self, start: &Start) {
        let _ = start;
    }

    /// A request did not find its upstream ready.
    fn on_request(&self, request: ColdRequest) {
        let _ = request;
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_state(&self, from: WarmState, to: WarmState) {
        (**self).on_state(from, to);
    }

    fn on_start(&self, start: &Start) {
        (**self).on_start(start);
    }

    fn on_request(&self, request: ColdRequest) {
        (**self).on_request(request);
    }
}
