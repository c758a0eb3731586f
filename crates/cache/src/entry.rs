use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_core::{Embedding, Tenant};
use dashpot_wire::dialect::Dialect;

use crate::{Key, NoEntry, format};

/// Where an entry is: what is similar is in one partition, and so an engine of several machines has all of it on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The hash over everything but the last user's text.
    pub partition: Key,
    /// The hash over everything.
    pub key: Key,
}

/// An answer that is kept, and all that decides who may have it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Over everything in the request: which entry this is.
    pub key: Key,
    /// Over everything but the last user's text.
    pub partition: Key,
    /// Whose answer it is. Compared again before it is given away, whatever the key says.
    pub tenant: Tenant,
    /// The last user's text, where the request ended with one.
    pub text: Option<Arc<str>>,
    /// What that text means.
    pub embedding: Option<Embedding>,
    /// The API that it is an answer of.
    pub dialect: Dialect,
    /// What was answered: JSON, or where [`events`](Self::events) says so a stream of events.
    pub answer: Bytes,
    /// Whether the answer is kept as a stream, since its API is not one whose streams can be made whole.
    pub events: bool,
    /// Whether it says how many tokens it took. Not every stream does, and not everybody can be given one that does not.
    pub has_usage: bool,
    /// When it was stored.
    pub stored: Instant,
    /// How long after that it is fresh, in whole milliseconds.
    pub fresh_ms: u64,
    /// How long after that it can still be given away, stale.
    pub stale_ms: u64,
    /// Words by which it can be removed together with others.
    pub tags: Vec<Arc<str>>,
}

impl Entry {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { partition: self.partition, key: self.key }
    }

    /// The entry in bytes, for an engine or a file: in a form that says which it is, with the time of the world, and
    /// compressed where that makes it smaller.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        format::encode(self)
    }

    /// The entry that was made into these bytes, as old as it has become since by the clocks of both machines; but none
    /// is younger than new.
    ///
    /// # Errors
    /// If they are no entry, or one of a form that is not known here. Whatever they are, memory and time are bounded by
    /// their number.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoEntry> {
        format::decode(bytes)
    }

    /// For how long from now it can be given to anybody, stale or not; `None` if its time is over.
    #[must_use]
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let time = Duration::from_millis(self.fresh_ms.saturating_add(self.stale_ms));
        time.checked_sub(self.times(now).0).filter(|left| !left.is_zero())
    }

    /// How much memory it takes, roughly, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let embedding = self.embedding.as_ref().map_or(0, Embedding::weight);
        let text = self.text.as_ref().map_or(0, |text| text.len());
        let tags: usize = self.tags.iter().map(|tag| tag.len() + size_of::<Arc<str>>()).sum();
        size_of::<Self>() + self.answer.len() + self.tenant.as_str().len() + text + tags + embedding
    }

    /// How old it is at `now`, and how old it may be to be fresh.
    pub(crate) fn times(&self, now: Instant) -> (Duration, Duration) {
        (now.saturating_duration_since(self.stored), Duration::from_millis(self.fresh_ms))
    }

    /// How old it is at `now`, in whole seconds, as `Age` says it.
    #[must_use]
    pub fn age(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.stored).as_secs()
    }
}
