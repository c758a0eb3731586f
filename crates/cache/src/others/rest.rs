use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// After so many failures in a row, one is left alone.
const IN_A_ROW: u32 = 5;

/// For so long at first, and twice as long each time that it then fails again.
const FIRST: Duration = Duration::from_secs(1);

const LONGEST: Duration = Duration::from_secs(30);

/// Leaves alone for a while what fails again and again: else each request would wait for it in vain.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    // Relaxed: whether it is at least `IN_A_ROW` only decides who looks below.
    failures: AtomicU32,
    pause: Mutex<Option<Pause>>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    time: Duration,
    until: Instant,
}

impl Rest {
    /// Whether it does not rest, which takes no look at the clock.
    pub(crate) fn is_over(&self) -> bool {
        self.failures.load(Relaxed) < IN_A_ROW
    }

    /// Whether it may be asked. While it rests that is one in each pause, and unless that one says that it worked, the next
    /// pause is longer: who asked may have left.
    pub(crate) fn may_ask(&self, now: Instant) -> bool {
        if self.is_over() {
            return true;
        }
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pause) = &mut *pause else { return true };
        let may = now >= pause.until;
        if may {
            pause.time = (pause.time * 2).min(LONGEST);
            pause.until = now + pause.time;
        }
        may
    }

    pub(crate) fn worked(&self) {
        if self.failures.load(Relaxed) > 0 {
            let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            self.failures.store(0, Relaxed);
            *pause = None;
        }
    }

    pub(crate) fn failed(&self, now: Instant) {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = self.failures.load(Relaxed).saturating_add(1);
        self.failures.store(failures, Relaxed);
        // Those that were under way when it began to rest change nothing.
        if failures == IN_A_ROW {
            *pause = Some(Pause { time: FIRST, until: now + FIRST });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which of so many seconds it may be asked, of which each that asks fails.
    fn asked(rest: &Rest, start: Instant, seconds: std::ops::Range<u64>) -> Vec<u64> {
        let may = |second: &u64| {
            let now = start + Duration::from_secs(*second);
            let may = rest.may_ask(now);
            if may {
                rest.failed(now);
            }
            may
        };
        seconds.filter(may).collect()
    }

    #[test]
    fn it_is_left_alone_for_longer_and_longer_until_it_works() {
        let (rest, start) = (Rest::default(), crate::now());
        assert_eq!(asked(&rest, start, 0..200), [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 65, 95, 125, 155, 185]);
        rest.worked();
        assert_eq!(asked(&rest, start, 200..210), [200, 201, 202, 203, 204, 205, 207]);
    }

    #[test]
    fn failures_that_do_not_follow_each_other_change_nothing() {
        let (rest, start) = (Rest::default(), crate::now());
        for _ in 0..100 {
            for _ in 1..IN_A_ROW {
                rest.failed(start);
            }
            assert!(rest.may_ask(start));
            rest.worked();
        }
    }

    #[test]
    fn those_that_were_under_way_do_not_make_it_longer() {
        let (rest, start) = (Rest::default(), crate::now());
        (0..1000).for_each(|_| rest.failed(start));
        assert!(!rest.may_ask(start));
        assert!(rest.may_ask(start + FIRST), "the first pause is over");
        assert!(!rest.may_ask(start + FIRST), "there was one who asked");
    }
}
