use bytes::Bytes;
use dashpot_core::Outcome;
use dashpot_wire::{
    dialect::{Dialect, StreamReader},
    sse::{Framer, Sink},
};

use crate::pieces::Pieces;

/// Waits for the first event of a stream, and keeps what came until then.
pub(super) struct First {
    framer: Framer,
    reader: Reader,
    pieces: Pieces,
}

struct Reader {
    stream: StreamReader,
    came: bool,
}

impl First {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            framer: Framer::new(),
            reader: Reader { stream: StreamReader::new(Some(dialect)), came: false },
            pieces: Pieces::default(),
        }
    }

    /// Whether the first event is there, with this.
    pub(super) fn push(&mut self, data: Bytes) -> bool {
        self.framer.push(&data, &mut self.reader);
        self.pieces.push(data);
        self.reader.came
    }

    /// How many bytes are kept.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// What the first event means, if it is an error.
    pub(super) fn error(&self) -> Option<Outcome> {
        // Events that may have come with it are not read.
        self.reader.stream.error()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.pieces.into_bytes()
    }
}

impl Sink for Reader {
    fn data(&mut self, piece: &[u8]) {
        if !self.came {
            self.stream.data(piece);
        }
    }

    fn dispatch(&mut self, event_type: &[u8]) {
        match event_type {
            _ if self.came => {}
            b"ping" => self.stream.discard(),
            _ => {
                self.stream.dispatch(event_type);
                self.came = true;
            }
        }
    }

    fn discard(&mut self) {
        if !self.came {
            self.stream.discard();
        }
    }
}

/// The data of the first event in these bytes, which is there.
pub(super) fn data(bytes: &[u8]) -> Vec<u8> {
    let mut data = Data { bytes: Vec::new(), came: false };
    Framer::new().push(bytes, &mut data);
    data.bytes
}

struct Data {
    bytes: Vec<u8>,
    came: bool,
}

impl Sink for Data {
    fn data(&mut self, piece: &[u8]) {
        if !self.came {
            self.bytes.extend_from_slice(piece);
        }
    }

    fn dispatch(&mut self, event_type: &[u8]) {
        self.came |= event_type != b"ping";
        if !self.came {
            self.bytes.clear();
        }
    }
}
