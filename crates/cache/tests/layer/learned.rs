//! What is learned from comparisons, and that no comparison is in anybody's way.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_cache::{
    CacheLayer, FlatIndex, Learning, MemoryStore, Similar, judge::Comparison, verify::Learned,
};
use dashpot_core::Embedding;
use dashpot_testkit::body::Scripted;
use http::Response;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::time::Instant;
use tower::service_fn;

use crate::support::{
    DONE, Model, SECOND, STOP, USAGE, ask, cache, chat, completion, content, events, layer, read, said,
    settle, since, text, whole, with,
};

const EXPLORED: &str = "dashpot; fwd=miss; detail=explored";
const MISS: &str = "dashpot; fwd=miss";

/// The question in other words: so many tenths of a radian away from the first.
fn sky(tenths: usize) -> String {
    format!("Why is the sky blue?{}", " ".repeat(tenths))
}

pub(crate) fn embed(text: &str) -> Option<Embedding> {
    let angle = text.chars().rev().take_while(|c| *c == ' ').count() as f32 / 10.0;
    Embedding::new(&[angle.cos(), angle.sin()])
}

pub(crate) fn similar() -> Similar<
    impl tower::Service<Vec<Arc<str>>, Response = Vec<Option<Embedding>>, Error = &'static str, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static,
    FlatIndex,
> {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        Ok::<_, &'static str>(texts.iter().map(|text| embed(text)).collect::<Vec<_>>())
    });
    Similar::new(embedder, "spaces 1", FlatIndex::new(100))
}

/// What the draw says, and a judge that takes for wrong what says so.
#[derive(Clone, Default)]
struct Setup {
    explores: Arc<AtomicBool>,
    compared: Arc<Mutex<Vec<Comparison>>>,
}

impl Setup {
    fn layer(&self, learned: Learned) -> CacheLayer<MemoryStore> {
        self.with(learned, |learning| learning)
    }

    fn with(&self, learned: Learned, change: impl FnOnce(Learning) -> Learning) -> CacheLayer<MemoryStore> {
        let (explores, compared) = (self.explores.clone(), self.compared.clone());
        let judge = service_fn(move |asked: Comparison| {
            let compared = compared.clone();
            async move {
                let fresh = asked.fresh_answer.clone();
                compared.lock().unwrap().push(asked);
                match &*fresh {
                    "fails" => return Err("the judge is broken"),
                    "panics" => panic!("the judge panics"),
                    "hangs" => std::future::pending().await,
                    "late" => tokio::time::sleep(10 * SECOND).await,
                    _ => {}
                }
                Ok(!fresh.contains("other"))
            }
        });
        let draw = move || if explores.load(Relaxed) { 0.0 } else { 0.999 };
        layer().similar(similar().learn(change(Learning::new(learned, judge).draw(draw))))
    }

    /// Until it is told otherwise.
    fn explore(&self, explores: bool) {
        self.explores.store(explores, Relaxed);
    }
}

fn model(answers: &[&str]) -> Model {
    answers.iter().fold(Model::default(), |model, answer| model.then(whole(&completion(answer))))
}

#[tokio::test(start_paused = true)]
async fn what_is_explored_is_answered_by_the_upstream_and_compared() {
    for stream in [false, true] {
        let setup = Setup::default();
        let fresh = if stream { events(said("fresh")) } else { whole(&completion("fresh")) };
        let model = Model::default().then(whole(&completion("kept"))).then(fresh);
        let layer = setup.layer(Learned::new(0.03));
        let cache = cache(&layer, &model);
        setup.explore(true);
        assert_eq!(read(&cache, chat(&sky(0), false)).await.0, MISS, "there is nothing to compare with");
        let (status, text) = read(&cache, chat(&sky(1), stream)).await;
        assert_eq!((status.as_str(), text.contains("fresh")), (EXPLORED, true));
        let expected = Comparison {
            question: sky(1).into(),
            kept_question: sky(0).into(),
            kept_answer: "kept".into(),
            fresh_answer: "fresh".into(),
        };
        assert_eq!(*setup.compared.lock().unwrap(), [expected]);
        let stats = layer.handle().stats();
        assert_eq!((stats.misses, stats.explored, stats.judged_right, stats.judge_failures), (2, 1, 1, 0));
        // What the upstream said is kept like any other answer.
        assert!(read(&cache, chat(&sky(1), false)).await.0.ends_with("exact"));
    }
}

#[tokio::test(start_paused = true)]
async fn right_answers_prove_a_threshold_and_what_is_served_says_so() {
    let (setup, answers) = (Setup::default(), ["a"; 40]);
    let model = model(&answers);
    let layer = setup.layer(Learned::new(0.3).until_proven(None));
    let (cache, handle) = (cache(&layer, &model), layer.handle());
    read(&cache, chat(&sky(0), false)).await;
    assert_eq!(read(&cache, chat(&sky(1), false)).await.0, MISS);
    assert_eq!(handle.refusals().find(|(_, count)| *count > 0), Some(("learned", 1)));
    assert_eq!(handle.proven(), []);
    setup.explore(true);
    let mut explored = 0;
    while handle.proven().iter().all(|(_, from)| from.is_none()) {
        explored += 1;
        // The space makes another question of it, and means the same.
        let question = format!("Why is the{}sky blue?", " ".repeat(explored + 1));
        assert_eq!(read(&cache, chat(&question, false)).await.0, EXPLORED);
    }
    assert_eq!((handle.proven().len(), handle.proven()[0].1), (1, Some(15.0 / 16.0)));
    setup.explore(false);
    let (status, _) = read(&cache, chat("Why is the sky   blue?", false)).await;
    assert!(status.ends_with("\"semantic; score=1.000; proven\""), "{status}");
    assert_eq!(read(&cache, chat(&sky(6), false)).await.0, MISS, "that is not proven of a lower score");
    let stats = handle.stats();
    assert_eq!((stats.similar, stats.proven, stats.judged_right), (1, 1, explored as u64));
}

#[tokio::test(start_paused = true)]
async fn without_comparisons_what_is_served_is_said_to_be_unproven() {
    let (setup, model) = (Setup::default(), model(&["a", "b"]));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(0), false)).await;
    let (status, _) = read(&cache, chat(&sky(1), false)).await;
    assert!(status.ends_with("; unproven\""), "{status}");
    assert_eq!((layer.handle().stats().similar, layer.handle().stats().proven), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_was_wrong_is_refused() {
    let (setup, model) = (Setup::default(), model(&["a", "other", "c"]));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(5), false)).await;
    setup.explore(true);
    assert_eq!(read(&cache, chat(&sky(0), false)).await.0, EXPLORED);
    setup.explore(false);
    // Nearer to the first than to the second.
    assert_eq!(read(&cache, chat(&sky(9), false)).await.0, MISS);
    let stats = layer.handle().stats();
    assert_eq!((stats.judged_wrong, stats.refused), (1, 1));
    assert!(read(&cache, chat(&sky(5), false)).await.0.ends_with("exact"), "of itself it is the answer");
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_fails_hangs_or_panics_says_nothing_and_is_in_nobodys_way() {
    for says in ["fails", "hangs", "panics"] {
        let (setup, model) = (Setup::default(), model(&["a", says, "c"]));
        let layer = setup.with(Learned::new(0.03), |learning| learning.time_limit(SECOND));
        let cache = cache(&layer, &model);
        read(&cache, chat(&sky(0), false)).await;
        setup.explore(true);
        let start = Instant::now();
        let (status, text) = read(&cache, chat(&sky(1), false)).await;
        assert_eq!((status.as_str(), text.contains(says), since(start)), (EXPLORED, true, Duration::ZERO));
        tokio::time::sleep(2 * SECOND).await;
        let stats = layer.handle().stats();
        assert_eq!((stats.judge_failures, stats.judged_right + stats.judged_wrong), (1, 0), "{says}");
        assert_eq!(read(&cache, chat(&sky(2), false)).await.0, EXPLORED, "and there is room again");
        assert_eq!(layer.handle().stats().judged_right, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_comparisons_are_made_at_once() {
    let (setup, model) = (Setup::default(), model(&["a", "late", "late", "late"]));
    let layer = setup.with(Learned::new(0.03), |learning| learning.at_once(2));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(0), false)).await;
    setup.explore(true);
    for n in 1..4 {
        read(&cache, chat(&sky(n), false)).await;
    }
    assert_eq!((setup.compared.lock().unwrap().len(), layer.handle().stats().judge_failures), (2, 1));
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(layer.handle().stats().judged_right, 2);
}

#[tokio::test(start_paused = true)]
async fn comparisons_end_with_the_layer() {
    let (setup, model) = (Setup::default(), model(&["a", "hangs"]));
    let layer = setup.layer(Learned::new(0.03));
    let (cache, handle) = (cache(&layer, &model), layer.handle());
    read(&cache, chat(&sky(0), false)).await;
    setup.explore(true);
    read(&cache, chat(&sky(1), false)).await;
    assert_eq!(setup.compared.lock().unwrap().len(), 1);
    drop((cache, layer));
    settle().await;
    assert!(Arc::strong_count(&setup.compared) > 1, "the handle is one of those that keep it alive");
    drop(handle);
    settle().await;
    assert_eq!(Arc::strong_count(&setup.compared), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_heard_to_its_end_is_compared_only_if_it_was_complete() {
    for (chunks, comparisons) in [(2, 0), (4, 1)] {
        let setup = Setup::default();
        // It never ends by itself.
        let endless = Scripted::new().data(content("fresh")).data(STOP).data(USAGE).data(DONE).forever();
        let model = Model::default().then(whole(&completion("kept"))).then(events(endless));
        let layer = setup.layer(Learned::new(0.03));
        let cache = cache(&layer, &model);
        read(&cache, chat(&sky(0), false)).await;
        setup.explore(true);
        let mut answer = ask(&cache, chat(&sky(1), true)).await;
        for _ in 0..chunks {
            answer.body_mut().frame().await.unwrap().unwrap();
        }
        drop(answer);
        settle().await;
        assert_eq!(setup.compared.lock().unwrap().len(), comparisons, "after {chunks} chunks");
        assert_eq!(layer.handle().stats().explored, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_answer_begins_is_not_compared() {
    let setup = Setup::default();
    let model =
        Model::default().then(whole(&completion("kept"))).after(5 * SECOND, whole(&completion("fresh")));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(0), false)).await;
    setup.explore(true);
    let left = tokio::time::timeout(SECOND, ask(&cache, chat(&sky(1), false))).await;
    assert!(left.is_err());
    settle().await;
    assert_eq!(setup.compared.lock().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_calls_a_tool_is_compared_though_it_is_not_kept() {
    let setup = Setup::default();
    let mut call = completion("");
    call["choices"][0]["finish_reason"] = "tool_calls".into();
    call["choices"][0]["message"] = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "other", "arguments": "{}"}},
    ]});
    let model = Model::default().then(whole(&completion("kept"))).then(whole(&call));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(0), false)).await;
    setup.explore(true);
    read(&cache, chat(&sky(1), false)).await;
    let stats = layer.handle().stats();
    assert_eq!((stats.judged_wrong, stats.stored), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn no_request_fails_for_being_explored() {
    let broken = || Response::builder().status(502).body(Scripted::new().data("broken").eager()).unwrap();
    for (from, is_given) in [(Some(0.5), true), (None, false)] {
        let setup = Setup::default();
        let model = Model::default().then(whole(&completion("kept"))).then(broken());
        let layer = setup.layer(Learned::new(0.03).until_proven(from));
        let cache = cache(&layer, &model);
        read(&cache, chat(&sky(0), false)).await;
        setup.explore(true);
        let answer = ask(&cache, chat(&sky(1), false)).await;
        assert_eq!(answer.status(), if is_given { 200 } else { 502 });
        assert_eq!(text(answer).await.contains("kept"), is_given);
        let stats = layer.handle().stats();
        assert_eq!((stats.similar, stats.explored), (u64::from(is_given), 1));
        settle().await;
        assert_eq!(setup.compared.lock().unwrap().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn who_could_not_be_given_the_kept_answer_hears_how_the_upstream_failed() {
    let broken = Response::builder().status(502).body(Scripted::new().data("broken").eager()).unwrap();
    // Without its usage it is for those only who need not be told.
    let silent = Scripted::new().data(content("kept")).data(STOP).data(DONE);
    let (setup, model) = (Setup::default(), Model::default().then(events(silent)).then(broken));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(0), true)).await;
    setup.explore(true);
    assert_eq!(read(&cache, chat(&sky(1), false)).await, (EXPLORED.into(), "broken".into()));
}

#[tokio::test(start_paused = true)]
async fn a_question_is_not_compared_with_itself() {
    let silent = Scripted::new().data(content("kept")).data(STOP).data(DONE);
    let model = Model::default().then(events(silent)).then(whole(&completion("fresh")));
    let setup = Setup::default();
    let cache = cache(&setup.layer(Learned::new(0.03)), &model);
    read(&cache, chat(&sky(0), true)).await;
    setup.explore(true);
    // The kept answer has no usage, so this is a call.
    assert_eq!(read(&cache, chat(&sky(0), false)).await.0, MISS);
    assert_eq!(setup.compared.lock().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_call_is_not_explored() {
    let (setup, model) = (Setup::default(), model(&["a"]));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(0), false)).await;
    setup.explore(true);
    let (status, _) = read(&cache, with(chat(&sky(1), false), "cache-control", "only-if-cached")).await;
    assert!(status.contains("semantic"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn what_is_learned_of_one_partition_says_nothing_of_another() {
    let (setup, model) = (Setup::default(), model(&["a", "other", "c", "d"]));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    let theirs = |question: &str| with(chat(question, false), "x-tenant", "other");
    read(&cache, chat(&sky(5), false)).await;
    setup.explore(true);
    read(&cache, chat(&sky(0), false)).await;
    setup.explore(false);
    read(&cache, theirs(&sky(5))).await;
    assert!(read(&cache, theirs(&sky(9))).await.0.contains("semantic"));
    assert_eq!(read(&cache, chat(&sky(9), false)).await.0, MISS);
    assert_eq!(layer.handle().proven().len(), 1);
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn what_was_refused_explored_and_judged_is_published() {
    let (setup, model) = (Setup::default(), model(&["a", "other", "c"]));
    let layer = setup.layer(Learned::new(0.03));
    let cache = cache(&layer, &model);
    read(&cache, chat(&sky(0), false)).await;
    setup.explore(true);
    read(&cache, chat(&sky(1), false)).await;
    read(&cache, chat("Why is the sky not blue?", false)).await;
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let (handle, rendered) = (layer.handle(), recorder.handle());
    metrics::with_local_recorder(&recorder, || {
        handle.publish();
        handle.publish();
    });
    let rendered = rendered.render();
    for line in [
        "cache_requests_total{answer=\"miss\"} 3",
        "cache_comparisons_total{judged=\"wrong\"} 1",
        "cache_refusals_total{rule=\"negation\"} 2",
        "cache_refusals_total{rule=\"verifier\"} 0",
        "cache_explored_total 1",
    ] {
        assert!(rendered.lines().any(|known| known == line), "{line} is not in\n{rendered}");
    }
}
