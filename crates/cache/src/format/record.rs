use std::time::{Duration, Instant};

use bytes::Bytes;
use dashpot_core::{Embedding, Tenant, Tokens};
use dashpot_wire::dialect::Dialect;
use serde::{Deserialize, Serialize};

use crate::Entry;

/// The dialects by the names that they are written with.
const DIALECTS: [Dialect; 5] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::OpenAiCompletions,
    Dialect::OpenAiEmbeddings,
    Dialect::AnthropicMessages,
];

/// An entry as it is written, by postcard: a field more or less, or another type, makes another form.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Record<'a> {
    key: [u8; 32],
    partition: [u8; 32],
    tenant: &'a str,
    text: Option<&'a str>,
    vector: Option<&'a [u8]>,
    /// Of each token its place and its state.
    #[serde(borrow)]
    tokens: Option<Vec<(u32, u32, &'a [u8])>>,
    dialect: &'a str,
    answer: &'a [u8],
    events: bool,
    has_usage: bool,
    /// In milliseconds since 1970.
    stored_ms: u64,
    fresh_ms: u64,
    stale_ms: u64,
    tags: Vec<&'a str>,
}

/// The numbers of an embedding, each of two bytes, the lower first: as a share of 32,767, since none is beyond 1. A cosine is by
/// less than 0.0001 another then.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    vector: Option<Vec<u8>>,
    tokens: Option<Vec<(u32, u32, Vec<u8>)>>,
}

impl Numbers {
    pub(crate) fn of(entry: &Entry) -> Self {
        let Some(embedding) = &entry.embedding else { return Self::default() };
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let tokens = embedding.tokens().map(|tokens| {
            tokens.iter().map(|(span, state)| (place(span.start), place(span.end), short(state))).collect()
        });
        Self { vector: Some(short(embedding.vector())), tokens }
    }
}

impl<'a> Record<'a> {
    pub(crate) fn of(entry: &'a Entry, numbers: &'a Numbers, now: Instant, unix_ms: u64) -> Self {
        let age = now.saturating_duration_since(entry.stored).as_millis();
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        let tokens = numbers.tokens.as_ref().map(|tokens| {
            tokens.iter().map(|(start, end, state)| (*start, *end, state.as_slice())).collect()
        });
        Self {
            key: *entry.key.as_bytes(),
            partition: *entry.partition.as_bytes(),
            tenant: entry.tenant.as_str(),
            text: entry.text.as_deref(),
            vector: numbers.vector.as_deref(),
            tokens,
            dialect: entry.dialect.name(),
            answer: &entry.answer,
            events: entry.events,
            has_usage: entry.has_usage,
            stored_ms: unix_ms.saturating_sub(age),
            fresh_ms: entry.fresh_ms,
            stale_ms: entry.stale_ms,
            tags: entry.tags.iter().map(|tag| &**tag).collect(),
        }
    }

    /// The entry at this time, by the clock of the world and by ours; `None` if it makes no sense.
    pub(crate) fn entry(self, unix_ms: u64, now: Instant) -> Option<Entry> {
        let embedding = match self.vector {
            Some(vector) => Some(Embedding::new(&long(vector)?)?),
            None => None,
        };
        let tokens = match self.tokens {
            Some(tokens) => {
                let states: Option<Vec<_>> = tokens.iter().map(|(_, _, state)| long(state)).collect();
                let spans = tokens.iter().map(|(start, end, _)| *start as usize..*end as usize);
                Some(Tokens::new(spans.zip(states?.iter().map(Vec::as_slice)))?)
            }
            None => None,
        };
        let age = Duration::from_millis(unix_ms.saturating_sub(self.stored_ms));
        Some(Entry {
            key: self.key.into(),
            partition: self.partition.into(),
            tenant: Tenant::new(self.tenant)?,
            text: self.text.map(Into::into),
            embedding: match tokens {
                Some(tokens) => Some(embedding?.with_tokens(tokens)),
                None => embedding,
            },
            dialect: DIALECTS.into_iter().find(|dialect| dialect.name() == self.dialect)?,
            answer: Bytes::copy_from_slice(self.answer),
            events: self.events,
            has_usage: self.has_usage,
            // A machine that has not run for so long cannot say when that was.
            stored: now.checked_sub(age)?,
            fresh_ms: self.fresh_ms,
            stale_ms: self.stale_ms,
            tags: self.tags.into_iter().map(Into::into).collect(),
        })
    }
}

fn short(numbers: &[f32]) -> Vec<u8> {
    let short = |number: &f32| (number * f32::from(i16::MAX)).round() as i16;
    numbers.iter().flat_map(|number| short(number).to_le_bytes()).collect()
}

fn long(bytes: &[u8]) -> Option<Vec<f32>> {
    let (numbers, []) = bytes.as_chunks::<2>() else { return None };
    Some(numbers.iter().map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / f32::from(i16::MAX)).collect())
}
