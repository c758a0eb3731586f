//! An embeddings upstream over HTTP, asked through hyper's client and a limit: a server that answers as OpenAI's does,
//! with all that a client can be wrong about.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use axum::{Router, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dashpot::{
    core::Embedding,
    embed::{OpenAiEmbedder, UpstreamError},
    limit::{Limit, LimitLayer},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};

/// How many texts a request may have.
const MOST: usize = 2_048;

/// Of no meaning, but of each text another.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let byte = |i: usize| f32::from(text.as_bytes()[i % text.len()]);
    (0..dimensions).map(|i| byte(i) * (i + text.len()) as f32 - 300.0).collect()
}

async fn answer(headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let refuse = |status, message: &str, kind: &str| {
        (
            status,
            json!({"error": {"message": message, "type": kind, "param": null, "code": null}}).to_string(),
        )
    };
    if headers.get("authorization").is_none_or(|value| value != "Bearer right") {
        return refuse(StatusCode::UNAUTHORIZED, "Incorrect API key provided", "invalid_request_error");
    }
    let asked: Value = serde_json::from_slice(&body).unwrap();
    if asked["model"] != "small" {
        return refuse(StatusCode::NOT_FOUND, "The model does not exist", "invalid_request_error");
    }
    let texts: Vec<_> =
        asked["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    if texts.is_empty() || texts.len() > MOST || texts.contains(&"") {
        return refuse(StatusCode::BAD_REQUEST, "'$.input' is invalid", "invalid_request_error");
    }
    let dimensions = asked["dimensions"].as_u64().unwrap_or(1536) as usize;
    let data = texts.iter().enumerate().map(|(index, text)| {
        let numbers = vector(text, dimensions);
        let embedding = match asked["encoding_format"].as_str().unwrap() {
            "float" => json!(numbers),
            "base64" => {
                json!(STANDARD.encode(numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()))
            }
            other => panic!("{other}"),
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    // In any order: only the index says which is which.
    let data: Vec<_> = data.rev().collect();
    let usage = json!({"prompt_tokens": 8, "total_tokens": 8});
    (StatusCode::OK, json!({"object": "list", "data": data, "model": "small", "usage": usage}).to_string())
}

async fn server() -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/v1/embeddings", post(answer));
    tokio::spawn(axum::serve(listener, app).into_future());
    format!("http://{address}/v1/embeddings").parse().unwrap()
}

type Asked = Result<Vec<Option<Embedding>>, Box<dyn std::error::Error + Send + Sync>>;

type Upstream = Limit<Client<HttpConnector, Full<Bytes>>>;

fn embedder(uri: Uri, model: &str, key: &'static str) -> OpenAiEmbedder<Upstream> {
    let client = ServiceBuilder::new()
        .layer(LimitLayer::new())
        .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
    OpenAiEmbedder::new(client, uri, model).authorization(HeaderValue::from_static(key))
}

fn texts(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|i| format!("text {i} \u{1f600}\n\"").into()).collect()
}

fn expected(texts: &[Arc<str>], dimensions: usize) -> Vec<Option<Embedding>> {
    texts.iter().map(|text| Embedding::new(&vector(text, dimensions))).collect()
}

fn refusal(asked: Asked) -> (StatusCode, String) {
    let error = asked.unwrap_err();
    let refusal = error.downcast_ref::<UpstreamError>().unwrap();
    (refusal.status(), refusal.to_string())
}

#[tokio::test]
async fn each_text_gets_its_own_vector_whatever_the_order_and_the_encoding() {
    let uri = server().await;
    let plain = embedder(uri, "small", "Bearer right");
    let texts = texts(100);
    let mut vectors = expected(&texts, 1536);
    assert_eq!(plain.clone().oneshot(texts.clone()).await.unwrap(), vectors, "as numbers");
    assert_eq!(plain.clone().base64().oneshot(texts.clone()).await.unwrap(), vectors, "as base64");
    vectors = expected(&texts, 64);
    assert_eq!(plain.clone().dimensions(64).oneshot(texts.clone()).await.unwrap(), vectors, "shorter");
    let largest = plain.base64().oneshot(self::texts(MOST)).await.unwrap();
    assert_eq!(largest, expected(&self::texts(MOST), 1536), "as many as go into one request");
}

#[tokio::test]
async fn what_the_upstream_refuses_is_an_error_with_its_words() {
    let uri = server().await;
    let ask = |model, key, texts| embedder(uri.clone(), model, key).oneshot(texts);
    let (status, said) = refusal(ask("small", "Bearer wrong", texts(1)).await);
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(said.ends_with("Incorrect API key provided") && !said.contains("wrong"), "{said}");
    assert_eq!(refusal(ask("none", "Bearer right", texts(1)).await).0, StatusCode::NOT_FOUND);
    assert_eq!(refusal(ask("small", "Bearer right", texts(MOST + 1)).await).0, StatusCode::BAD_REQUEST);
    assert_eq!(refusal(ask("small", "Bearer right", vec!["".into()]).await).0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/v1/embeddings", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = embedder(uri, "small", "Bearer right").oneshot(texts(1)).await.unwrap_err();
    assert!(error.is::<hyper_util::client::legacy::Error>(), "{error}");
}
