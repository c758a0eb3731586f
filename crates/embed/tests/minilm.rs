//! all-MiniLM-L6-v2 says what the reference implementation says: `golden.py` asked sentence-transformers.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    env,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use dashpot_core::{Embedding, cosine};
use dashpot_embed::{Embedder, MiniLm, Model};
use proptest::prelude::*;
use serde::Deserialize;
use tower::ServiceExt;

#[derive(Deserialize)]
struct Golden {
    text: String,
    /// All numbers of the vector, or the first; none of a text that is longer than the window.
    vector: Option<Vec<f32>>,
}

static MODEL: LazyLock<MiniLm> = LazyLock::new(load);

fn load() -> MiniLm {
    let here = env::current_exe().unwrap();
    let beside = || here.ancestors().nth(3).unwrap().join("models/minilm");
    let folder = env::var_os("DASHPOT_MINILM").map_or_else(beside, PathBuf::from);
    MiniLm::load(folder).unwrap_or_else(|error| panic!("{error}: `cargo xtask setup` fetches it"))
}

fn embed(text: &str) -> Option<Embedding> {
    MODEL.embed(&[text.into()]).pop().unwrap()
}

#[test]
fn vectors_are_those_of_the_reference() {
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden.json")).unwrap();
    let texts: Vec<Arc<str>> = golden.iter().map(|golden| golden.text.as_str().into()).collect();
    let mut worst = 0.0_f32;
    for (golden, ours) in golden.iter().zip(MODEL.embed(&texts)) {
        assert_eq!(ours.is_some(), golden.vector.is_some(), "{:?}", golden.text);
        let (Some(ours), Some(theirs)) = (ours, &golden.vector) else { continue };
        for (ours, theirs) in ours.vector().iter().zip(theirs) {
            worst = worst.max((ours - theirs).abs());
            assert!((ours - theirs).abs() < 1e-5, "{:?}: {ours} {theirs}", golden.text);
        }
    }
    println!("{} texts, and the largest difference of a number is {worst:e}", golden.len());
}

#[test]
fn a_text_comes_out_the_same_whatever_is_beside_it() {
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden.json")).unwrap();
    let texts: Vec<Arc<str>> = golden.iter().take(60).map(|golden| golden.text.as_str().into()).collect();
    for (text, together) in texts.iter().zip(MODEL.embed(&texts)) {
        assert_eq!(together, embed(text), "{text:?}");
    }
}

#[test]
fn tokens_stand_where_they_are_in_the_text() {
    let text = "Ünïcode 机 isn't [SEP] unbelievable\u{7}ness \u{1f600}";
    let embedding = embed(text).unwrap();
    let tokens: Vec<_> = embedding.tokens().unwrap().iter().map(|(span, _)| &text[span]).collect();
    let expected = ["Ünïcode", "机", "isn", "'", "t", "[SEP]", "unbelievable", "ness", "\u{1f600}"];
    let joined = |words: &[&str]| words.concat().replace('\u{7}', "");
    assert_eq!(joined(&tokens), joined(&expected), "{tokens:?}");
}

#[test]
fn a_text_beyond_the_window_is_none_and_the_next_is_read() {
    let longest = "word ".repeat(MODEL.window());
    let texts = [
        format!("{longest}word").into(),
        longest.into(),
        "x".repeat(100_000).into(),
        " ".repeat(100_000).into(),
    ];
    let embeddings = MODEL.embed(&texts);
    assert_eq!(embeddings.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!(embeddings[3], embed(""), "spaces are nothing");
    assert_eq!(embeddings[1].as_ref().unwrap().tokens().unwrap().iter().count(), 254);
}

#[test]
fn texts_of_100_kb_are_read_or_refused_and_no_more() {
    let units = [
        "[SEP]",
        "[SEP",
        "[CLS] ",
        "\u{301}",
        "e\u{301}",
        "\u{0}",
        "\u{fffd} ",
        "\u{1f468}\u{200d}",
        "\u{4e00}",
        "İ",
        ".",
        " a",
        "##",
        "\u{ac00}",
        "\u{fdfa}",
        "\u{1d15e}",
        "zq",
    ];
    for unit in units {
        let text = unit.repeat(100_000 / unit.len());
        // What is seen of it: nothing, one word that is not known, or too much.
        let tokens = embed(&text).map(|embedding| embedding.tokens().unwrap().iter().count());
        assert!(tokens.is_none_or(|count| count <= 1), "{unit:?} {tokens:?}");
    }
}

#[test]
fn texts_that_mean_the_same_are_near() {
    let [asked, same, other] =
        ["How do I reset my password?", "I forgot my password, how can I change it?", "Best pizza in Rome"]
            .map(|text| embed(text).unwrap().vector().clone());
    assert!(cosine(&asked, &same) > 0.7 && cosine(&asked, &other) < 0.2);
}

#[test]
fn the_id_is_that_of_these_files() {
    assert_eq!(MODEL.id(), "minilm/99f704468154fc61/f32/mean/256");
    assert_eq!((MODEL.window(), MODEL.dimensions()), (254, 384));
}

#[tokio::test]
async fn threads_of_its_own_embed_the_same() {
    let embedder = Embedder::builder().threads(2).spawn(load()).unwrap();
    let calls = ["a question", "another"].map(|text| embedder.clone().oneshot(vec![text.into()]));
    for (call, text) in calls.into_iter().zip(["a question", "another"]) {
        assert_eq!(call.await.unwrap(), [embed(text)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tokens_of_any_text_stand_in_order_within_it(text in "(\\PC|\\p{any}|[a-z ]){0,80}") {
        if let Some(embedding) = embed(&text) {
            let mut before = 0..0;
            for (span, state) in embedding.tokens().unwrap().iter() {
                prop_assert!(text.get(span.clone()).is_some_and(|piece| !piece.is_empty()), "{span:?}");
                prop_assert!(before.start <= span.start && before.end <= span.end, "{before:?} {span:?}");
                prop_assert_eq!(state.len(), 384);
                before = span;
            }
        }
    }
}

/// To take a mebibyte of them apart would take a tenth of a second or more, in which everybody else waits.
#[test]
fn a_text_of_many_bytes_has_no_embedding_however_few_pieces_it_has() {
    for text in ["a", " ", "\0", "[MAS", "😀", "\u{301}"] {
        assert_eq!(embed(&text.repeat((128 << 10) / text.len() + 1)), None, "{text}");
    }
    assert!(embed(&"a".repeat(128 << 10)).is_some());
}
