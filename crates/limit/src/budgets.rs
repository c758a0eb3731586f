use super::{
    partitions::{Partition, Partitions},
    tokens::Tokens,
    word::{State, Word},
};

/// What an exchange takes beside its slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its partition's index.
    pub(crate) partition: Option<u8>,
    /// Its tokens, where they are counted; else the length of its prompt.
    pub(crate) cost: Option<u32>,
}

/// What is counted beside the slots.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(crate) partitions: Partitions,
    pub(crate) tokens: Option<Tokens>,
}

/// There is no room. Whether somebody waits who may have room now, since this one took a slot for a moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) wakes: bool,
}

impl Budgets {
    /// Takes a slot and all else that an exchange needs, or nothing. `free` takes a slot that is free.
    #[inline]
    pub(crate) fn admit(
        &self,
        word: &Word,
        claim: Claim,
        free: impl FnOnce(&Word) -> Option<State>,
    ) -> Result<State, Full> {
        let full = Full { wakes: false };
        let Some((tokens, cost)) = self.tokens.as_ref().zip(claim.cost) else {
            return self.slot(word, claim, free).ok_or(full);
        };
        if !tokens.have_room(cost) {
            return Err(full);
        }
        let state = self.slot(word, claim, free).ok_or(full)?;
        if tokens.take(cost) {
            return Ok(state);
        }
        self.leave_partition(claim);
        Err(Full { wakes: word.undo() })
    }

    /// A partition is sure of its share, whoever else is here or waits. What it takes beyond must be free.
    ///
    /// In this order no more than its share is ever taken beyond the limit, and what is taken beyond its share was free.
    #[inline]
    fn slot(&self, word: &Word, claim: Claim, free: impl FnOnce(&Word) -> Option<State>) -> Option<State> {
        let Some(partition) = self.partition(claim) else { return free(word) };
        if partition.take_guaranteed() {
            let state = word.acquire_beyond();
            if state.is_none() {
                partition.give_back();
            }
            return state;
        }
        let state = free(word)?;
        partition.take();
        Some(state)
    }

    /// To be done before the slot is given back: that operation learns whom to wake, who then must find all there.
    pub(crate) fn give_back(&self, claim: Claim) {
        if let Some((tokens, cost)) = self.tokens.as_ref().zip(claim.cost) {
            tokens.give_back(cost);
        }
        self.leave_partition(claim);
    }

    fn leave_partition(&self, claim: Claim) {
        if let Some(partition) = self.partition(claim) {
            partition.give_back();
        }
    }

    pub(crate) fn partition(&self, claim: Claim) -> Option<&Partition> {
        self.partitions.as_slice().get(usize::from(claim.partition?))
    }
}
