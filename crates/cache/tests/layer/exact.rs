//! The same question has the same answer, and any other has not.

use dashpot_cache::{CacheLayer, Keep, MemoryStore};
use dashpot_wire::{
    dialect::Dialect,
    modes::{Collect, expand},
};
use serde_json::{Value, json};

use crate::support::{
    CHAT, DONE, MESSAGES, Model, STOP, cache, chat, completion, content, events, layer, post, read, said,
    whole, with,
};

fn collect(dialect: Dialect, stream: &str) -> Value {
    let mut collect = Collect::new(dialect, 1 << 20).unwrap();
    collect.push(stream.as_bytes()).unwrap();
    collect.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_answered_once_whole_and_as_a_stream() {
    for first in [false, true] {
        let model = Model::default().then(if first { events(said("Hi")) } else { whole(&completion("Hi")) });
        let layer = layer();
        let cache = cache(&layer, &model);
        let (status, _) = read(&cache, chat("Why?", first)).await;
        assert_eq!(status, "dashpot; fwd=miss");
        let (status, text) = read(&cache, chat("Why?", false)).await;
        assert!(status.starts_with("dashpot; hit; ttl=3"), "{status}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], "Hi");
        assert_eq!(answer["usage"]["total_tokens"], 3);
        let (status, text) = read(&cache, chat("Why?", true)).await;
        assert!(status.starts_with("dashpot; hit"), "{status}");
        assert_eq!(collect(Dialect::OpenAiChat, &text)["choices"][0]["message"]["content"], "Hi");
        assert!(!text.contains("usage"), "nobody asked for it: {text}");
        assert_eq!(model.calls(), 1);
        let stats = layer.handle().stats();
        assert_eq!((stats.exact, stats.misses, stats.stored, layer.handle().store().len()), (2, 1, 1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_usage_is_not_given_to_who_is_told_it() {
    let silent = || dashpot_testkit::body::Scripted::new().data(content("Hi")).data(STOP).data(DONE);
    let model = Model::default().then(events(silent())).then(whole(&completion("Ho")));
    let cache = cache(&layer(), &model);
    read(&cache, chat("Why?", true)).await;
    assert!(read(&cache, chat("Why?", true)).await.0.contains("hit"));
    let (status, text) = read(&cache, chat("Why?", false)).await;
    assert_eq!((status.as_str(), text.contains("Ho")), ("dashpot; fwd=miss", true));
    // From then on there is one for all.
    assert!(read(&cache, chat("Why?", false)).await.0.contains("hit"));
    assert!(read(&cache, chat("Why?", true)).await.1.contains("Ho"));
    assert_eq!(model.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn every_api_is_kept_in_its_own_words() {
    let message = json!({
        "id": "a", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "Hi"}],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    });
    let response = json!({
        "id": "r", "object": "response", "status": "completed", "model": "m", "error": null,
        "output": [{"id": "o", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    });
    let turns = json!([{"role": "user", "content": "Why?"}]);
    for (dialect, path, answer, question) in [
        (Dialect::OpenAiChat, CHAT, completion("Hi"), json!({"messages": turns})),
        (Dialect::AnthropicMessages, MESSAGES, message, json!({"messages": turns})),
        (Dialect::OpenAiResponses, "/v1/responses", response, json!({"input": "Why?"})),
    ] {
        let ask = |stream: bool| {
            let mut question = question.clone();
            question["stream"] = stream.into();
            post(path, &question)
        };
        let stream = expand(dialect, &answer, true, 1 << 20).unwrap();
        for model in [
            Model::default().then(whole(&answer)),
            Model::default().then(events(dashpot_testkit::body::Scripted::new().data(stream.clone()))),
        ] {
            let cache = cache(&layer(), &model);
            let first = model.asked().is_empty();
            read(&cache, ask(!first)).await;
            let (_, text) = read(&cache, ask(false)).await;
            let (_, stream) = read(&cache, ask(true)).await;
            assert_eq!(model.calls(), 1, "{dialect:?}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), answer);
            let mut expected = answer.clone();
            if dialect == Dialect::OpenAiChat {
                expected.as_object_mut().unwrap().remove("usage");
            }
            assert_eq!(collect(dialect, &stream), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn embeddings_and_completions_are_kept_as_they_are() {
    let embedding =
        json!({"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "usage": {"total_tokens": 1}});
    let model = Model::default().then(whole(&embedding));
    let embeddings = cache(&layer(), &model);
    let ask = || post("/v1/embeddings", &json!({"model": "e", "input": "text"}));
    let (_, first) = read(&embeddings, ask()).await;
    assert_eq!(read(&embeddings, ask()).await.1, first);

    let completion = json!({"id": "c", "choices": [{"text": "Hi", "index": 0, "finish_reason": "stop"}]});
    let stream = format!("data: {completion}\n\n{DONE}");
    let streaming = events(dashpot_testkit::body::Scripted::new().data(stream.clone()));
    let model = Model::default().then(streaming).then(whole(&completion));
    let completions = cache(&layer(), &model);
    let ask =
        |stream: bool| post("/v1/completions", &json!({"model": "c", "prompt": "text", "stream": stream}));
    for expected in ["dashpot; fwd=miss", "dashpot; hit"] {
        for wants_stream in [true, false] {
            let (status, text) = read(&completions, ask(wants_stream)).await;
            assert!(status.starts_with(expected), "{status}");
            assert_eq!(text, if wants_stream { stream.clone() } else { completion.to_string() });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_has_the_answer_of_another_tenant() {
    let model = Model::default().then(whole(&completion("mine"))).then(whole(&completion("yours")));
    let layer = layer();
    let cache = cache(&layer, &model);
    read(&cache, chat("Why?", false)).await;
    let (status, text) = read(&cache, with(chat("Why?", false), "x-tenant", "Acme")).await;
    assert_eq!((status.as_str(), text.contains("yours")), ("dashpot; fwd=miss", true));
    assert!(read(&cache, chat("Why?", false)).await.1.contains("mine"));
}

#[tokio::test(start_paused = true)]
async fn who_belongs_to_no_tenant_is_not_kept_unless_all_share() {
    let mut nobody = chat("Why?", false);
    nobody.headers_mut().remove("x-tenant");
    let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
    let cache = cache(&layer(), &model);
    let request = || {
        let mut request = chat("Why?", false);
        request.headers_mut().remove("x-tenant");
        request
    };
    assert_eq!(read(&cache, request()).await.0, "", "it passes untouched");
    assert!(read(&cache, request()).await.1.contains('b'));

    let model = Model::default().then(whole(&completion("a")));
    let shared = CacheLayer::shared_by_all(MemoryStore::new(1 << 20));
    let shared = crate::support::cache(&shared, &model);
    read(&shared, request()).await;
    assert!(read(&shared, with(chat("Why?", false), "x-tenant", "other")).await.0.contains("hit"));
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_variety_gets_it() {
    let ask = |field: &str, value: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Why?"}]});
        body[field] = value;
        post(CHAT, &body)
    };
    for (field, value, is_kept) in [
        ("temperature", json!(1.1), false),
        ("temperature", json!(1), true),
        ("temperature", json!(0), true),
        ("temperature", json!(null), true),
        ("n", json!(2), false),
        ("n", json!(1), true),
        ("best_of", json!(3), false),
    ] {
        let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
        let cache = cache(&layer(), &model);
        read(&cache, ask(field, value.clone())).await;
        let (status, _) = read(&cache, ask(field, value.clone())).await;
        assert_eq!(status.contains("hit"), is_kept, "{field} {value}: {status}");
        assert_eq!(status.contains("bypass"), !is_kept, "{field} {value}: {status}");
    }
    // What says nothing is as warm as the API's default.
    let model = Model::default().then(whole(&completion("a")));
    let cool = layer().max_temperature(0.3);
    let cache = cache(&cool, &model);
    assert_eq!(read(&cache, chat("Why?", false)).await.0, "dashpot; fwd=bypass");
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_or_a_limit_ended_is_kept_only_if_it_is_wanted() {
    let call = json!([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let with = |reason: &str, field: &str, value: Value| {
        let mut answer = completion("Hi");
        answer["choices"][0]["finish_reason"] = reason.into();
        answer["choices"][0]["message"][field] = value;
        answer
    };
    for (answer, plain, keep) in [
        (with("stop", "x", json!(1)), true, Keep::default()),
        (with("tool_calls", "tool_calls", call.clone()), false, Keep::default().tool_calls()),
        (with("stop", "tool_calls", call), false, Keep::default().tool_calls()),
        (with("length", "x", json!(1)), false, Keep::default().cut_off()),
    ] {
        for (layer, is_kept) in [(layer(), plain), (layer().keep(keep), true)] {
            let model = Model::default().then(whole(&answer)).then(whole(&answer));
            let cache = cache(&layer, &model);
            read(&cache, chat("Why?", false)).await;
            assert_eq!(read(&cache, chat("Why?", false)).await.0.contains("hit"), is_kept, "{answer}");
        }
    }
    let all = Keep::default().tool_calls().cut_off();
    for answer in [
        with("content_filter", "x", json!(1)),
        with("stop", "refusal", json!("no")),
        json!({"error": {"message": "no"}}),
        json!({"choices": []}),
        json!([]),
    ] {
        let model = Model::default().then(whole(&answer)).then(whole(&answer));
        let cache = cache(&layer().keep(all), &model);
        read(&cache, chat("Why?", false)).await;
        assert!(!read(&cache, chat("Why?", false)).await.0.contains("hit"), "{answer}");
    }
}
