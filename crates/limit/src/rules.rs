use std::{borrow::Cow, fmt, sync::Arc, time::Instant};

use dashpot_core::Keyed;

use crate::{
    Head, Policy,
    budgets::{Budgets, Claim},
    limiter::Limiter,
    partitions::{Partitions, ROUNDING},
    tokens::Tokens,
};

/// So many can be told apart by the bits of a word, with one for those of no partition.
const MAX_PARTITIONS: usize = 63;

type Shares = Arc<[(Arc<str>, f64)]>;
type KeyOf = dyn for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync;
type PartitionOf = dyn for<'a> Fn(&Head<'a>) -> Option<&'a str> + Send + Sync;
type CostOf = dyn Fn(&Head<'_>) -> u32 + Send + Sync;

/// How limiters are made, and what is read of a request to find its own.
#[derive(Clone)]
pub(crate) struct Rules {
    policy: Arc<dyn Fn() -> Box<dyn Policy> + Send + Sync>,
    pub(crate) keyed: Option<(usize, Arc<KeyOf>)>,
    partitions: Option<(Shares, Arc<PartitionOf>)>,
    tokens: Option<(u32, Arc<CostOf>)>,
}

impl Rules {
    pub(crate) fn new(policy: impl Policy + Clone + Sync + 'static) -> Self {
        Self {
            policy: Arc::new(move || Box::new(policy.clone())),
            keyed: None,
            partitions: None,
            tokens: None,
        }
    }

    pub(crate) fn set_keyed(
        &mut self,
        capacity: usize,
        key: impl for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) {
        assert!(capacity > 0, "no key has room in a capacity of 0");
        self.keyed = Some((capacity, Arc::new(key)));
    }

    pub(crate) fn set_partitions<N: Into<Arc<str>>>(
        &mut self,
        shares: impl IntoIterator<Item = (N, f64)>,
        partition: impl for<'a> Fn(&Head<'a>) -> Option<&'a str> + Send + Sync + 'static,
    ) {
        let shares: Shares = shares.into_iter().map(|(name, share)| (name.into(), share)).collect();
        assert!(shares.len() <= MAX_PARTITIONS, "more than {MAX_PARTITIONS} partitions");
        for (at, (name, share)) in shares.iter().enumerate() {
            assert!((0.0..=1.0).contains(share), "the share of {name:?} is {share}, not one of 0 to 1");
            assert!(!shares[..at].iter().any(|(other, _)| other == name), "two partitions are {name:?}");
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        assert!(sum <= 1.0 + ROUNDING, "the shares sum to {sum}, more than the whole");
        self.partitions = Some((shares, Arc::new(partition)));
    }

    pub(crate) fn set_tokens(
        &mut self,
        budget: u32,
        cost: impl Fn(&Head<'_>) -> u32 + Send + Sync + 'static,
    ) {
        assert!(budget > 0, "a budget of 0 tokens counts nothing");
        self.tokens = Some((budget, Arc::new(cost)));
    }

    /// Whether requests are all the same, so that none need be looked at.
    pub(crate) fn read_nothing(&self) -> bool {
        self.keyed.is_none() && self.partitions.is_none() && self.tokens.is_none()
    }

    pub(crate) fn key<'a>(&self, head: &Head<'a>) -> Option<Cow<'a, str>> {
        let (_, key) = self.keyed.as_ref()?;
        key(head).filter(|key| key.len() <= Keyed::<Limiter>::MAX_KEY_LEN)
    }

    pub(crate) fn claim(&self, head: &Head<'_>) -> Claim {
        let partition = self.partitions.as_ref().and_then(|(shares, partition)| {
            let name = partition(head)?;
            shares.iter().position(|(other, _)| **other == *name)?.try_into().ok()
        });
        Claim { partition, cost: self.tokens.as_ref().map(|(_, cost)| cost(head)) }
    }

    pub(crate) fn limiter(&self, now: Instant) -> Arc<Limiter> {
        let shares = self.partitions.as_ref().map_or(&[][..], |(shares, _)| shares);
        Arc::new(Limiter::new((self.policy)(), now, |limit| Budgets {
            partitions: Partitions::new(shares, limit),
            tokens: self.tokens.as_ref().map(|&(budget, _)| Tokens::new(budget)),
        }))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}
