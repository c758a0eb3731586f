use bytes::{Bytes, BytesMut};
use dashpot_wire::sse::{Framer, Sink};
use memchr::memchr2;

const MARK: &[u8] = "\u{feff}".as_bytes();

/// Cuts a stream where something may be put in: behind each event, and behind comments between two.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    framer: Framer,
    held: BytesMut,
    /// Where in `held` the line begins whose end is being looked for.
    line: usize,
    /// No line ends before here.
    looked: usize,
    /// Where the first field of the block begins.
    first_field: usize,
    past_first_line: bool,
    has_own_id: bool,
}

/// A piece of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// One event, with what stood before it; an id can be put in at this place.
    Event(BytesMut, usize),
    /// No event, nor a part of one.
    Between(Bytes),
}

impl Blocks {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.held.extend_from_slice(chunk);
    }

    /// The next block that is complete.
    pub(super) fn next(&mut self) -> Option<Block> {
        while let Some(end) = self.line_end() {
            let (from, was_between) = (self.line, self.framer.at_boundary());
            let mut seen = Seen::default();
            self.framer.push(&self.held[from..end], &mut seen);
            (self.line, self.looked) = (end, end);
            let mark = if self.past_first_line || !self.held.starts_with(MARK) { 0 } else { MARK.len() };
            self.past_first_line = true;
            self.has_own_id |= seen.id;
            if was_between {
                // So far: a comment's line is one more that is before the first field's.
                self.first_field = from + mark;
            }
            if seen.event {
                return Some(Block::Event(self.cut(), self.first_field));
            }
        }
        // Comments must not wait for an event.
        let is_between = self.framer.at_boundary() && self.line > 0;
        is_between.then(|| Block::Between(self.cut().freeze()))
    }

    /// Whether the stream has ids of its own, as far as it was read.
    pub(super) fn has_own_id(&self) -> bool {
        self.has_own_id
    }

    /// How much waits for its end.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// What waits for its end, when that will not be waited for.
    pub(super) fn take(&mut self) -> Bytes {
        (self.line, self.looked) = (0, 0);
        self.held.split().freeze()
    }

    fn cut(&mut self) -> BytesMut {
        let block = self.held.split_to(self.line);
        (self.line, self.looked) = (0, 0);
        block
    }

    /// The end of a line that is there whole. After a CR at the very end an LF may come; it is a line then that says
    /// nothing, and nothing waits for it.
    fn line_end(&mut self) -> Option<usize> {
        let Some(at) = memchr2(b'\r', b'\n', &self.held[self.looked..]) else {
            self.looked = self.held.len();
            return None;
        };
        let at = self.looked + at;
        let is_crlf = self.held[at] == b'\r' && self.held.get(at + 1) == Some(&b'\n');
        Some(at + 1 + usize::from(is_crlf))
    }
}

/// What a line completes.
#[derive(Default)]
struct Seen {
    event: bool,
    id: bool,
}

impl Sink for Seen {
    fn data(&mut self, _: &[u8]) {}

    fn dispatch(&mut self, _: &[u8]) {
        self.event = true;
    }

    fn id(&mut self) {
        self.id = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks with `|` where an id would stand.
    fn blocks(chunks: &[&str]) -> Vec<String> {
        let mut blocks = Blocks::default();
        let mut all = Vec::new();
        for chunk in chunks {
            blocks.push(chunk.as_bytes());
            while let Some(block) = blocks.next() {
                all.push(match block {
                    Block::Event(bytes, at) => {
                        let text = str::from_utf8(&bytes).unwrap();
                        format!("{}|{}", &text[..at], &text[at..])
                    }
                    Block::Between(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                });
            }
        }
        all
    }

    #[test]
    fn an_id_stands_before_the_first_field_of_an_event() {
        assert_eq!(blocks(&["data: a\n\ndata: b\n\n"]), ["|data: a\n\n", "|data: b\n\n"]);
        assert_eq!(
            blocks(&["\u{feff}data: a\n\n\u{feff}data: b\n\n"]),
            ["\u{feff}|data: a\n\n", "\u{feff}data: b\n\n"]
        );
        assert_eq!(blocks(&["\u{feff}: c\ndata: a\n\n"]), ["\u{feff}: c\n|data: a\n\n"]);
        assert_eq!(blocks(&[": c\nevent: x\n: d\ndata\n\n"]), [": c\n|event: x\n: d\ndata\n\n"]);
        assert_eq!(blocks(&["event: x\n\nretry: 1\ndata: a\n\n"]), ["event: x\n\n|retry: 1\ndata: a\n\n"]);
    }

    #[test]
    fn what_is_no_event_does_not_wait_for_one() {
        assert_eq!(blocks(&[": a\n", "\n", "event: x\n", "\n", "data"]), [": a\n", "\n", "event: x\n\n"]);
        assert_eq!(blocks(&["data: a\n", ": b\n"]), [""; 0]);
        assert_eq!(blocks(&["\u{feff}", ": a\n", "data: a\n\n"]), ["\u{feff}: a\n", "|data: a\n\n"]);
    }

    #[test]
    fn a_line_may_end_in_any_of_three_ways_cut_anywhere() {
        assert_eq!(blocks(&["data: a\r\rdata: b\r\n\r\n"]), ["|data: a\r\r", "|data: b\r\n\r\n"]);
        let cut = ["data: a\r", "\n\r", "\ndata: b\r", "\r", "x", "\r"];
        assert_eq!(blocks(&cut), ["|data: a\r\n\r", "\n|data: b\r\r", "x\r"]);
    }

    #[test]
    fn an_id_of_the_streams_own_is_seen() {
        for (stream, own) in [
            ("id: 1\ndata: a\n\n", true),
            ("id\rdata: a\r\r", true),
            ("\u{feff}id:1\n\n", true),
            ("data: a\nid:\n\n", true),
            ("idx: 1\nID: 1\n id: 1\n: id: 1\ndata: id: 1\n\n", false),
        ] {
            let mut blocks = Blocks::default();
            blocks.push(stream.as_bytes());
            while blocks.next().is_some() {}
            assert_eq!(blocks.has_own_id(), own, "{stream}");
        }
    }
}
