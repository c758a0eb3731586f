//! Streams that cannot be given to everybody: of an API whose streams cannot be made whole, and without usage.

use dashpot_testkit::body::Scripted;
use futures_util::future::join_all;
use http::Response;
use serde_json::{Value, json};

use crate::support::{
    Asking, CHAT, DONE, Model, SECOND, STOP, cache, completion, content, events, layer, post, read, said,
    whole,
};

/// Whether the second of two equal questions is answered from what was kept of this answer.
async fn is_kept(request: &dyn Fn() -> Asking, answer: Response<Scripted>) -> bool {
    let model = Model::default().then(answer).then(whole(&completion("again")));
    let cache = cache(&layer(), &model);
    read(&cache, request()).await;
    read(&cache, request()).await.0.contains("hit")
}

fn complete(index: u32, text: &str, reason: &str) -> String {
    let choice = json!({"index": index, "text": text, "finish_reason": if reason.is_empty() { Value::Null } else { reason.into() }});
    format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_made_whole_is_given_as_one_only() {
    let stream = format!("{}{DONE}", complete(0, "Hi", "stop"));
    let ask = || post("/v1/completions", &json!({"model": "c", "prompt": "text"}));
    // An upstream that streams although nobody asked for it.
    assert!(!is_kept(&ask, events(Scripted::new().data(stream))).await);
}

#[tokio::test(start_paused = true)]
async fn who_is_to_be_told_the_usage_of_a_completion_is_told_it() {
    let ask = |include_usage: bool| {
        let options = json!({"include_usage": include_usage});
        post(
            "/v1/completions",
            &json!({"model": "c", "prompt": "a", "stream": true, "stream_options": options}),
        )
    };
    let silent = format!("{}{DONE}", complete(0, "Hi", "stop"));
    let usage = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";
    let telling = format!("{}{usage}{DONE}", complete(0, "Hi", "stop"));
    for first in [false, true] {
        let answer =
            |tells: bool| events(Scripted::new().data(if tells { &telling } else { &silent }.clone()));
        let model = Model::default().then(answer(first)).then(answer(!first));
        let cache = cache(&layer(), &model);
        for tells in [first, !first, first, !first] {
            assert_eq!(read(&cache, ask(tells)).await.1.contains("usage"), tells);
        }
        assert_eq!(model.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_several_completions_is_kept_only_if_all_ended_by_themselves() {
    let ask = || post("/v1/completions", &json!({"model": "c", "prompt": ["a", "b"], "stream": true}));
    for (first, second, expected) in [
        ("stop", "stop", true),
        ("length", "stop", false),
        ("content_filter", "stop", false),
        ("", "stop", false),
        ("stop", "", false),
    ] {
        for end in [DONE, "data: [DONE]\r\n\r\n"] {
            let stream = [complete(0, "a", first), complete(1, "b", ""), complete(1, "", second), end.into()];
            let kept = is_kept(&ask, events(Scripted::new().data(stream.concat()))).await;
            assert_eq!(kept, expected, "{first}, {second}");
        }
    }
    for odd in [
        "data: {\"choices\":[],\"error\":{\"message\":\"no\"}}\n\n",
        "data: x\n\n",
        "data: [1]\n\n",
        "data: {\"choices\":[1]}\n\n",
        "data: {\"error\":{\"message\":\"no\"}}\n\n",
    ] {
        let stream = [&complete(0, "a", "stop"), odd, DONE].concat();
        assert!(!is_kept(&ask, events(Scripted::new().data(stream))).await, "{odd}");
    }
    let endless = Scripted::new().data(complete(0, "a", "stop"));
    assert!(!is_kept(&ask, events(endless)).await, "it does not say that it is over");
}

fn chat_told(include_usage: bool) -> Asking {
    let turns = json!([{"role": "user", "content": "Why?"}]);
    let options = json!({"include_usage": include_usage});
    post(CHAT, &json!({"model": "m", "messages": turns, "stream": true, "stream_options": options}))
}

#[tokio::test(start_paused = true)]
async fn who_is_to_be_told_the_usage_of_a_stream_shares_it_with_who_is_told_too() {
    let silent = Scripted::new().data(content("Hi")).data(STOP).data(DONE);
    let model = Model::default().after(SECOND, events(silent)).after(SECOND, events(said("Hi")));
    let cache = cache(&layer(), &model);
    let both = [false, true].map(|told| read(&cache, chat_told(told)));
    let heard: Vec<_> = join_all(both).await.into_iter().map(|(_, text)| text.contains("usage")).collect();
    assert_eq!((heard, model.calls()), (vec![false, true], 2));
}

#[tokio::test(start_paused = true)]
async fn a_kept_stream_without_usage_is_not_given_to_who_is_to_be_told_it() {
    let silent = Scripted::new().data(content("Hi")).data(STOP).data(DONE);
    let model = Model::default().then(events(silent)).then(events(said("Hi")));
    let cache = cache(&layer(), &model);
    for (told, expected) in [(false, "miss"), (false, "hit"), (true, "miss"), (true, "hit"), (false, "hit")] {
        let (status, text) = read(&cache, chat_told(told)).await;
        assert!(status.contains(expected), "{status}");
        assert_eq!(text.contains("usage"), told && text.contains("total_tokens"), "{text}");
        assert!(!told || text.contains("total_tokens"), "{text}");
    }
}
