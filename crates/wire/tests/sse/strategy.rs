use proptest::prelude::*;

/// Bytes that are mostly an event stream, and chunk sizes, not all of them zero.
pub(crate) fn stream_and_sizes() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let token = prop_oneof![
        8 => prop::sample::select(vec![
            &b"data"[..], b"data:", b"data: ", b"event:", b"event: ", b"event", b"id: ", b"id:", b"id", b"retry: ",
            b"retry:", b":", b" ", b"dat", b"even", b"i", b"Data: ", b"message", b"\xef\xbb\xbf", b"\xef", b"\xbb",
        ]),
        8 => prop::sample::select(vec![&b"\n"[..], b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r"]),
        2 => prop::sample::select(vec![&b"7"[..], b"007", b"4294967295", b"\0", b"\t", b"\xff", b"\xc3", "\u{fffd}".as_bytes()]),
    ];
    let token =
        prop_oneof![9 => token.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..12)];
    let sizes = prop::collection::vec(0_usize..9, 1..5)
        .prop_filter("no chunk has a byte", |sizes| sizes.iter().any(|&size| size > 0));
    (prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat()), sizes)
}
