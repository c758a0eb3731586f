//! The last word, and what is said afterwards.

use std::sync::{Arc, Mutex};

use dashpot_cache::{
    CacheLayer, Key, Learning, MemoryStore, Removal, judge::Candidate, judge::SameText, verify::Learned,
};
use dashpot_core::Tenant;
use tokio::time::Instant;
use tower::service_fn;

use crate::{
    learned::similar,
    support::{Model, SECOND, ask, cache, chat, completion, layer, read, since, whole, with},
};

const MISS: &str = "dashpot; fwd=miss";
const SKY: [&str; 3] = ["Why is the sky blue?", "Why is the sky blue? ", "Why is the sky blue?  "];

type Asked = Arc<Mutex<Vec<Candidate>>>;

/// With a verifier that does as the question says that was asked first.
fn verified(asked: &Asked, learning: Option<Learning>) -> CacheLayer<MemoryStore> {
    let asked = asked.clone();
    let verifier = service_fn(move |candidate: Candidate| {
        let says = candidate.kept_answer.clone();
        asked.lock().unwrap().push(candidate);
        async move {
            match &*says {
                "fails" => return Err("the verifier is broken"),
                "panics" => panic!("the verifier panics"),
                "hangs" => tokio::time::sleep(10 * SECOND).await,
                _ => {}
            }
            Ok(&*says != "no")
        }
    });
    let similar = similar().verifier(verifier);
    layer().similar(match learning {
        Some(learning) => similar.learn(learning),
        None => similar,
    })
}

fn learning(draw: f64) -> Learning {
    Learning::new(Learned::new(0.03), SameText).draw(move || draw)
}

fn model(answers: &[&str]) -> Model {
    answers.iter().fold(Model::default(), |model, answer| model.then(whole(&completion(answer))))
}

#[tokio::test(start_paused = true)]
async fn the_verifier_has_the_last_word() {
    for (says, is_hit) in [("yes", true), ("no", false)] {
        for learning in [None, Some(learning(0.5))] {
            let (asked, model) = (Asked::default(), model(&[says, "fresh"]));
            let layer = verified(&asked, learning);
            let cache = cache(&layer, &model);
            read(&cache, chat(SKY[0], false)).await;
            let (status, _) = read(&cache, chat(SKY[1], false)).await;
            assert_eq!(status.contains("semantic"), is_hit, "{status}");
            let [question, kept_question, kept_answer] = [SKY[1], SKY[0], says].map(Arc::from);
            assert_eq!(*asked.lock().unwrap(), [Candidate { question, kept_question, kept_answer }]);
            let refusals = layer.handle().refusals().find(|(_, count)| *count > 0);
            assert_eq!(refusals, (!is_hit).then_some(("verifier", 1)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_fails_hangs_or_panics_is_a_miss_within_the_budget() {
    for (says, takes) in [("fails", 0), ("panics", 0), ("hangs", 200)] {
        for learning in [None, Some(learning(0.5)), Some(learning(0.0))] {
            let (asked, model) = (Asked::default(), model(&[says, "fresh"]));
            let layer = verified(&asked, learning);
            let cache = cache(&layer, &model);
            read(&cache, chat(SKY[0], false)).await;
            let start = Instant::now();
            assert_eq!(read(&cache, chat(SKY[1], false)).await.0, MISS);
            assert_eq!(since(start).as_millis() / 10, takes / 10, "{says}");
            let stats = layer.handle().stats();
            assert_eq!((stats.verifier_failures, stats.similar_failures, stats.refused), (1, 0, 0), "{says}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_verifier_is_asked_last() {
    let (asked, model) = (Asked::default(), model(&["yes", "fresh"]));
    let cache = cache(&verified(&asked, None), &model);
    read(&cache, chat(SKY[0], false)).await;
    assert_eq!(read(&cache, chat("Why is the sky not blue?", false)).await.0, MISS);
    assert_eq!(*asked.lock().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn what_the_verifier_refuses_is_not_explored() {
    let (asked, model) = (Asked::default(), model(&["no", "fresh"]));
    let layer = verified(&asked, Some(learning(0.0)));
    let cache = cache(&layer, &model);
    read(&cache, chat(SKY[0], false)).await;
    assert_eq!(read(&cache, chat(SKY[1], false)).await.0, MISS);
    assert_eq!(layer.handle().stats().explored, 0);
}

#[tokio::test(start_paused = true)]
async fn an_embedder_that_panics_is_a_miss() {
    let embedder =
        service_fn(async |_: Vec<Arc<str>>| -> Result<Vec<Option<dashpot_core::Embedding>>, &str> {
            panic!("the embedder panics")
        });
    let similar = dashpot_cache::Similar::new(embedder, "none", dashpot_cache::FlatIndex::new(1));
    let layer = layer().similar(similar);
    let model = model(&["a"]);
    assert_eq!(read(&cache(&layer, &model), chat(SKY[0], false)).await.0, MISS);
    crate::support::settle().await;
    assert_eq!(layer.handle().stats().similar_failures, 2, "when it was asked, and when the answer was kept");
}

/// The key by which it was answered.
async fn key(cache: &dashpot_cache::Cache<Model, MemoryStore>, question: &str) -> Key {
    let answer = ask(cache, chat(question, false)).await;
    let said = answer.headers()["cache-status"].to_str().unwrap();
    said.split("key=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_was_given_a_wrong_answer_can_say_so_and_it_is_given_less() {
    for learning in [None, Some(learning(0.5))] {
        let model = model(&["a", "b", "c", "d"]);
        let layer = match learning {
            None => layer().similar(similar()),
            Some(learning) => layer().similar(similar().learn(learning)),
        };
        let (cache, handle) = (cache(&layer, &model), layer.handle());
        let (acme, other) = (Tenant::new("acme").unwrap(), Tenant::new("other").unwrap());
        // So far away that it scores 0.9.
        let near = format!("{}   ", SKY[0]);
        read(&cache, chat(SKY[0], false)).await;
        let key = key(&cache, &near).await;
        let hits = async || {
            let asking = with(chat(&near, false), "cache-control", "only-if-cached");
            ask(&cache, asking).await.status() == 200
        };
        assert!(hits().await);
        for _ in 0..10 {
            assert!(!handle.feedback(&other, key, false).await.unwrap(), "it is not theirs");
        }
        assert!(!handle.feedback(&acme, Key::from([0; 32]), false).await.unwrap(), "there is none");
        assert!(hits().await);
        for still in [true, true, false] {
            assert!(handle.feedback(&acme, key, false).await.unwrap());
            assert_eq!(hits().await, still);
        }
        assert_eq!(handle.refusals().find(|(_, count)| *count > 0), Some(("feedback", 1)));
        for _ in 0..10 {
            assert!(!handle.feedback(&other, key, true).await.unwrap());
        }
        assert!(!hits().await);
        assert!(handle.feedback(&acme, key, true).await.unwrap());
        assert!(hits().await, "right takes one wrong back");
        for _ in 0..4 {
            assert!(handle.feedback(&acme, key, false).await.unwrap());
        }
        // Word for word it is the same question, and what is similar is another.
        assert!(read(&cache, chat(SKY[0], false)).await.0.ends_with("exact"));
        assert_eq!(read(&cache, chat(SKY[1], false)).await.0, MISS);
        handle.remove(Removal::Entry(acme.clone(), key)).await.unwrap();
        assert!(!read(&cache, chat(SKY[0], false)).await.0.contains("exact"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_fails_is_not_asked_again_for_the_same_question() {
    let (asked, model) = (Asked::default(), model(&["fails", "fails", "fails"]));
    let cache = cache(&verified(&asked, None), &model);
    for (asks, question) in SKY.into_iter().enumerate() {
        assert_eq!(read(&cache, chat(question, false)).await.0, MISS);
        assert_eq!(asked.lock().unwrap().len(), asks, "{question:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_verifier_has_what_the_embedder_left_of_the_budget() {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        tokio::time::sleep(SECOND / 10).await;
        Ok::<_, &str>(texts.iter().map(|text| crate::learned::embed(text)).collect::<Vec<_>>())
    });
    let hangs = service_fn(async |_: Candidate| {
        tokio::time::sleep(SECOND).await;
        Ok::<_, &str>(true)
    });
    let similar = dashpot_cache::Similar::new(embedder, "slow 1", dashpot_cache::FlatIndex::new(2));
    let layer = layer().similar(similar.verifier(hangs));
    let model = model(&["a", "b"]);
    let cache = cache(&layer, &model);
    read(&cache, chat(SKY[0], false)).await;
    let start = Instant::now();
    assert_eq!(read(&cache, chat(SKY[1], false)).await.0, MISS);
    assert_eq!(since(start).as_millis() / 10, 20);
    let stats = layer.handle().stats();
    assert_eq!((stats.verifier_failures, stats.similar_failures), (1, 0));
}
