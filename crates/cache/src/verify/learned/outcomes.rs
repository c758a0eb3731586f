//! Outcomes by score, and what they prove.

/// How many thresholds there are.
const STEPS: usize = 16;

/// After so many outcomes the old ones count half.
const MOST: f32 = 8192.0;

/// How many answers were right and wrong, by the step of their score. Halves are kept: to round those down that are wrong
/// would prove what is not so, where few are, and to round them up would never forget one.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    right: [f32; STEPS],
    wrong: [f32; STEPS],
    /// For each threshold the logarithm of what became of a stake on its answers having grown worse than the bound, which
    /// starts anew where it was lost.
    worse: [f32; STEPS],
}

impl Outcomes {
    /// Takes an outcome in. Where it has become too unlikely that what is proven still holds, all before is forgotten.
    pub(super) fn tell(&mut self, score: f32, is_right: bool, bound: f64, doubt: f64) {
        let share = bound.sqrt();
        let (right, wrong) = (((1.0 - share) / (1.0 - bound)).ln() as f32, (share / bound).ln() as f32);
        for worse in &mut self.worse[..=step(score)] {
            *worse = worse.max(0.0) + if is_right { right } else { wrong };
        }
        if !is_right && self.has_grown_worse(step(score), bound, doubt) {
            *self = Self::default();
        }
        let counts = if is_right { &mut self.right } else { &mut self.wrong };
        counts[step(score)] += 1.0;
        if self.right.iter().chain(&self.wrong).sum::<f32>() >= MOST {
            self.right.iter_mut().chain(&mut self.wrong).for_each(|count| *count /= 2.0);
        }
    }

    /// Whether a threshold at or below this step is taken for proven, and its answers have grown worse. Of one whose answers
    /// have not, that is said once in [`MOST`] outcomes on average, or more rarely (Page, 1954; Lorden, 1971).
    fn has_grown_worse(&self, step: usize, bound: f64, doubt: f64) -> bool {
        let is_worse = |from: &usize| self.worse[*from] >= MOST.ln();
        (0..=step).any(|from| is_worse(&from))
            && self.proven_from(bound, doubt).is_some_and(|from| {
                let from = (from * STEPS as f32) as usize;
                (from..=step).any(|from| is_worse(&from))
            })
    }

    /// The lowest threshold of which it is proven that fewer than `bound` at or above it are wrong. Of scores that nothing has
    /// come of yet nothing is proven.
    pub(super) fn proven_from(&self, bound: f64, doubt: f64) -> Option<f32> {
        let enough = (STEPS as f64 / doubt).ln();
        let is_proven = |(step, right, wrong): &(usize, f32, f32)| {
            self.right[*step] + self.wrong[*step] >= 0.5
                && stake(*right, *wrong, &below(bound), bound) >= enough
        };
        let proven = self.sums_from_the_top().filter(is_proven);
        proven.last().map(|(step, ..)| step as f32 / STEPS as f32)
    }

    /// Whether more than `bound` of those with this score or a better one are wrong.
    pub(super) fn is_refuted_from(&self, score: f32, bound: f64, doubt: f64) -> bool {
        let at = self.sums_from_the_top().find(|(at, ..)| *at == step(score));
        at.is_some_and(|(_, right, wrong)| is_refuted(right, wrong, bound, doubt))
    }

    /// Whether more than `bound` of all are wrong.
    pub(super) fn is_refuted(&self, bound: f64, doubt: f64) -> bool {
        is_refuted(self.right.iter().sum(), self.wrong.iter().sum(), bound, doubt)
    }

    /// For each step how many were right and wrong there or above.
    fn sums_from_the_top(&self) -> impl Iterator<Item = (usize, f32, f32)> {
        (0..STEPS).rev().scan((0.0, 0.0), |(right, wrong), step| {
            *right += self.right[step];
            *wrong += self.wrong[step];
            Some((step, *right, *wrong))
        })
    }
}

fn step(score: f32) -> usize {
    // What is no number is 0.
    ((score * STEPS as f32) as usize).min(STEPS - 1)
}

fn is_refuted(right: f32, wrong: f32, bound: f64, doubt: f64) -> bool {
    stake(right, wrong, &above(bound), bound) >= (1.0 / doubt).ln()
}

/// Shares of wrong answers to bet on, below the bound.
fn below(bound: f64) -> [f64; 4] {
    [0.01, 0.125, 0.25, 0.5].map(|part| part * bound)
}

/// The same above it.
fn above(bound: f64) -> [f64; 2] {
    [0.5, 0.9].map(|part| bound + part * (1.0 - bound))
}

/// The logarithm of what became of a stake of 1 that was laid on these shares in equal parts, against `bound`. Each outcome
/// multiplies a part by how much likelier it is by that share than by the bound.
fn stake(right: f32, wrong: f32, shares: &[f64], bound: f64) -> f64 {
    let part = |share: &f64| {
        f64::from(wrong) * (share / bound).ln() + f64::from(right) * ((1.0 - share) / (1.0 - bound)).ln()
    };
    let parts: Vec<f64> = shares.iter().map(part).collect();
    let most = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (parts.iter().map(|part| (part - most).exp()).sum::<f64>() / shares.len() as f64).ln()
}
