mod outcomes;

use std::collections::{HashMap, VecDeque};

use crate::Key;
use outcomes::Outcomes;

/// A threshold that is learned from comparisons: from which [score](super::Score) on no more than a bound of what is given away is
/// wrong. One for each partition, and entries of their own where they were compared often enough.
///
/// Some of the requests that could be answered from the cache are [explored](Decision::Explore) instead: the upstream answers,
/// and somebody who can judge, for instance a small model, says in the background whether the kept answer would have been right.
/// The idea is that of vCache (Schroeder et al., 2025); the statistics are others. [`Learning`](crate::Learning) does all that in
/// the layer; this is the arithmetic.
///
/// # What it promises
///
/// For each of sixteen thresholds it bets, with every outcome at or above it, against the claim that the share of wrong answers
/// is the bound or more. Whoever bets against a true claim multiplies a stake by `n` with a probability of at most `1/n`,
/// however often they look (Ville's inequality). At a stake of sixteen times `1/doubt` the threshold counts as proven. So
/// *while the traffic stays as it is, with a probability of at least `1 - doubt` no threshold is ever taken for proven whose share of
/// wrong answers is the bound or more*. A bound of 3 % takes 220 outcomes without one wrong.
///
/// It assumes that what is explored is chosen by the `draw`, without a look at the question; that who judges is right;
/// and that outcomes do not hang together: five by five, they prove too much in a third of all cases. It is promised for the first
/// 8192 outcomes of a partition, and anew, with a doubt as large, for each 4096 that follow, since then the old ones count half; in
/// simulations those add little.
///
/// If the traffic changes, what was proven holds until outcomes tell: after thousands that were right, some ten that are wrong
/// in a row, or hundreds if one in ten is; then all is forgotten that was before. Between two of those that tell, about twenty
/// answers are given away, by default. A bound of less than 0.0008 is never proven: it takes more outcomes than are counted.
///
/// An entry with proof of its own is served by that one, with a doubt of its own: of a hundred such entries some may be worse.
///
/// **Without outcomes it promises nothing**: what it serves then is the shipped threshold's choice, and is told apart by
/// [`Decision::Serve`]'s `is_proven`. The promise is about all that is served at or above a threshold, not about each answer.
#[derive(Clone, Debug)]
pub struct Learned {
    bound: f64,
    doubt: f64,
    explore: f64,
    unproven: Option<f32>,
    partition: Outcomes,
    entries: HashMap<Key, Outcomes>,
    /// Whose entries came first, to make room.
    order: VecDeque<Key>,
    most: usize,
}

/// Of one by itself, with what it takes to find it.
const WEIGHT: usize = 512;

/// Of one of its entries: outcomes, the key twice, and the room in the table that is not taken.
const ENTRY_WEIGHT: usize = size_of::<Outcomes>() + 2 * size_of::<Key>() + 64;

/// What to do with a request that an entry may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Give the kept answer away.
    Serve {
        /// Whether outcomes have shown that the bound holds; if not, nothing is promised.
        is_proven: bool,
    },
    /// Ask the upstream, and then tell whether the kept answer would have been right.
    Explore,
    /// Ask the upstream.
    Refuse,
}

impl Learned {
    /// Learns to have at most this share of wrong answers among those that are given away, such as 0.03.
    ///
    /// # Panics
    ///
    /// If it is not between 0 and 1.
    #[must_use]
    pub fn new(bound: f64) -> Self {
        assert!(bound > 0.0 && bound < 1.0, "a bound is between 0 and 1, and this is {bound}");
        let (partition, entries, order) = (Outcomes::default(), HashMap::new(), VecDeque::new());
        Self { bound, doubt: 0.05, explore: 0.05, unproven: Some(0.5), partition, entries, order, most: 1024 }
    }

    /// With what probability the promise may be broken. Default 0.05.
    ///
    /// # Panics
    ///
    /// If it is not between 0 and 1.
    #[must_use]
    pub fn doubt(self, doubt: f64) -> Self {
        assert!(doubt > 0.0 && doubt < 1.0, "a doubt is between 0 and 1, and this is {doubt}");
        Self { doubt, ..self }
    }

    /// The share of requests to explore. Default 0.05; at 0 nothing is ever learned.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    #[must_use]
    pub fn explore(self, share: f64) -> Self {
        assert!((0.0..=1.0).contains(&share), "a share is from 0 to 1, and this is {share}");
        Self { explore: share, ..self }
    }

    /// From which score on to serve what is neither proven nor refuted; `None` to serve nothing without a proof. Default: 0.5,
    /// where the shipped thresholds are.
    #[must_use]
    pub fn until_proven(self, score: Option<f32>) -> Self {
        Self { unproven: score, ..self }
    }

    /// How many entries are remembered by themselves. Default 1024, of about 350 bytes each.
    #[must_use]
    pub fn most_entries(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// What to do with a request that this entry may answer with this score. `draw` is random, from 0 to 1 without 1, and new
    /// each time.
    #[must_use]
    pub fn decide(&self, entry: Key, score: f32, draw: f64) -> Decision {
        if draw < self.explore {
            return Decision::Explore;
        }
        let own = self.entries.get(&entry);
        // What an entry has shown of itself counts more than what others have.
        if own.is_some_and(|own| own.is_refuted(self.bound, self.doubt)) {
            return Decision::Refuse;
        }
        let is_proven = |outcomes: &Outcomes| {
            outcomes.proven_from(self.bound, self.doubt).is_some_and(|from| score >= from)
        };
        if own.is_some_and(is_proven) || is_proven(&self.partition) {
            return Decision::Serve { is_proven: true };
        }
        let is_allowed = self.unproven.is_some_and(|from| score >= from);
        if is_allowed && !self.partition.is_refuted_from(score, self.bound, self.doubt) {
            return Decision::Serve { is_proven: false };
        }
        Decision::Refuse
    }

    /// What came out of an exploration: whether the kept answer would have been right.
    pub fn tell(&mut self, entry: Key, score: f32, is_right: bool) {
        let (bound, doubt) = (self.bound, self.doubt);
        self.partition.tell(score, is_right, bound, doubt);
        if !self.entries.contains_key(&entry) {
            if self.most == 0 {
                return;
            }
            if self.entries.len() >= self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
            self.order.push_back(entry);
        }
        self.entries.entry(entry).or_default().tell(score, is_right, bound, doubt);
    }

    /// From which score on it is proven that the bound holds, over all entries; `None` if it is not.
    #[must_use]
    pub fn proven_from(&self) -> Option<f32> {
        self.partition.proven_from(self.bound, self.doubt)
    }

    /// How much memory it takes, in bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        WEIGHT.saturating_add(self.entries.len().saturating_mul(ENTRY_WEIGHT))
    }

    /// The most that it may take.
    pub(crate) fn max_weight(&self) -> usize {
        WEIGHT.saturating_add(self.most.saturating_mul(ENTRY_WEIGHT))
    }
}
