use bytes::Bytes;

const MARK: &[u8] = "\u{feff}".as_bytes();

/// Takes a byte order mark out of a stream that something was put in front of: there it would be a mark no more, but the
/// beginning of a field that nobody knows, and the first event would be lost.
#[derive(Debug)]
pub(super) enum Mark {
    /// Nothing has come yet, nor was anything put in.
    Unknown,
    /// Something was put in first. So many bytes of a mark have come since, and nothing else.
    Expected(usize),
    /// It can come no more, or is where it should be.
    Past,
}

impl Mark {
    /// Something is put in.
    pub(super) fn put_in(&mut self) {
        if let Self::Unknown = self {
            *self = Self::Expected(0);
        }
    }

    /// What goes on of the next bytes, of which there are some.
    #[inline]
    pub(super) fn pass(&mut self, mut bytes: Bytes) -> Bytes {
        let Self::Expected(have) = *self else {
            *self = Self::Past;
            return bytes;
        };
        let same = MARK[have..].iter().zip(&bytes).take_while(|(mark, byte)| mark == byte).count();
        if have + same == MARK.len() {
            *self = Self::Past;
            return bytes.split_off(same);
        }
        if same == bytes.len() {
            // A stream that ends here, within its mark, has said nothing.
            *self = Self::Expected(have + same);
            return Bytes::new();
        }
        *self = Self::Past;
        // It was no mark.
        if have == 0 { bytes } else { [&MARK[..have], &bytes].concat().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(mut mark: Mark, pieces: &[&'static [u8]]) -> Vec<u8> {
        pieces.iter().flat_map(|piece| mark.pass(Bytes::from_static(piece))).collect()
    }

    #[test]
    fn a_mark_is_taken_out_only_at_the_start_and_only_if_something_came_before() {
        let put_in = || {
            let mut mark = Mark::Unknown;
            mark.put_in();
            mark
        };
        for pieces in [
            &[b"\xef\xbb\xbfdata".as_slice()][..],
            &[b"\xef\xbb", b"\xbfdata"],
            &[b"\xef", b"\xbb", b"\xbf", b"data"],
        ] {
            assert_eq!(pass(put_in(), pieces), b"data");
            assert_eq!(pass(Mark::Unknown, pieces), b"\xef\xbb\xbfdata");
        }
        for pieces in [&[b"\xef".as_slice(), b"\xbbdata"][..], &[b"\xef\xbbdata"], &[b"\xef\xbb", b"data"]] {
            assert_eq!(pass(put_in(), pieces), b"\xef\xbbdata");
        }
        assert_eq!(pass(put_in(), &[b"\xef\xbb\xbf", b"\xef\xbb\xbf"]), b"\xef\xbb\xbf", "one only");
        let mut late = Mark::Unknown;
        assert_eq!(late.pass("a".into()), "a");
        late.put_in();
        assert_eq!(pass(late, &[b"\xef\xbb\xbf"]), b"\xef\xbb\xbf");
    }
}
