//! Test number one: bytes and frames go out as they came in.

use std::{fs, path::Path};

use bytes::Bytes;
use dashpot_sse::End;
use dashpot_testkit::body::Scripted;
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;

use crate::support::{CHAT, CONTENT, DONE, MESSAGES, events, exchange, post};

/// The hand-written streams of every dialect, with a path that asks for each.
pub(crate) fn streams() -> Vec<(String, &'static str, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/dialect/streams");
    let mut streams: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let path = match &name {
                name if name.starts_with("openai_chat") => CHAT,
                name if name.starts_with("openai_completions") => "/v1/completions",
                name if name.starts_with("openai_responses") => "/v1/responses",
                name if name.starts_with("anthropic") => MESSAGES,
                name if name.starts_with("gemini") => "/v1beta/models/m:streamGenerateContent",
                name => panic!("which dialect is {name}?"),
            };
            (name, path, fs::read(file.path()).unwrap().into())
        })
        .collect();
    streams.sort();
    assert!(streams.len() > 10, "{folder:?}");
    streams
}

/// Sends the chunks through the layer; every frame must come out as the very memory that went in.
async fn assert_identity(path: &str, chunks: &[Bytes], name: &str) -> End {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
    let script = chunks.iter().fold(Scripted::new(), |script, chunk| script.data(chunk.clone()));
    let script = script.trailers(trailers.clone()).exact().eager();
    let mut left: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();

    let (response, log, handle) = exchange(post(path), events(script)).await;
    let mut body = response.into_body();
    let total = left;
    for chunk in chunks {
        assert_eq!(body.size_hint().exact(), Some(left), "{name}");
        assert!(!body.is_end_stream(), "{name}");
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((data.as_ptr(), &data), (chunk.as_ptr(), chunk), "{name}");
        left -= data.len() as u64;
    }
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers, "{name}");
    assert!(body.is_end_stream(), "{name}");
    assert!(body.frame().await.is_none(), "{name}");
    let summary = log.summary().unwrap();
    assert_eq!(summary.bytes, total, "{name}");
    assert_eq!(handle.stats().events, summary.events, "{name}");
    summary.end
}

pub(crate) fn chunks(stream: &Bytes, size: usize) -> Vec<Bytes> {
    (0..stream.len()).step_by(size).map(|at| stream.slice(at..stream.len().min(at + size))).collect()
}

#[tokio::test]
async fn every_dialect_passes_byte_for_byte_however_it_is_cut() {
    for (name, path, stream) in streams() {
        let whole = assert_identity(path, std::slice::from_ref(&stream), &name).await;
        for size in [1, 2, 3, 7, 128, 1400, 16 << 10] {
            let cut = assert_identity(path, &chunks(&stream, size), &name).await;
            assert_eq!(cut, whole, "{name} in chunks of {size}");
        }
        assert_eq!(whole == End::Error, name.contains("error") || is_refused(&name), "{name}: {whole:?}");
    }
}

fn is_refused(name: &str) -> bool {
    ["failed", "overloaded", "rate_limited"].iter().any(|word| name.contains(word))
}

#[tokio::test]
async fn odd_bytes_pass_as_they_are() {
    for odd in [
        "\u{feff}data: a\r\rdata:b\r\n\r\n: comment\n\nunknown: x\nretry: 10\nid: \0\n\n",
        "data: a\n\n\n\n\n",
        "not an event stream at all",
    ] {
        assert_identity(CHAT, &[odd.into()], odd).await;
        assert_identity("/", &chunks(&odd.into(), 1), odd).await;
    }
    let not_utf8 = Bytes::from_static(b"data: \xff\xfe\n\n\x80");
    assert_identity(MESSAGES, &chunks(&not_utf8, 1), "not UTF-8").await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_stream_passes_byte_for_byte_however_it_is_cut(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(0_usize..300, 1..40),
    ) {
        let streams = streams();
        let (name, path, stream) = which.get(&streams);
        let mut chunks = Vec::new();
        let mut rest = stream.clone();
        for cut in cuts.into_iter().cycle().take(10_000) {
            if rest.is_empty() {
                break;
            }
            chunks.push(rest.split_to(cut.min(rest.len())));
        }
        chunks.push(rest);
        block_on(assert_identity(path, &chunks, name));
    }

    #[test]
    fn any_bytes_pass(frames in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[\r\n:daet \"{}]{0,20}".prop_map(String::into_bytes),
            Just(CONTENT.into()),
            Just(DONE.into()),
        ],
        0..12,
    )) {
        let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
        for path in [CHAT, MESSAGES, "/v1/responses", "/"] {
            block_on(assert_identity(path, &frames, path));
        }
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
