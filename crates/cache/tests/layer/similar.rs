//! The same question in other words, and what must not be taken for it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_cache::{CacheLayer, FlatIndex, MemoryStore, Similar};
use dashpot_core::Embedding;
use serde_json::{Value, json};
use tower::service_fn;

use crate::support::{CHAT, Model, SECOND, cache, chat, completion, layer, post, read, since, whole, with};

/// The same question in other words, and another one.
const SKY: [&str; 4] = [
    "Why is the sky blue?",
    "Hi, why is the sky blue?",
    "Why is the sky blue, please?",
    "why is the sky blue",
];
const SEA: &str = "Why is the sea salty?";

/// All questions about the sky mean the same, and nothing else does. What is long is too long.
fn embed(text: &str) -> Option<Embedding> {
    let direction = if text.contains("sky") { [1.0, 0.0] } else { [0.0, 1.0] };
    if text.len() > 60 { None } else { Embedding::new(&direction) }
}

fn similar(
    layer: CacheLayer<MemoryStore>,
    takes: Duration,
    calls: &Arc<AtomicU32>,
) -> CacheLayer<MemoryStore> {
    let calls = calls.clone();
    let embedder = service_fn(move |texts: Vec<Arc<str>>| {
        calls.fetch_add(1, Relaxed);
        async move {
            tokio::time::sleep(takes).await;
            if texts.iter().any(|text| text.contains("fail")) {
                return Err("the embedder is broken");
            }
            Ok(texts.iter().map(|text| embed(text)).collect::<Vec<_>>())
        }
    });
    layer.similar(Similar::new(embedder, "letters 1", FlatIndex::new(100)))
}

fn model(answers: u32) -> Model {
    (0..answers).fold(Model::default(), |model, n| model.then(whole(&completion(&format!("answer {n}")))))
}

#[tokio::test(start_paused = true)]
async fn the_same_question_in_other_words_has_the_same_answer() {
    let (model, calls) = (model(2), Arc::default());
    let layer = similar(layer(), Duration::ZERO, &calls);
    let cache = cache(&layer, &model);
    read(&cache, chat(SKY[0], false)).await;
    for stream in [false, true] {
        let (status, text) = read(&cache, chat(SKY[1], stream)).await;
        assert!(
            status.starts_with("dashpot; hit; ttl=3") && status.ends_with("\"semantic; score=1.000\""),
            "{status}"
        );
        assert!(text.contains("answer 0"));
    }
    assert_eq!(read(&cache, chat(SEA, false)).await.0, "dashpot; fwd=miss");
    assert_eq!(calls.load(Relaxed), 3, "what a text means is known the second time");
    let stats = layer.handle().stats();
    assert_eq!((stats.similar, stats.exact, stats.misses), (2, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_but_the_last_text_may_be_other_words() {
    let ask = |change: fn(&mut Value)| {
        let mut body = json!({"model": "m", "messages": [
            {"role": "system", "content": SKY[0]}, {"role": "user", "content": SKY[0]},
            {"role": "assistant", "content": SKY[0]}, {"role": "user", "content": SKY[0]},
        ]});
        change(&mut body);
        post(CHAT, &body)
    };
    type Change = fn(&mut Value);
    let changes: [(Change, bool); 7] = [
        (|body| body["messages"][3]["content"] = SKY[1].into(), true),
        (|body| body["messages"][0]["content"] = SKY[1].into(), false),
        (|body| body["messages"][1]["content"] = SKY[1].into(), false),
        (|body| body["messages"][2]["content"] = SKY[1].into(), false),
        (|body| body["tools"] = json!([]), false),
        (|body| body["model"] = "n".into(), false),
        (|body| body["unheard_of"] = true.into(), false),
    ];
    for (change, is_hit) in changes {
        let (model, calls) = (model(2), Arc::default());
        let cache = cache(&similar(layer(), Duration::ZERO, &calls), &model);
        read(&cache, ask(|_| ())).await;
        let (status, _) = read(&cache, ask(change)).await;
        assert_eq!(status.contains("semantic"), is_hit, "{status}");
    }
    let (model, calls) = (model(2), Arc::default());
    let cache = cache(&similar(layer(), Duration::ZERO, &calls), &model);
    read(&cache, ask(|_| ())).await;
    let other = with(ask(|body| body["messages"][3]["content"] = SKY[1].into()), "x-tenant", "other");
    assert_eq!(read(&cache, other).await.0, "dashpot; fwd=miss");
    assert_eq!(calls.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn another_tenant_waits_for_the_embedder_as_if_nobody_had_asked() {
    let (model, calls) = (model(3), Arc::default());
    let cache = cache(&similar(layer(), Duration::from_millis(10), &calls), &model);
    let mut took = HashMap::new();
    for tenant in ["acme", "other"] {
        let start = tokio::time::Instant::now();
        read(&cache, with(chat(SKY[0], false), "x-tenant", tenant)).await;
        took.insert(tenant, since(start));
    }
    assert_eq!((took["acme"], took["other"]), (Duration::from_millis(10), Duration::from_millis(10)));
}

#[tokio::test(start_paused = true)]
async fn what_the_embedder_cannot_do_is_a_miss_and_no_more() {
    for (text, takes, failures) in [
        ("Why is the sky blue? fail", Duration::ZERO, 1),
        ("Why is the sky blue, when I look at it in the morning, and at noon?", Duration::ZERO, 0),
        (SKY[1], 10 * SECOND, 1),
    ] {
        let (model, calls) = (model(2), Arc::default());
        let layer = similar(layer(), takes, &calls);
        let cache = cache(&layer, &model);
        read(&cache, chat(SKY[0], false)).await;
        tokio::time::sleep(20 * SECOND).await;
        let start = tokio::time::Instant::now();
        assert_eq!(read(&cache, chat(text, false)).await.0, "dashpot; fwd=miss", "{text}");
        assert!(since(start) <= Duration::from_millis(201), "{:?}", since(start));
        assert_eq!(layer.handle().stats().similar_failures, failures + failures);
        // The same words are known all the same.
        tokio::time::sleep(20 * SECOND).await;
        assert!(read(&cache, chat(text, false)).await.0.ends_with("exact"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_gone_or_too_old_is_not_given() {
    let (model, calls) = (model(4), Arc::default());
    let layer = similar(layer().ttl(10 * SECOND), Duration::ZERO, &calls);
    let cache = cache(&layer, &model);
    read(&cache, chat(SKY[0], false)).await;
    assert_eq!(
        read(&cache, with(chat(SKY[1], false), "cache-control", "no-cache")).await.0,
        "dashpot; fwd=request"
    );
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(
        read(&cache, with(chat(SKY[2], false), "cache-control", "max-age=4")).await.0,
        "dashpot; fwd=miss"
    );
    assert!(read(&cache, chat(SKY[3], false)).await.0.contains("semantic"));
    let acme = dashpot_core::Tenant::new("acme").unwrap();
    layer.handle().remove(dashpot_cache::Removal::Tenant(acme)).await.unwrap();
    assert_eq!(read(&cache, chat(SKY[1], false)).await.0, "dashpot; fwd=miss");
}

#[tokio::test(start_paused = true)]
async fn what_only_sounds_the_same_is_refused() {
    let (model, calls) = (model(4), Arc::default());
    let layer = similar(layer(), Duration::ZERO, &calls);
    let cache = cache(&layer, &model);
    read(&cache, chat(SKY[0], false)).await;
    for other in ["Why is the sky not blue?", "Why is the sky red?", "When is the sky blue?"] {
        assert_eq!(read(&cache, chat(other, false)).await.0, "dashpot; fwd=miss", "{other}");
    }
    assert!(layer.handle().stats().refused >= 3);
}

/// To read two of them word for word would hold up a thread on which others wait.
#[tokio::test(start_paused = true)]
async fn a_long_text_is_not_looked_for_in_other_words() {
    for (bytes, expected) in [(8 << 10, 2), ((8 << 10) + 1, 0)] {
        let (model, calls) = (model(2), Arc::default());
        let cache = cache(&similar(layer(), Duration::ZERO, &calls), &model);
        for text in ["x", "y"] {
            read(&cache, chat(&text.repeat(bytes), false)).await;
        }
        assert_eq!((calls.load(Relaxed), model.calls()), (expected, 2));
        assert!(read(&cache, chat(&"x".repeat(bytes), false)).await.0.contains("exact"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_for_the_same_question_only() {
    let (model, calls) = (model(2), Arc::default());
    let layer = similar(layer().ttl(10 * SECOND).stale_if_error(60 * SECOND), Duration::ZERO, &calls);
    let cache = cache(&layer, &model);
    read(&cache, chat(SKY[0], false)).await;
    tokio::time::sleep(20 * SECOND).await;
    let stale = |text| with(chat(text, false), "cache-control", "max-stale=60");
    assert_eq!(read(&cache, stale(SKY[1])).await.0, "dashpot; fwd=miss");
    assert!(read(&cache, stale(SKY[0])).await.0.contains("exact"));
}
