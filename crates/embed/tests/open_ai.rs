//! An embeddings upstream, asked as OpenAI's is.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{convert::Infallible, error::Error, sync::Arc};

use bytes::Bytes;
use dashpot_core::Embedding;
use dashpot_embed::{BadAnswer, OpenAiEmbedder, UpstreamError};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Service, ServiceExt, service_fn};

const ADDRESS: &str = "http://models.test:8080/v1/embeddings";

type Asked = Request<Full<Bytes>>;

async fn json_of(request: Asked) -> Value {
    serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Arc<str>> {
    texts.map(Arc::from).into()
}

/// What comes out where the upstream answers so.
async fn answered(
    status: u16,
    body: impl Into<Bytes>,
) -> Result<Vec<Option<Embedding>>, Box<dyn Error + Send + Sync>> {
    let body = body.into();
    let upstream = service_fn(move |_: Asked| {
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    OpenAiEmbedder::new(upstream, Uri::from_static(ADDRESS), "small").oneshot(texts(["a"])).await
}

#[tokio::test]
async fn all_texts_of_a_call_are_one_request() {
    let upstream = service_fn(async |request: Asked| {
        assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", ADDRESS.into()));
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.headers()["authorization"], "Bearer key");
        let asked = json_of(request).await;
        assert_eq!(
            asked,
            json!({"model": "small", "input": ["a", "b\n"], "encoding_format": "base64", "dimensions": 2})
        );
        let answer = json!({"data": [{"index": 1, "embedding": [1, 0]}, {"index": 0, "embedding": [0, 1]}]});
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(answer.to_string())))
    });
    let mut embedder = OpenAiEmbedder::new(upstream, Uri::from_static(ADDRESS), "small")
        .authorization(HeaderValue::from_static("Bearer key"))
        .dimensions(2)
        .base64();
    assert_eq!(embedder.id(), "openai/models.test:8080/v1/embeddings/small/2");
    assert!(!format!("{embedder:?}").contains("key"));
    let embeddings = embedder.ready().await.unwrap().call(texts(["a", "b\n"])).await.unwrap();
    assert_eq!(embeddings, [Embedding::new(&[0.0, 1.0]), Embedding::new(&[1.0, 0.0])]);
}

#[tokio::test]
async fn a_refusal_is_an_error_with_its_status_and_message() {
    let error = answered(400, r#"{"error":{"message":"too many tokens"}}"#).await.unwrap_err();
    let refusal = error.downcast_ref::<UpstreamError>().unwrap();
    assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refusal.to_string(), "the embeddings upstream answered 400 Bad Request: too many tokens");
}

#[tokio::test]
async fn an_answer_to_something_else_is_an_error() {
    let error = answered(200, r#"{"data":[]}"#).await.unwrap_err();
    assert!(error.is::<BadAnswer>(), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    let error = answered(200, vec![b' '; 1 << 20]).await.unwrap_err();
    assert!(error.is::<BadAnswer>() && error.to_string().contains("more than 327680 bytes"), "{error}");
}

#[tokio::test]
async fn an_error_of_the_client_passes_unchanged() {
    let upstream = service_fn(async |_: Asked| Err::<Response<Full<Bytes>>, _>(std::fmt::Error));
    let error = OpenAiEmbedder::new(upstream, Uri::from_static(ADDRESS), "small")
        .oneshot(texts(["a"]))
        .await
        .unwrap_err();
    assert!(error.is::<std::fmt::Error>());
}
