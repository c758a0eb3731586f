//! all-MiniLM-L6-v2 in 8 bits, computed by ONNX Runtime: beside the reference, and with files that are not what they should be.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    env, fs,
    num::NonZero,
    path::PathBuf,
    slice,
    sync::{Arc, LazyLock},
};

use dashpot_core::{Embedding, cosine};
use dashpot_embed::{Embedder, MiniLm, Model, OnnxMiniLm, OnnxRuntime};
use serde::Deserialize;
use tower::ServiceExt;

mod file;
mod unfit;

#[derive(Deserialize)]
struct Golden {
    text: String,
    /// All numbers of the vector, or the first; none of a text that is longer than the window.
    vector: Option<Vec<f32>>,
}

static GOLDEN: LazyLock<Vec<Golden>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../golden.json")).unwrap());
static RUNTIME: LazyLock<OnnxRuntime> = LazyLock::new(|| OnnxRuntime::load(library()).unwrap());
static MODEL: LazyLock<OnnxMiniLm> = LazyLock::new(|| load(&RUNTIME));

/// From the environment, or where `cargo xtask setup` puts it.
fn folder(variable: &str, name: &str) -> PathBuf {
    let here = env::current_exe().unwrap();
    env::var_os(variable).map_or_else(|| here.ancestors().nth(3).unwrap().join(name), PathBuf::from)
}

fn library() -> PathBuf {
    folder("DASHPOT_ONNX", "onnx").join("libonnxruntime.so")
}

fn minilm() -> PathBuf {
    folder("DASHPOT_MINILM", "models/minilm")
}

fn load(runtime: &OnnxRuntime) -> OnnxMiniLm {
    let file = folder("DASHPOT_ONNX", "onnx").join("minilm-int8.onnx");
    OnnxMiniLm::load(runtime, file, minilm())
        .unwrap_or_else(|error| panic!("{error}: `cargo xtask setup` fetches it"))
}

fn embed(text: &str) -> Option<Embedding> {
    MODEL.embed(&[text.into()]).pop().unwrap()
}

/// Eight bits are not thirty-two: the vectors are near those of the reference, and no more. How near depends on the
/// processor too, whose instructions for eight bits round in more than one way.
#[test]
fn vectors_have_a_cosine_of_099_to_those_of_the_reference() {
    let mut least = 1.0_f32;
    let whole = |golden: &&Golden| golden.vector.as_ref().is_none_or(|vector| vector.len() == 384);
    for Golden { text, vector } in GOLDEN.iter().filter(whole) {
        let ours = embed(text);
        assert_eq!(ours.is_some(), vector.is_some(), "{text:?}");
        let (Some(ours), Some(theirs)) = (ours, vector) else { continue };
        let cosine = cosine(ours.vector(), Embedding::new(theirs).unwrap().vector());
        assert!(cosine > 0.99, "{text:?}: {cosine}");
        least = least.min(cosine);
    }
    println!("the least cosine is {least}");
}

#[test]
fn a_text_comes_out_the_same_whatever_is_beside_it() {
    let texts: Vec<Arc<str>> = GOLDEN.iter().take(30).map(|golden| golden.text.as_str().into()).collect();
    for (text, together) in texts.iter().zip(MODEL.embed(&texts)) {
        assert_eq!(together, embed(text), "{text:?}");
    }
}

/// Which says what the reference says, as its own tests show, and so stands for it where no more than the first numbers
/// of a vector were kept.
#[test]
fn tokens_are_those_of_the_other_model_and_mean_nearly_the_same() {
    let other = MiniLm::load(minilm()).unwrap();
    let texts: Vec<Arc<str>> = GOLDEN.iter().map(|golden| golden.text.as_str().into()).collect();
    let (mut least, mut least_of_tokens) = (1.0_f32, 1.0_f32);
    for ((text, ours), theirs) in texts.iter().zip(MODEL.embed(&texts)).zip(other.embed(&texts)) {
        assert_eq!(ours.is_some(), theirs.is_some(), "{text:?}");
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        least = least.min(cosine(ours.vector(), theirs.vector()));
        let [ours, theirs] = [ours, theirs].map(|embedding| embedding.tokens().unwrap().clone());
        assert_eq!(ours.iter().count(), theirs.iter().count(), "{text:?}");
        for ((span, ours), (expected, theirs)) in ours.iter().zip(theirs.iter()) {
            assert_eq!(span, expected, "{text:?}");
            least_of_tokens = least_of_tokens.min(cosine(ours, theirs));
        }
    }
    println!("the least cosine of {} texts is {least}, and of a token {least_of_tokens}", texts.len());
    assert!(least > 0.99 && least_of_tokens > 0.98, "{least} {least_of_tokens}");
    assert_ne!(MODEL.id(), other.id());
    assert_eq!((MODEL.window(), MODEL.dimensions()), (other.window(), other.dimensions()));
}

#[test]
fn a_text_beyond_the_window_is_none_and_the_next_is_read() {
    let longest = "word ".repeat(MODEL.window());
    let texts = [
        format!("{longest}word").into(),
        longest.into(),
        " ".repeat(100_000).into(),
        "a".repeat((128 << 10) + 1).into(),
    ];
    let embeddings = MODEL.embed(&texts);
    assert_eq!(embeddings.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!(embeddings[2], embed(""), "spaces are nothing");
    assert_eq!(embeddings[1].as_ref().unwrap().tokens().unwrap().iter().count(), 254);
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
    assert_eq!(MODEL.id(), "onnx/20a8733fdbd3ac8e/mean/256");
}

#[test]
fn more_threads_say_the_same() {
    let model = load(&RUNTIME.clone().threads(NonZero::new(2).unwrap()));
    let text: Arc<str> = "How many threads does it take?".into();
    let [Some(one), Some(two)] =
        [&*MODEL, &model].map(|model| model.embed(slice::from_ref(&text)).pop().unwrap())
    else {
        panic!("short enough")
    };
    assert!(cosine(one.vector(), two.vector()) > 0.9999);
}

#[tokio::test]
async fn a_thread_of_its_own_embeds_the_same() {
    let embedder = Embedder::builder().threads(2).spawn(load(&RUNTIME)).unwrap();
    assert_eq!(embedder.id(), MODEL.id());
    let calls = ["a question", "another"].map(|text| embedder.clone().oneshot(vec![text.into()]));
    for (call, text) in calls.into_iter().zip(["a question", "another"]) {
        assert_eq!(call.await.unwrap(), [embed(text)]);
    }
}

/// Whichever test loads first, and however many.
#[test]
fn the_library_is_loaded_once_and_another_is_refused() {
    let _first = &*RUNTIME;
    OnnxRuntime::load(library()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("libonnxruntime.so");
    fs::copy(library(), &copy).unwrap();
    let error = OnnxRuntime::load(&copy).unwrap_err();
    assert_eq!(error.file(), copy);
    let first = fs::canonicalize(library()).unwrap();
    assert!(
        error.to_string().ends_with(&format!("this process has loaded {} before", first.display())),
        "{error}"
    );
}
