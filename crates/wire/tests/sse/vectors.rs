//! Streams and the events in them, written from the rules of the standard (WHATWG HTML, "Server-sent events").

/// `(event, data, last event id)`
type Expected = &'static [(&'static str, &'static str, &'static str)];

pub(crate) const VECTORS: &[(&str, &[u8], Expected)] = &[
    // Blocks and their ends.
    ("nothing", b"", &[]),
    ("one event", b"data: a\n\n", &[("message", "a", "")]),
    ("two events", b"data: a\n\ndata: b\n\n", &[("message", "a", ""), ("message", "b", "")]),
    ("blank lines only", b"\n\n\r\r\n\n", &[]),
    (
        "many blank lines between",
        b"data: a\n\n\n\n\ndata: b\n\n",
        &[("message", "a", ""), ("message", "b", "")],
    ),
    ("blank lines first", b"\n\r\n\rdata: a\n\n", &[("message", "a", "")]),
    ("no blank line at the end", b"data: a\n\ndata: b\n", &[("message", "a", "")]),
    ("no line end at the end", b"data: a\n\ndata: b", &[("message", "a", "")]),
    ("ends in a name", b"data: a\n\nda", &[("message", "a", "")]),
    ("ends in a blank line of CR", b"data: a\r\r", &[("message", "a", "")]),
    // Line ends.
    ("CRLF", b"data: a\r\ndata: b\r\n\r\n", &[("message", "a\nb", "")]),
    ("CR", b"data: a\rdata: b\r\r", &[("message", "a\nb", "")]),
    ("LF, then CRLF", b"data: a\n\r\ndata: b\n\r\n", &[("message", "a", ""), ("message", "b", "")]),
    ("CRLF, then CR", b"data: a\r\n\rdata: b\r\n\r", &[("message", "a", ""), ("message", "b", "")]),
    ("LF, then CR", b"data: a\n\rdata: b\n\r", &[("message", "a", ""), ("message", "b", "")]),
    ("CR, then CRLF", b"data: a\r\r\ndata: b\n\n", &[("message", "a", ""), ("message", "b", "")]),
    ("CRLF is one end", b"data: a\r\ndata: b\n\n", &[("message", "a\nb", "")]),
    ("vertical tab and form feed end no line", b"data: a\x0bb\x0cc\n\n", &[("message", "a\x0bb\x0cc", "")]),
    (
        "NEL and the Unicode separators end no line",
        "data: a\u{85}b\u{2028}c\u{2029}d\n\n".as_bytes(),
        &[("message", "a\u{85}b\u{2028}c\u{2029}d", "")],
    ),
    // The byte order mark.
    ("a mark first", b"\xef\xbb\xbfdata: a\n\n", &[("message", "a", "")]),
    (
        "only the first of two marks",
        b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n",
        &[("message", "b", "")],
    ),
    ("a mark later", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", &[("message", "a", "")]),
    ("a mark within data", b"data: \xef\xbb\xbfa\n\n", &[("message", "\u{feff}a", "")]),
    ("a mark after a blank line", b"\n\xef\xbb\xbfdata: a\n\n", &[]),
    ("a mark before a comment", b"\xef\xbb\xbf:\ndata: a\n\n", &[("message", "a", "")]),
    ("a mark before a blank line", b"\xef\xbb\xbf\ndata: a\n\n", &[("message", "a", "")]),
    ("a mark alone", b"\xef\xbb\xbf", &[]),
    ("one byte of a mark", b"\xefdata: a\ndata: b\n\n", &[("message", "b", "")]),
    ("two bytes of a mark", b"\xef\xbbdata: a\ndata: b\n\n", &[("message", "b", "")]),
    ("two bytes of a mark, and a line end", b"\xef\xbb\ndata: b\n\n", &[("message", "b", "")]),
    // Comments.
    ("comments", b":\n: x\n:data: no\ndata: a\n: y\ndata: b\n\n", &[("message", "a\nb", "")]),
    ("a comment alone", b": ping\n\n: ping\n\n", &[]),
    ("a comment is not a name", b"::data: a\n\n", &[]),
    ("a long comment", &[b':'; 3000], &[]),
    // Names, colons, spaces.
    ("no space", b"data:a\n\n", &[("message", "a", "")]),
    ("two spaces", b"data:  a\n\n", &[("message", " a", "")]),
    ("a tab is no space", b"data:\ta\n\n", &[("message", "\ta", "")]),
    ("a space at the end stays", b"data: a \n\n", &[("message", "a ", "")]),
    ("a space alone is dropped", b"data: \n\n", &[("message", "", "")]),
    ("colons in a value", b"data: a: b:c:\n\n", &[("message", "a: b:c:", "")]),
    ("a colon first in a value", b"data::a\n\n", &[("message", ":a", "")]),
    ("a space before the name", b" data: a\n\n", &[]),
    ("a space after the name", b"data : a\n\n", &[]),
    ("capitals", b"Data: a\nDATA: b\ndata: c\n\n", &[("message", "c", "")]),
    ("a longer name", b"datax: a\ndata2\n\n", &[]),
    ("a shorter name", b"dat: a\nd\nev: b\ni: c\n\n", &[]),
    ("unknown fields", b"foo: a\nbar\ndata: b\nretry2: 5\nname: x\n\n", &[("message", "b", "")]),
    ("a NUL in a name", b"data\0: a\ndata: b\n\n", &[("message", "b", "")]),
    // Data.
    ("data without a colon", b"data\n\n", &[("message", "", "")]),
    ("data without a value", b"data:\n\n", &[("message", "", "")]),
    ("twice data without a colon", b"data\ndata\n\n", &[("message", "\n", "")]),
    ("empty lines of data", b"data:\ndata:\ndata: a\ndata:\n\n", &[("message", "\n\na\n", "")]),
    (
        "empty data at the end is not dispatched",
        b"data\n\ndata\ndata\n\ndata:",
        &[("message", "", ""), ("message", "\n", "")],
    ),
    (
        "lines of data with others between",
        b"data: a\nevent: e\ndata: b\nid: 1\ndata: c\n\n",
        &[("e", "a\nb\nc", "1")],
    ),
    ("a NUL in data", b"data: a\0b\n\n", &[("message", "a\0b", "")]),
    ("JSON", b"data: {\"a\": [1, 2]}\n\n", &[("message", "{\"a\": [1, 2]}", "")]),
    // Event types.
    ("a type", b"event: e\ndata: a\n\n", &[("e", "a", "")]),
    ("a type after the data", b"data: a\nevent: e\n\n", &[("e", "a", "")]),
    ("the last type counts", b"event: e\nevent: f\ndata: a\n\n", &[("f", "a", "")]),
    ("an empty type", b"event:\ndata: a\n\n", &[("message", "a", "")]),
    (
        "an empty type takes back",
        b"event: e\nevent: \ndata: a\n\nevent: e\nevent\ndata: b\n\n",
        &[("message", "a", ""), ("message", "b", "")],
    ),
    ("a type is for one event", b"event: e\ndata: a\n\ndata: b\n\n", &[("e", "a", ""), ("message", "b", "")]),
    ("a type without data is gone", b"event: e\n\ndata: a\n\n", &[("message", "a", "")]),
    ("a type keeps its spaces", b"event:  e \ndata: a\n\n", &[(" e ", "a", "")]),
    // Ids.
    ("an id", b"id: 1\ndata: a\n\n", &[("message", "a", "1")]),
    ("an id stays", b"id: 1\ndata: a\n\ndata: b\n\n", &[("message", "a", "1"), ("message", "b", "1")]),
    (
        "an id changes",
        b"id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c\n\n",
        &[("message", "a", "1"), ("message", "b", "2"), ("message", "c", "2")],
    ),
    (
        "an empty id takes back",
        b"id: 1\ndata: a\n\nid:\ndata: b\n\n",
        &[("message", "a", "1"), ("message", "b", "")],
    ),
    (
        "an id without a colon takes back",
        b"id: 1\ndata: a\n\nid\ndata: b\n\n",
        &[("message", "a", "1"), ("message", "b", "")],
    ),
    (
        "an id with NUL is ignored",
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n",
        &[("message", "a", "1"), ("message", "b", "1")],
    ),
    ("an id with NUL does not undo the one before", b"id: 1\nid: \0\ndata: a\n\n", &[("message", "a", "1")]),
    ("an id counts without data", b"id: 1\n\ndata: a\n\n", &[("message", "a", "1")]),
    ("an id after the data", b"data: a\nid: 1\n\n", &[("message", "a", "1")]),
    ("the last id counts", b"id: 1\nid: 2\ndata: a\n\n", &[("message", "a", "2")]),
    ("an id takes back and gives again", b"id: 1\n\nid\nid: 3\ndata: a\n\n", &[("message", "a", "3")]),
    // Retry, which is no event.
    (
        "retry",
        b"retry: 10\n\ndata: a\n\nretry\nretry:\nretry: 1x\ndata: b\n\n",
        &[("message", "a", ""), ("message", "b", "")],
    ),
    // UTF-8.
    ("UTF-8", "data: \u{e4}\u{20ac}\u{1f600}\n\n".as_bytes(), &[("message", "\u{e4}\u{20ac}\u{1f600}", "")]),
    ("not UTF-8", b"data: a\xffb\n\n", &[("message", "a\u{fffd}b", "")]),
    (
        "a sequence that the line cuts off",
        b"data: \xe2\x82\ndata: \xac\n\n",
        &[("message", "\u{fffd}\n\u{fffd}", "")],
    ),
    (
        "an overlong form and a surrogate",
        b"data: \xc0\xaf\xed\xa0\x80\n\n",
        &[("message", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}", "")],
    ),
    (
        "a type and an id that are not UTF-8",
        b"event: \xff\nid: \xfe\ndata: a\n\n",
        &[("\u{fffd}", "a", "\u{fffd}")],
    ),
    ("a name that is not UTF-8", b"data\xff: a\ndata: b\n\n", &[("message", "b", "")]),
];
