//! Threads that embed: what waits, what is refused, what is skipped, and what a panic breaks.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use dashpot_core::Embedding;
use dashpot_embed::{Embedder, EmbedderError, Model};
use tower::{Service, ServiceExt};

/// Says how long each text is. Begins a batch when it is told to, and says what it began; ends when it is dropped.
struct Scripted {
    go: Mutex<Receiver<()>>,
    begun: Sender<Vec<String>>,
}

struct Script {
    go: Sender<()>,
    begun: Receiver<Vec<String>>,
}

fn scripted() -> (Scripted, Script) {
    let ((go, told), (said, begun)) = (channel(), channel());
    (Scripted { go: Mutex::new(told), begun: said }, Script { go, begun })
}

impl Script {
    fn begun(&self) -> Vec<String> {
        self.begun.recv_timeout(Duration::from_secs(10)).expect("a batch begins")
    }

    /// Waits for the model's drop.
    fn ended(&self) -> bool {
        self.begun.recv_timeout(Duration::from_secs(10)).is_err()
    }
}

impl Model for Scripted {
    fn id(&self) -> &str {
        "scripted"
    }

    fn embed(&self, texts: &[Arc<str>]) -> Vec<Option<Embedding>> {
        self.begun.send(texts.iter().map(|text| text.to_string()).collect()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        assert!(!texts.iter().any(|text| text.contains("panic")));
        texts.iter().map(|text| Embedding::new(&[text.len() as f32, 1.0])).collect()
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Arc<str>> {
    texts.map(Arc::from).into()
}

fn lengths(embeddings: &[Option<Embedding>]) -> Vec<usize> {
    let length = |vector: &[f32]| (vector[0] / vector[1]).round() as usize;
    embeddings.iter().map(|embedding| length(embedding.as_ref().unwrap().vector())).collect()
}

#[tokio::test]
async fn calls_that_wait_are_embedded_together_and_each_gets_its_own() {
    let (model, script) = scripted();
    let mut embedder = Embedder::spawn(model).unwrap();
    let first = embedder.call(texts(["a"]));
    assert_eq!(script.begun(), ["a"]);
    let (second, third) = (embedder.call(texts(["bb", "ccc"])), embedder.call(texts(["dddd"])));
    assert_eq!(embedder.waiting(), 3);
    script.go.send(()).unwrap();
    assert_eq!(script.begun(), ["bb", "ccc", "dddd"]);
    script.go.send(()).unwrap();
    assert_eq!(lengths(&first.await.unwrap()), [1]);
    assert_eq!(lengths(&second.await.unwrap()), [2, 3]);
    assert_eq!(lengths(&third.await.unwrap()), [4]);
}

#[tokio::test]
async fn what_finds_no_room_is_refused_at_once() {
    let (model, script) = scripted();
    let mut embedder = Embedder::builder().waiting(2).spawn(model).unwrap();
    let first = embedder.call(texts(["a"]));
    script.begun();
    let second = embedder.call(texts(["b", "c"]));
    assert_eq!(embedder.ready().await.unwrap().call(texts(["d"])).await, Err(EmbedderError::Full));
    script.go.send(()).unwrap();
    script.go.send(()).unwrap();
    first.await.unwrap();
    second.await.unwrap();
    let too_many = embedder.call(texts(["a", "b", "c"]));
    assert_eq!(too_many.await, Err(EmbedderError::Full));
}

#[tokio::test]
async fn a_dropped_call_is_never_begun_and_gives_its_room_back() {
    let (model, script) = scripted();
    let mut embedder = Embedder::builder().waiting(2).spawn(model).unwrap();
    let first = embedder.call(texts(["a"]));
    script.begun();
    drop(embedder.call(texts(["b", "c"])));
    let last = embedder.call(texts(["d", "e"]));
    script.go.send(()).unwrap();
    assert_eq!(script.begun(), ["d", "e"]);
    script.go.send(()).unwrap();
    first.await.unwrap();
    last.await.unwrap();
}

#[tokio::test]
async fn a_panic_fails_its_own_call_only() {
    let (model, script) = scripted();
    let mut embedder = Embedder::spawn(model).unwrap();
    let first = embedder.call(texts(["a"]));
    script.begun();
    let (bad, good) = (embedder.call(texts(["panic"])), embedder.call(texts(["b"])));
    for _ in 0..4 {
        script.go.send(()).unwrap();
    }
    first.await.unwrap();
    assert_eq!(bad.await, Err(EmbedderError::Panicked));
    assert_eq!(lengths(&good.await.unwrap()), [1]);
    script.go.send(()).unwrap();
    assert_eq!(lengths(&embedder.call(texts(["after"])).await.unwrap()), [5], "the thread lives");
}

#[tokio::test]
async fn with_the_last_clone_the_threads_end_once_what_waited_is_done() {
    let (model, script) = scripted();
    let mut embedder = Embedder::builder().threads(2).spawn(model).unwrap();
    let clone = embedder.clone();
    let answer = embedder.call(texts(["a"]));
    drop(embedder);
    assert_eq!(script.begun(), ["a"]);
    drop(clone);
    script.go.send(()).unwrap();
    assert_eq!(lengths(&answer.await.unwrap()), [1]);
    assert!(script.ended());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_from_everywhere_at_once_all_get_their_own() {
    struct Lengths;
    impl Model for Lengths {
        fn id(&self) -> &str {
            "lengths"
        }

        fn embed(&self, texts: &[Arc<str>]) -> Vec<Option<Embedding>> {
            texts.iter().map(|text| Embedding::new(&[text.len() as f32, 1.0])).collect()
        }
    }
    let embedder = Embedder::builder().threads(3).waiting(10_000).spawn(Lengths).unwrap();
    let call = |i: usize| tokio::spawn(embedder.clone().oneshot(texts([&*"x".repeat(i), "yy"])));
    for (i, call) in (1..=200).map(call).collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(lengths(&call.await.unwrap().unwrap()), [i + 1, 2]);
    }
}
