//! Half of a surrogate pair, escaped on its own: JSON's grammar takes it and JavaScript writes it, as of a text that was
//! cut between the two, but no string can hold it.

use memchr::memchr_iter;

/// `json` with the escape of U+FFFD for each lone half, so that every byte stays where it is; `None` if there is none.
pub(super) fn replaced(json: &[u8]) -> Option<Vec<u8>> {
    let (mut copy, mut next) = (None, 0);
    for at in memchr_iter(b'\\', json) {
        // The second character of an escape, or the second half of a pair.
        if at < next {
            continue;
        }
        next = at + 2;
        match unit(json, at) {
            Some(0xd800..=0xdbff) if matches!(unit(json, at + 6), Some(0xdc00..=0xdfff)) => next = at + 12,
            Some(0xd800..=0xdfff) => {
                copy.get_or_insert_with(|| json.to_vec())[at + 2..at + 6].copy_from_slice(b"fffd");
            }
            _ => {}
        }
    }
    copy
}

/// The code unit that is escaped at `at`.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)? as u16))
}
