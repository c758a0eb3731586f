use std::{sync::Arc, time::Instant};

use dashpot_body::{End, Guard};

use crate::upstream::Upstream;

/// One request that uses the upstream, until the end of its answer's body.
#[derive(Debug)]
pub(crate) struct Permit {
    upstream: Arc<Upstream>,
    generation: u16,
    /// Whether its end is to be known at once.
    is_exact: bool,
}

impl Permit {
    #[inline]
    pub(crate) fn new(upstream: Arc<Upstream>, generation: u16, is_exact: bool) -> Self {
        Self { upstream, generation, is_exact }
    }

    /// The answer shows that the upstream is not there any more.
    pub(crate) fn lost(&self) {
        self.upstream.lost(self.generation);
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }
}

impl Guard for Permit {
    #[inline]
    fn end(self, _: End) {}
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        let seen = self.upstream.word.leave();
        if !seen.is_open || self.is_exact && seen.in_flight == 0 {
            self.upstream.ended();
        }
    }
}

/// The time, on the clock that tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
