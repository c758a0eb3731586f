/// After a cut by a tenth three increases lead back to the ceiling, after the deepest cut (by 0.3) five do; as many again
/// lead as far beyond it.
const CURVE: f64 = 0.003;

/// The factor of an increase at the start.
pub(super) const FAST: f64 = 1.5;

/// Below this share of the ceiling, so after more than one cut, growth is as fast as at the start.
const FAR: f64 = 0.7;

/// How the limit grows while it binds and there is no queue.
///
/// By half each time, until the first queue. After a decrease as CUBIC does (RFC 9438), with increases in place of time:
/// fast at first, slower around the limit that was too high, then faster again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    slow_start: bool,
    /// The limit that was too high last.
    ceiling: f64,
    /// Increases since the limit was back there; negative before.
    steps: f64,
}

impl Growth {
    pub(super) fn new() -> Self {
        Self { slow_start: true, ceiling: 1.0, steps: 0.0 }
    }

    pub(super) fn is_slow_start(&self) -> bool {
        self.slow_start
    }

    /// Goes on from `limit`, back to `ceiling`.
    pub(super) fn from(limit: f64, ceiling: f64) -> Self {
        let depth = (1.0 - limit / ceiling).max(0.0);
        Self { slow_start: false, ceiling, steps: -(depth / CURVE).cbrt() }
    }

    /// The limit after one under which `cut` too many waited, and the one to grow back to.
    pub(super) fn retreat(&self, limit: f64, cut: f64) -> (f64, f64) {
        let to = limit - cut;
        // At the start a window may be over before the queue has its length. So all of the last increase is taken back,
        // and what the queue calls for is where growth becomes slow.
        if self.slow_start { (to.min(limit / FAST), to) } else { (to, limit) }
    }

    /// What comes after `limit`.
    pub(super) fn next(&mut self, limit: f64) -> f64 {
        if self.slow_start {
            return FAST * limit;
        }
        if limit < FAR * self.ceiling {
            // From 1 on there has to be a whole one more.
            let next = (FAST * limit).max(limit + 1.0).min(FAR * self.ceiling);
            *self = Self::from(next, self.ceiling);
            return next;
        }
        self.steps += 1.0;
        let planned = self.ceiling * (1.0 + CURVE * self.steps.powi(3));
        // A hundredth at least, or else the plateau takes for ever where windows are long.
        let least = (0.01 * limit).max(0.2);
        planned.clamp(limit + least, limit + 0.25 * limit.max(2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fast_then_slow_then_fast() {
        let mut growth = Growth::from(70.0, 100.0);
        let mut limits = vec![70.0];
        for _ in 0..10 {
            limits.push(growth.next(limits[limits.len() - 1]));
        }
        let steps: Vec<_> = limits.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps[0] > 10.0 && steps[4] < 1.0 && steps[9] > 10.0, "{limits:?}");
        assert!((95.0..105.0).contains(&limits[5]), "{limits:?}");
    }

    #[test]
    fn the_first_queue_takes_back_all_of_the_last_increase() {
        assert_eq!(Growth::new().retreat(45.0, 5.0), (30.0, 40.0));
        assert_eq!(Growth::new().retreat(45.0, 20.0), (25.0, 25.0));
        assert_eq!(Growth::from(30.0, 40.0).retreat(45.0, 5.0), (40.0, 45.0));
    }

    #[test]
    fn far_below_the_ceiling_it_is_as_fast_as_at_the_start() {
        let mut growth = Growth::from(1.0, 20.0);
        let mut limits = vec![1.0];
        for _ in 0..6 {
            limits.push(growth.next(limits[limits.len() - 1]));
        }
        assert_eq!(limits[..5], [1.0, 2.0, 3.0, 4.5, 6.75]);
        // From there on as after a single cut.
        assert_eq!((limits[6], growth.next(14.0)), (14.0, Growth::from(14.0, 20.0).next(14.0)));
    }

    #[test]
    fn it_always_grows() {
        let mut growth = Growth::from(1.0, 1000.0);
        let mut limit = 1.0;
        for _ in 0..200 {
            let next = growth.next(limit);
            assert!(next > limit && next <= 1.5 * limit.max(2.0));
            limit = next;
        }
    }
}
