//! What the tests share.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_cache::{Cache, CacheLayer, MemoryStore, RequestBody, ResponseBody, Store};
use dashpot_core::Tenant;
use dashpot_testkit::body::Scripted;
use http::{Request, Response, header, request::Parts};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) type Answer = Response<ResponseBody<Scripted>>;
pub(crate) type Asking = Request<Full<Bytes>>;

/// A model that gives these answers in this order, and counts the calls.
#[derive(Clone, Default)]
pub(crate) struct Model(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<(Duration, Response<Scripted>)>,
    asked: Vec<String>,
}

impl Model {
    pub(crate) fn then(self, answer: Response<Scripted>) -> Self {
        self.after(Duration::ZERO, answer)
    }

    /// An answer whose head comes so late.
    pub(crate) fn after(self, time: Duration, answer: Response<Scripted>) -> Self {
        self.0.lock().unwrap().answers.push_back((time, answer));
        self
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }
}

impl Service<Request<RequestBody<Full<Bytes>>>> for Model {
    type Response = Response<Scripted>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Scripted>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<Full<Bytes>>>) -> Self::Future {
        let (time, answer) =
            self.0.lock().unwrap().answers.pop_front().expect("the model is asked too often");
        let state = self.0.clone();
        Box::pin(async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            state.lock().unwrap().asked.push(String::from_utf8(body.to_vec()).unwrap());
            tokio::time::sleep(time).await;
            Ok(answer)
        })
    }
}

/// The tenant is in a header.
pub(crate) fn tenant(head: &Parts) -> Option<Tenant> {
    Tenant::new(head.headers.get("x-tenant")?.to_str().ok()?)
}

pub(crate) fn layer() -> CacheLayer<MemoryStore> {
    CacheLayer::new(MemoryStore::new(1 << 24), tenant)
}

pub(crate) fn cache<St: Store>(layer: &CacheLayer<St>, model: &Model) -> Cache<Model, St> {
    layer.layer(model.clone())
}

pub(crate) fn post(path: &str, body: &Value) -> Asking {
    Request::post(path).header("x-tenant", "acme").body(Full::from(body.to_string())).unwrap()
}

pub(crate) fn chat(text: &str, stream: bool) -> Asking {
    let body = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]});
    post(CHAT, &body)
}

pub(crate) fn with(mut request: Asking, name: &'static str, value: &str) -> Asking {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

pub(crate) fn whole(answer: &Value) -> Response<Scripted> {
    let body = Scripted::new().data(answer.to_string()).exact().eager();
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}

pub(crate) fn events(body: Scripted) -> Response<Scripted> {
    Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(body).unwrap()
}

pub(crate) fn completion(text: &str) -> Value {
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    })
}

pub(crate) fn content(text: &str) -> String {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]});
    format!("data: {chunk}\n\n")
}

pub(crate) const STOP: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub(crate) const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A stream that says this and is complete.
pub(crate) fn said(text: &str) -> Scripted {
    Scripted::new().data(content(text)).data(STOP).data(USAGE).data(DONE)
}

pub(crate) async fn ask<St: Store>(cache: &Cache<Model, St>, request: Asking) -> Answer {
    cache.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn text(answer: Answer) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Asks, and reads the answer to its end; what is to be kept is kept when this is over.
pub(crate) async fn read<St: Store>(cache: &Cache<Model, St>, request: Asking) -> (String, String) {
    let answer = ask(cache, request).await;
    let status = status(&answer);
    let text = text(answer).await;
    settle().await;
    (status, text)
}

/// How the cache says that it answered, without the key.
pub(crate) fn status<B>(answer: &Response<B>) -> String {
    let said = answer.headers().get("cache-status").map_or("", |value| value.to_str().unwrap());
    let parts = said.split("; ").filter(|part| !part.starts_with("key="));
    parts.collect::<Vec<_>>().join("; ")
}

/// Lets all tasks run that can.
pub(crate) async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// The time since then, on the clock that is paused.
pub(crate) fn since(start: Instant) -> Duration {
    Instant::now().saturating_duration_since(start)
}
