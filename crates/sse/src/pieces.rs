use bytes::{Bytes, BytesMut};

/// The pieces of a body that is held. One piece is the rule, and then nothing is copied.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    before: BytesMut,
    last: Bytes,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.before.extend_from_slice(&self.last);
        self.last = piece;
    }

    pub(crate) fn len(&self) -> usize {
        self.before.len() + self.last.len()
    }

    pub(crate) fn into_bytes(mut self) -> Bytes {
        if self.before.is_empty() {
            return self.last;
        }
        self.before.extend_from_slice(&self.last);
        self.before.freeze()
    }
}
