use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One kind of failure is logged no more often than that: what is broken fails for every request.
const APART: Duration = Duration::from_secs(60);

/// Whether a failure is to be logged, or one of its kind was a short time ago.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    since: u64,
}

impl Quiet {
    /// If it is to be logged: how many there were since the last that was.
    pub(crate) fn speaks(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| now.saturating_duration_since(last) < APART) {
            said.since += 1;
            return None;
        }
        said.last = Some(now);
        Some(std::mem::take(&mut said.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_flood_is_said_and_later_how_many_there_were() {
        let (quiet, start) = (Quiet::default(), crate::now());
        let at = |seconds| quiet.speaks(start + Duration::from_secs(seconds));
        assert_eq!([0, 0, 1, 59, 60, 61, 200].map(at), [Some(0), None, None, None, Some(3), None, Some(1)]);
    }
}
