//! An entry in bytes.

pub(crate) mod record;

use std::{
    error::Error,
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use self::record::Record;
use crate::{Entry, now};

/// What the bytes begin with, the last of which is the number of their form. Then comes whether the rest is compressed; if so, how
/// long it is when it is not, in four bytes with the lowest first; and a [`Record`].
const MAGIC: &[u8; 8] = b"dashpot\x01";

/// Shorter ones are hardly shorter when they are compressed.
const COMPRESSED_FROM: usize = 1 << 10;

/// No entry is longer: the answers that are kept are bounded by far less.
const MAX_LEN: usize = 1 << 28;

/// As much as LZ4 can make of a byte.
const MAX_RATIO: usize = 255;

/// These bytes are no entry, or one of a form that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntry;

impl fmt::Display for NoEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are no entry of a form that is known here")
    }
}

impl Error for NoEntry {}

pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    let embedding = record::Numbers::of(entry);
    let record = Record::of(entry, &embedding, now(), unix_millis());
    let mut bytes = MAGIC.to_vec();
    bytes.push(0);
    // Into memory, where nothing fails.
    bytes = postcard::to_extend(&record, bytes).unwrap_or_default();
    let plain = bytes.get(MAGIC.len() + 1..).unwrap_or_default();
    if plain.len() >= COMPRESSED_FROM && plain.len() <= MAX_LEN {
        let mut compressed = MAGIC.to_vec();
        compressed.push(1);
        compressed.extend_from_slice(&lz4_flex::block::compress_prepend_size(plain));
        if compressed.len() < bytes.len() {
            return compressed;
        }
    }
    bytes
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Entry, NoEntry> {
    decode_as_of(bytes, unix_millis())
}

/// The entry, at this time of the world.
pub(crate) fn decode_as_of(bytes: &[u8], unix_ms: u64) -> Result<Entry, NoEntry> {
    let bytes = bytes.strip_prefix(MAGIC).ok_or(NoEntry)?;
    let (&is_compressed, bytes) = bytes.split_first().ok_or(NoEntry)?;
    let plain;
    let bytes = match is_compressed {
        0 => bytes,
        1 => {
            plain = decompress(bytes)?;
            &plain
        }
        _ => return Err(NoEntry),
    };
    let (record, rest) = postcard::take_from_bytes::<Record<'_>>(bytes).map_err(|_| NoEntry)?;
    if !rest.is_empty() {
        return Err(NoEntry);
    }
    record.entry(unix_ms, now()).ok_or(NoEntry)
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, NoEntry> {
    let (len, bytes) = bytes.split_first_chunk().ok_or(NoEntry)?;
    let len = u32::from_le_bytes(*len) as usize;
    // What says that it is longer than it can be is not even reserved.
    if len > MAX_LEN || len > bytes.len().saturating_mul(MAX_RATIO) {
        return Err(NoEntry);
    }
    let plain = lz4_flex::block::decompress(bytes, len).map_err(|_| NoEntry)?;
    if plain.len() == len { Ok(plain) } else { Err(NoEntry) }
}

#[allow(clippy::disallowed_methods, reason = "between two machines, or two runs, there is no other clock")]
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
