use super::{growth, track::IDLE};

/// With fewer, chance decides; with more, it takes longer until most of them are of a time after a change.
const LATEST: usize = 32;

/// How long streams take after their first content, and how long they usually do.
///
/// Whoever waits for a slot waits for the first content, and then is as fast as ever. A slower upstream is slower in
/// both. Lower quartiles are compared, as the longest answers differ most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rests {
    latest: [f64; LATEST],
    /// So many were in flight when each ended.
    in_flight: [f64; LATEST],
    count: usize,
    /// When the last one ended.
    at: f64,
    /// The quartile that belongs to the baseline, and how many were in flight.
    usual: Option<(f64, f64)>,
}

impl Rests {
    pub(super) fn new() -> Self {
        Self { latest: [0.0; LATEST], in_flight: [0.0; LATEST], count: 0, at: 0.0, usual: None }
    }

    pub(super) fn add(&mut self, now: f64, rest: f64, in_flight: u32) {
        self.forget_old(now);
        self.at = now;
        let at = self.count % LATEST;
        (self.latest[at], self.in_flight[at]) = (rest, f64::from(in_flight.max(1)));
        self.count += 1;
    }

    /// Those of long ago say nothing of now.
    pub(super) fn forget_old(&mut self, now: f64) {
        if now - self.at > IDLE {
            self.count = 0;
        }
    }

    /// The latest are what is usual, and what comes of others is to be seen.
    pub(super) fn are_usual(&mut self) {
        self.follow(1.0);
        self.count = 0;
    }

    /// A baseline, by as much longer as streams take longer than usual; `None` unless they surely do.
    ///
    /// Where all that are in flight share what there is, more of them make each slower by as much, so it takes more than
    /// that; and more than a half, by which the limit grows at once. And a rest of no length tells nothing: none explains more than it grew by.
    pub(super) fn scale(&self, baseline: f64) -> Option<f64> {
        let ((usual, usually), [low, recent, high]) = (self.usual?, self.quartile()?);
        let more = (self.many_in_flight() / usually).max(1.0);
        // By two standard errors of the quartile: `high` and `low` are one from it.
        let is_sure = recent * low > more * usual * high && recent > growth::FAST * usual;
        is_sure.then(|| (baseline * recent / usual).min(baseline + recent - usual))
    }

    /// Moves what is usual by a share of the way.
    pub(super) fn follow(&mut self, share: f64) {
        let Some([_, recent, _]) = self.quartile() else { return };
        let in_flight = self.many_in_flight();
        let (usual, usually) = self.usual.get_or_insert((recent, in_flight));
        *usual += share * (recent - *usual);
        *usually += share * (in_flight - *usually);
    }

    /// The upper quartile, so that a change shows here before it shows in the lower one of the rests.
    fn many_in_flight(&self) -> f64 {
        let mut sorted = self.in_flight;
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[LATEST - LATEST / 4 - 1]
    }

    /// The lower quartile, between the order statistics one standard deviation of the rank around it.
    fn quartile(&self) -> Option<[f64; 3]> {
        const AT: usize = LATEST / 4;
        if self.count < LATEST {
            return None;
        }
        let mut sorted = self.latest;
        sorted.sort_unstable_by(f64::total_cmp);
        Some([sorted[AT - 3], (sorted[AT - 1] + sorted[AT]) / 2.0, sorted[AT + 2]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of 20 to 80 tokens, 10 ms each, by a factor.
    fn add(rests: &mut Rests, count: u32, slower: f64) {
        add_of(rests, count, slower, 20);
    }

    fn add_of(rests: &mut Rests, count: u32, slower: f64, in_flight: u32) {
        for i in 0..count {
            rests.add(1.0, slower * (0.2 + 0.6 * (f64::from(i) * 0.618_033_988_75).fract()), in_flight);
        }
    }

    fn usual() -> Rests {
        let mut rests = Rests::new();
        add(&mut rests, 100, 1.0);
        rests.follow(1.0);
        rests
    }

    #[test]
    fn an_upstream_that_becomes_slower_shows_within_32_answers_and_as_soon_that_it_is_over() {
        let mut rests = usual();
        assert_eq!(rests.scale(0.1), None);
        add(&mut rests, 32, 4.0);
        assert!((rests.scale(0.1).unwrap() - 0.4).abs() < 0.05, "{rests:?}");
        add(&mut rests, 32, 1.0);
        assert_eq!(rests.scale(0.1), None);
    }

    #[test]
    fn what_changes_little_by_little_is_no_slower_upstream() {
        let mut rests = usual();
        for step in 1..=20 {
            add(&mut rests, 32, 1.0 + 0.1 * f64::from(step));
            assert_eq!(rests.scale(0.1), None, "step {step}");
            rests.follow(0.5);
        }
    }

    #[test]
    fn longer_answers_among_others_are_no_slower_upstream() {
        let mut rests = usual();
        for _ in 0..16 {
            add(&mut rests, 1, 30.0);
            add(&mut rests, 1, 1.0);
        }
        assert_eq!(rests.scale(0.1), None);
    }

    #[test]
    fn those_that_share_what_there_is_are_slower_by_their_number() {
        let mut rests = usual();
        add_of(&mut rests, 32, 4.0, 80);
        assert_eq!(rests.scale(0.1), None);
        add_of(&mut rests, 32, 4.0, 30);
        assert!(rests.scale(0.1).is_some());
        // Before most of those have ended that were slower for it.
        add_of(&mut rests, 9, 4.0, 80);
        assert_eq!(rests.scale(0.1), None);
    }

    #[test]
    fn what_ended_long_ago_says_nothing_of_now() {
        let mut rests = usual();
        add(&mut rests, 32, 4.0);
        for _ in 0..31 {
            rests.add(62.0, 4.0, 20);
            assert_eq!(rests.scale(0.1), None);
        }
        rests.add(62.0, 4.0, 20);
        assert!(rests.scale(0.1).is_some());
    }

    #[test]
    fn a_baseline_that_moves_takes_with_it_what_is_usual() {
        let mut rests = usual();
        add(&mut rests, 32, 4.0);
        rests.follow(1.0);
        assert_eq!(rests.scale(0.1), None);
    }

    #[test]
    fn those_that_are_usual_are_not_compared_with_themselves() {
        let mut rests = usual();
        add(&mut rests, 32, 4.0);
        rests.are_usual();
        add(&mut rests, 31, 16.0);
        assert_eq!(rests.scale(0.1), None);
        add(&mut rests, 1, 16.0);
        assert!((rests.scale(0.1).unwrap() - 0.4).abs() < 0.05, "{rests:?}");
    }

    #[test]
    fn streams_that_come_all_at_once_explain_no_wait() {
        let mut rests = Rests::new();
        add(&mut rests, 32, 1e-5);
        rests.follow(1.0);
        add(&mut rests, 32, 1e-4);
        assert!(rests.scale(0.1).unwrap() < 0.1001);
    }
}
