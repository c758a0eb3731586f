//! But for the ids, no byte changes, however the stream is cut.

use std::{fs, path::Path};

use bytes::Bytes;
use dashpot_testkit::body::Scripted;
use dashpot_wire::sse::Parser;
use http_body_util::BodyExt;
use proptest::prelude::*;

use crate::support::Upstream;

/// The hand-written streams of every dialect.
fn streams() -> Vec<(String, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/dialect/streams");
    let mut streams: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap().into())
        })
        .collect();
    streams.sort();
    assert!(streams.len() > 10);
    streams
}

fn chunks(stream: &Bytes, size: usize) -> Vec<Bytes> {
    (0..stream.len()).step_by(size).map(|at| stream.slice(at..stream.len().min(at + size))).collect()
}

/// Lets the chunks through, whole and then from behind each event.
async fn assert_same(chunks: &[Bytes], name: &str) {
    let body = chunks.iter().fold(Scripted::new(), |body, chunk| body.data(chunk.clone()));
    let upstream = Upstream::new([body]);
    let out = upstream.begin().await.collect().await.unwrap().to_bytes();
    let given = chunks.concat();
    assert_eq!(stripped(&out), given, "{name}");

    let (before, after) = (parsed(&given), parsed(&out));
    let data = |events: &[(String, String, String)]| -> Vec<_> {
        events.iter().map(|(kind, data, _)| (kind.clone(), data.clone())).collect()
    };
    assert_eq!(data(&before), data(&after), "{name}");
    if upstream.handle.stats().recorded == 0 {
        assert_eq!(before, after, "{name}");
        return;
    }
    let mut ids: Vec<_> = after.iter().map(|(.., id)| id.as_str()).collect();
    for (index, id) in ids.iter().enumerate() {
        assert!(id.ends_with(&format!(":{}", index + 1)), "{name}: {ids:?}");
    }
    // A few are enough where there are many.
    ids.truncate(20);
    for (index, id) in ids.iter().enumerate() {
        let rest = upstream.back(id).await.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(parsed(&rest), &after[index + 1..], "{name} after {id}");
    }
}

/// Without the lines that are ours.
fn stripped(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), bytes);
    while let Some(at) = rest.windows(7).position(|window| window == b"id: dp-") {
        let end = at + rest[at..].iter().position(|&byte| byte == b'\n').unwrap() + 1;
        out.extend_from_slice(&rest[..at]);
        rest = &rest[end..];
    }
    out.extend_from_slice(rest);
    out
}

fn parsed(bytes: &[u8]) -> Vec<(String, String, String)> {
    let mut events = Vec::new();
    Parser::default()
        .push(bytes, |event| {
            events.push((event.event.to_string(), event.data.to_string(), event.last_event_id.to_string()));
        })
        .unwrap();
    events
}

#[tokio::test(start_paused = true)]
async fn every_dialect_is_the_same_but_for_the_ids_however_it_is_cut() {
    for (name, stream) in streams() {
        for size in [1, 2, 3, 7, 128, 1400, 16 << 10] {
            assert_same(&chunks(&stream, size), &format!("{name} in chunks of {size}")).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_stream_is_the_same_but_for_the_ids(
        mark in any::<bool>(),
        which in any::<prop::sample::Index>(),
        ends in prop::sample::select(vec!["\n", "\r", "\r\n"]),
        cuts in prop::collection::vec(0_usize..200, 1..40),
    ) {
        let streams = streams();
        let (name, stream) = which.get(&streams);
        let text = str::from_utf8(stream).unwrap().replace('\n', ends);
        let mut rest = Bytes::from(if mark { format!("\u{feff}{text}") } else { text });
        let mut chunks = Vec::new();
        for size in cuts.into_iter().cycle().take(10_000) {
            if rest.is_empty() {
                break;
            }
            chunks.push(rest.split_to(size.min(rest.len())));
        }
        chunks.push(rest);
        block_on(assert_same(&chunks, name));
    }

    #[test]
    fn any_bytes_are_the_same_but_for_the_ids(frames in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[\r\n:daet \"{}]{0,20}".prop_map(String::into_bytes),
            "(data: x|event: y|retry: 1|: c|\u{feff})?(\r|\n|\r\n){0,3}".prop_map(String::into_bytes),
        ],
        0..12,
    )) {
        let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
        block_on(assert_same(&frames, "any bytes"));
        let whole = Bytes::from(frames.concat());
        block_on(assert_same(&[whole], "any bytes in one piece"));
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}
