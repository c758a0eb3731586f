use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_core::{Embedding, Tenant, Tokens};
use dashpot_wire::dialect::Dialect;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Entry;

/// No record is longer: what says so is no record.
const MAX_LEN: u32 = 1 << 30;

/// The dialects by the names that they are written with.
const DIALECTS: [Dialect; 5] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::OpenAiCompletions,
    Dialect::OpenAiEmbeddings,
    Dialect::AnthropicMessages,
];

/// An entry as it is written: its length, the beginning of a hash over it, and it.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Record {
    key: [u8; 32],
    partition: [u8; 32],
    tenant: String,
    text: Option<String>,
    vector: Option<Vec<f32>>,
    /// Of each token its place and its state.
    tokens: Option<Vec<(u32, u32, Vec<f32>)>>,
    dialect: String,
    answer: Vec<u8>,
    events: bool,
    has_usage: bool,
    age_ms: u64,
    fresh_ms: u64,
    stale_ms: u64,
    tags: Vec<String>,
}

impl Record {
    pub(super) fn of(entry: &Entry, now: Instant) -> Self {
        let age = now.saturating_duration_since(entry.stored).as_millis();
        let embedding = entry.embedding.as_ref();
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let tokens = embedding.and_then(Embedding::tokens).map(|tokens| {
            let token = |(span, state): (std::ops::Range<usize>, &[f32])| {
                (place(span.start), place(span.end), state.to_vec())
            };
            tokens.iter().map(token).collect()
        });
        Self {
            key: *entry.key.as_bytes(),
            partition: *entry.partition.as_bytes(),
            tenant: entry.tenant.as_str().into(),
            text: entry.text.as_deref().map(Into::into),
            vector: embedding.map(|embedding| embedding.vector().to_vec()),
            tokens,
            dialect: entry.dialect.name().into(),
            answer: entry.answer.to_vec(),
            events: entry.events,
            has_usage: entry.has_usage,
            age_ms: u64::try_from(age).unwrap_or(u64::MAX),
            fresh_ms: entry.fresh_ms,
            stale_ms: entry.stale_ms,
            tags: entry.tags.iter().map(|tag| (**tag).into()).collect(),
        }
    }

    /// The entry, so long after it was written; `None` if it is past its time, or makes no sense.
    pub(super) fn entry(self, since: Duration, now: Instant) -> Option<Entry> {
        let age = Duration::from_millis(self.age_ms).saturating_add(since);
        if age >= Duration::from_millis(self.fresh_ms.saturating_add(self.stale_ms)) {
            return None;
        }
        let embedding = self.vector.and_then(|vector| Embedding::new(&vector));
        let tokens = self.tokens.and_then(|tokens| {
            let token =
                |(start, end, state): &(u32, u32, Vec<f32>)| (*start as usize..*end as usize, state.clone());
            let tokens: Vec<_> = tokens.iter().map(token).collect();
            Tokens::new(tokens.iter().map(|(span, state)| (span.clone(), &**state)))
        });
        Some(Entry {
            key: self.key.into(),
            partition: self.partition.into(),
            tenant: Tenant::new(&self.tenant)?,
            text: self.text.map(Into::into),
            embedding: match tokens {
                Some(tokens) => embedding.map(|embedding| embedding.with_tokens(tokens)),
                None => embedding,
            },
            dialect: DIALECTS.into_iter().find(|dialect| dialect.name() == self.dialect)?,
            answer: Bytes::from(self.answer),
            events: self.events,
            has_usage: self.has_usage,
            // A machine that has not run for so long cannot say when that was.
            stored: now.checked_sub(age)?,
            fresh_ms: self.fresh_ms,
            stale_ms: self.stale_ms,
            tags: self.tags.into_iter().map(Into::into).collect(),
        })
    }

    pub(super) fn write(&self, file: &mut impl Write) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let len = u32::try_from(bytes.len()).ok().filter(|len| *len <= MAX_LEN);
        file.write_all(&len.ok_or(io::ErrorKind::FileTooLarge)?.to_le_bytes())?;
        file.write_all(&check(&bytes))?;
        file.write_all(&bytes)
    }

    /// The next record; `None` at the end of the file.
    pub(super) fn read(file: &mut impl Read) -> io::Result<Option<Self>> {
        let mut len = [0; 4];
        match file.read(&mut len[..1])? {
            0 => return Ok(None),
            _ => file.read_exact(&mut len[1..])?,
        }
        let len = u32::from_le_bytes(len);
        if len > MAX_LEN {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut sum = [0; 8];
        file.read_exact(&mut sum)?;
        // Not reserved before it is there: the length may be anything.
        let mut bytes = Vec::new();
        file.take(len.into()).read_to_end(&mut bytes)?;
        if bytes.len() != len as usize || check(&bytes) != sum {
            return Err(io::ErrorKind::InvalidData.into());
        }
        postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
    }
}

/// Finds what broke by chance; it keeps nobody from writing what they like.
fn check(bytes: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&Sha256::digest(bytes)[..8]);
    sum
}
