//! Answers that come whole.

use dashpot_core::{BodyReport, Outcome};
use dashpot_testkit::body::Scripted;
use http::{Request, Response};
use http_body_util::BodyExt;

use crate::support::{CHAT, MESSAGES, exchange, post};

const ANSWER: &str =
    r#"{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":7,"completion_tokens":5}}"#;
const QUOTA: &str = r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"pay"}}"#;
const RATE: &str = r#"{"error":{"type":"requests","code":"rate_limit_exceeded","message":"slower"}}"#;

/// What is reported of a JSON answer, given in pieces of so many bytes; its bytes must be the same.
async fn report(request: Request<()>, status: u16, json: &'static str, piece: usize) -> BodyReport {
    let script = json.as_bytes().chunks(piece).fold(Scripted::new(), |script, piece| script.data(piece));
    let answer = Response::builder().status(status).header("content-type", "application/json; charset=utf-8");
    let (response, log, handle) = exchange(request, answer.body(script.exact()).unwrap()).await;
    let report = response.extensions().get::<BodyReport>().unwrap().clone();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), json);
    assert!(log.told().is_empty() && handle.stats().started == 0, "it is no stream");
    report
}

#[tokio::test]
async fn the_tokens_of_a_whole_answer_are_reported() {
    for piece in [1, 7, 1000] {
        let report = report(post(CHAT), 200, ANSWER, piece).await;
        assert_eq!((report.input_tokens(), report.output_tokens()), (Some(7), Some(5)), "{piece}");
        assert_eq!((report.outcome(), report.first_content()), (None, None), "that the status says");
    }
    let anthropic = r#"{"content":[{"text":"Hi"}],"usage":{"input_tokens":3,"output_tokens":2}}"#;
    let report = report(post(MESSAGES), 200, anthropic, 10).await;
    assert_eq!((report.input_tokens(), report.output_tokens()), (Some(3), Some(2)));
}

#[tokio::test]
async fn a_spent_allowance_is_told_from_a_rate_limit() {
    let quota = Outcome::RateLimited { quota: true, retry_after: None };
    assert_eq!(report(post(CHAT), 429, QUOTA, 9).await.outcome(), Some(quota));
    assert_eq!(report(post(CHAT), 429, RATE, 9).await.outcome(), None);
    assert_eq!(report(post(CHAT), 500, "{\"error\":", 9).await.outcome(), None);
}

#[tokio::test]
async fn what_is_encoded_or_of_no_dialect_is_not_read() {
    let json = || Response::builder().status(429).header("content-type", "application/json");
    let encoded = json().header("content-encoding", "gzip").body(Scripted::new().data(QUOTA)).unwrap();
    let (response, ..) = exchange(post(CHAT), encoded).await;
    assert!(response.extensions().get::<BodyReport>().is_none());
    let (response, ..) = exchange(post("/"), json().body(Scripted::new().data(QUOTA)).unwrap()).await;
    assert!(response.extensions().get::<BodyReport>().is_none());
}
