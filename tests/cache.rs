//! The gateway's cache, over real sockets: the SDKs see answers and no difference, and nobody sees those of another.

mod support;

use std::time::Duration;

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, End, ModelServer};
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::Gateway;

const ON: [(&str, &str); 1] = [("DASHPOT_GATEWAY_CACHE__MAX_BYTES", "10000000")];

type Caller = Client<HttpConnector, Full<Bytes>>;

fn caller() -> Caller {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn ask(caller: &Caller, gateway: &Gateway, key: &str, stream: bool) -> Response<Incoming> {
    ask_for(caller, gateway, key, stream, "Hello").await
}

async fn ask_for(
    caller: &Caller,
    gateway: &Gateway,
    key: &str,
    stream: bool,
    question: &str,
) -> Response<Incoming> {
    let body =
        format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"{question}"}}]}}"#);
    let request = Request::post(format!("{}/v1/chat/completions", gateway.url()))
        .header("authorization", key)
        // It is a part of the key, and each gateway has a port of its own.
        .header("host", "gateway.example")
        .body(Full::from(body));
    caller.request(request.expect("it is well-formed")).await.expect("there is an answer")
}

fn status(answer: &Response<Incoming>) -> String {
    answer.headers()["cache-status"].to_str().expect("it is text").to_owned()
}

async fn text(answer: Response<Incoming>) -> String {
    let bytes = answer.into_body().collect().await.expect("it ends in order").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_take_kept_answers_for_the_models_own_in_either_mode() {
    for (script, whole, stream) in [
        ("openai_sdk.py", "chat_whole", "chat_in_one_piece"),
        ("openai_sdk.py", "responses_whole", "responses_in_one_piece"),
        ("anthropic_sdk.py", "messages_whole", "messages_in_one_piece"),
    ] {
        let model = ModelServer::start(Config::instant()).expect("it starts");
        let gateway = Gateway::with(&model.url(), &ON);
        for case in [whole, whole, stream, stream] {
            support::run(support::python(script).args([case, gateway.url(), "http1"]));
        }
        assert_eq!(model.log().len(), 1, "{whole}");
    }
    // What came as a stream, with usage, is given whole.
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let gateway = Gateway::with(&model.url(), &ON);
    for case in ["chat_streaming", "chat_whole", "chat_in_one_piece"] {
        support::run(support::python("openai_sdk.py").args([case, gateway.url(), "http2"]));
    }
    assert_eq!(model.log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_what_another_was_answered() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let (gateway, caller) = (Gateway::with(&model.url(), &ON), caller());
    for (key, expected) in [
        ("a", "dashpot; fwd=miss"),
        ("a", "dashpot; hit"),
        ("b", "dashpot; fwd=miss"),
        ("A", "dashpot; fwd=miss"),
    ] {
        let answer = ask(&caller, &gateway, key, false).await;
        assert!(status(&answer).starts_with(expected), "{key}: {}", status(&answer));
        text(answer).await;
        // It is kept beside the answer, and a moment after it.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(model.log().len(), 3);
    // Without a credential nothing is kept, and nothing said of it.
    let request = || {
        Request::post(format!("{}/v1/messages", gateway.url())).body(Full::from(
            r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hello"}]}"#,
        ))
    };
    for calls in [4, 5] {
        let answer = caller.request(request().expect("it is well-formed")).await.expect("there is an answer");
        assert!(!answer.headers().contains_key("cache-status"));
        text(answer).await;
        assert_eq!(model.log().len(), calls);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_the_same_at_once_hear_one_stream_and_who_leaves_leaves_nobody_behind() {
    let model = ModelServer::start(Config {
        ttft_ms: Distribution::Constant(300.0),
        gap_ms: Distribution::Constant(20.0),
        output_tokens: Distribution::Constant(20.0),
        ..Config::default()
    })
    .expect("it starts");
    let gateway = Gateway::with(&model.url(), &ON);
    // Connections of their own, which end with who leaves.
    let first = tokio::time::timeout(Duration::from_millis(450), async {
        text(ask(&caller(), &gateway, "a", true).await).await
    });
    let others = join_all((0..100).map(|_| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        text(ask(&caller(), &gateway, "a", true).await).await
    }));
    let (left, heard) = tokio::join!(first, others);
    assert!(left.is_err(), "it was to leave in mid-stream");
    assert!(heard[0].ends_with("data: [DONE]\n\n"), "{}", heard[0]);
    assert!(heard.iter().all(|one| *one == heard[0]));
    let log = model.log();
    assert!(log.len() == 1 && log[0].ended(End::Complete), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outlive_the_gateway() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("cache");
    let file = file.to_str().expect("it is text");
    let variables = [ON[0], ("DASHPOT_GATEWAY_CACHE__STATE_FILE", file)];
    let mut gateway = Gateway::with(&model.url(), &variables);
    let first = text(ask(&caller(), &gateway, "a", false).await).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    support::run(std::process::Command::new("kill").arg(gateway.pid().to_string()));
    assert!(gateway.wait().success());
    let gateway = Gateway::with(&model.url(), &variables);
    let answer = ask(&caller(), &gateway, "a", false).await;
    assert!(status(&answer).starts_with("dashpot; hit"), "{}", status(&answer));
    assert_eq!(text(answer).await, first);
    assert_eq!(model.log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_take_the_answer_to_the_same_question_in_other_words_in_either_mode() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let folder = support::minilm();
    let folder = folder.to_str().expect("it is text");
    let gateway = Gateway::with(
        &model.url(),
        &[
            ON[0],
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__MODEL", folder),
            // The machine may be busy, and this is no test of how fast it is.
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__BUDGET_MS", "60000"),
        ],
    );
    for case in ["chat_whole", "chat_reworded_whole", "chat_reworded_helper"] {
        support::run(support::python("openai_sdk.py").args([case, gateway.url(), "http1"]));
    }
    assert_eq!(model.log().len(), 1);
    assert_eq!(gateway.metric(r#"cache_requests_total{answer="similar"}"#), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_questions_mean_may_be_asked_of_an_upstream_and_what_it_does_wrong_is_a_miss() {
    let embedder = support::embedder().await;
    let nobody = "http://127.0.0.1:9/v1/embeddings".to_owned();
    let model = ModelServer::start(Config::instant()).expect("it starts");
    for (url, expected) in [(embedder, "hit; "), (nobody, "fwd=miss")] {
        let gateway = Gateway::with(
            &model.url(),
            &[
                ON[0],
                ("DASHPOT_GATEWAY_CACHE__SIMILAR__URL", &url),
                ("DASHPOT_GATEWAY_CACHE__SIMILAR__NAME", "small"),
                ("DASHPOT_GATEWAY_CACHE__SIMILAR__KEY_VARIABLE", "THE_KEY"),
                ("DASHPOT_GATEWAY_CACHE__SIMILAR__BUDGET_MS", "60000"),
                ("THE_KEY", "secret"),
            ],
        );
        for (question, expected) in [
            ("How do I reset the password?", "fwd=miss"),
            ("how do i reset a password", expected),
            ("How do I not reset the password?", "fwd=miss"),
        ] {
            let answer = ask_for(&caller(), &gateway, "a", false, question).await;
            assert_eq!(answer.status(), 200);
            let status = status(&answer);
            assert!(status.starts_with(&format!("dashpot; {expected}")), "{question} {status}");
            text(answer).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_model_equal_requests_are_answered_all_the_same() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let gateway =
        Gateway::with(&model.url(), &[ON[0], ("DASHPOT_GATEWAY_CACHE__SIMILAR__MODEL", "/nonexistent")]);
    for expected in ["dashpot; fwd=miss", "dashpot; hit; "] {
        let answer = ask(&caller(), &gateway, "a", false).await;
        assert!(status(&answer).starts_with(expected), "{}", status(&answer));
        text(answer).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_explored_is_answered_by_the_model_and_judged_beside_it() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let gateway = Gateway::with(
        &model.url(),
        &[
            ON[0],
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__URL", &support::embedder().await),
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__NAME", "small"),
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__KEY_VARIABLE", "THE_KEY"),
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__BUDGET_MS", "60000"),
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__WRONG_AT_MOST", "0.03"),
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__EXPLORE", "1"),
            ("DASHPOT_GATEWAY_CACHE__SIMILAR__JUDGE", "same-text"),
            ("THE_KEY", "secret"),
        ],
    );
    for (question, expected) in [
        ("How do I reset the password?", "dashpot; fwd=miss"),
        ("how do i reset a password", "dashpot; fwd=miss; detail=explored"),
        ("how do i reset a password", "dashpot; hit; "),
    ] {
        let answer = ask_for(&caller(), &gateway, "a", false, question).await;
        let status = status(&answer);
        assert!(status.starts_with(expected), "{question} {status}");
        text(answer).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(gateway.metric("cache_explored_total"), 1);
    let judged = ["right", "wrong"]
        .map(|judged| gateway.metric(&format!(r#"cache_comparisons_total{{judged="{judged}"}}"#)));
    assert_eq!(judged.iter().sum::<u64>(), 1);
}
