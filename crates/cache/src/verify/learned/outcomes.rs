//! Outcomes by score, and what they prove.

/// How many thresholds there are.
const STEPS: usize = 16;

/// After so many outcomes the old ones count half.
const MOST: u32 = 8192;

/// How many answers were right and wrong, by the step of their score.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    right: [u32; STEPS],
    wrong: [u32; STEPS],
}

impl Outcomes {
    pub(super) fn tell(&mut self, score: f32, is_right: bool) {
        let counts = if is_right { &mut self.right } else { &mut self.wrong };
        counts[step(score)] += 1;
        if self.right.iter().chain(&self.wrong).sum::<u32>() >= MOST {
            self.right.iter_mut().chain(&mut self.wrong).for_each(|count| *count /= 2);
        }
    }

    /// The lowest threshold of which it is proven that fewer than `bound` at or above it are wrong. Of scores that nothing has
    /// come of yet nothing is proven.
    pub(super) fn proven_from(&self, bound: f64, doubt: f64) -> Option<f32> {
        let enough = (STEPS as f64 / doubt).ln();
        let is_proven = |(step, right, wrong): &(usize, u32, u32)| {
            self.right[*step] + self.wrong[*step] > 0 && stake(*right, *wrong, &below(bound), bound) >= enough
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
    fn sums_from_the_top(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        (0..STEPS).rev().scan((0, 0), |(right, wrong), step| {
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

fn is_refuted(right: u32, wrong: u32, bound: f64, doubt: f64) -> bool {
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
fn stake(right: u32, wrong: u32, shares: &[f64], bound: f64) -> f64 {
    let part = |share: &f64| {
        f64::from(wrong) * (share / bound).ln() + f64::from(right) * ((1.0 - share) / (1.0 - bound)).ln()
    };
    let parts: Vec<f64> = shares.iter().map(part).collect();
    let most = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (parts.iter().map(|part| (part - most).exp()).sum::<f64>() / shares.len() as f64).ln()
}
