use std::{pin::pin, time::Duration};

use bytes::Bytes;
use dashpot::core::Rejection;
use futures_util::FutureExt;
use http::{Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use memchr::memmem;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt};

use crate::scenario::gap_seconds;

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(crate) fn http() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// A client behind a limit.
pub(crate) trait Limited:
    Service<Request<Full<Bytes>>, Response = Response<Self::Body>, Future: Send> + Clone + Send + 'static
{
    type Body: Body<Data = Bytes> + Send;
}

impl<S, B> Limited for S
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes> + Send,
{
    type Body = B;
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Served {
        /// From the request until its first token.
        first: Duration,
        end: Instant,
    },
    /// The limit refused it.
    Shed,
    /// The client gave up.
    Left,
    Failed,
}

/// One request, from a client that waits so long and no longer.
pub(crate) async fn exchange<S: Limited>(
    mut service: S,
    request: Request<Full<Bytes>>,
    stream: bool,
) -> Outcome {
    let start = Instant::now();
    // As tower's `LoadShed` does.
    match service.ready().now_or_never() {
        None => return Outcome::Shed,
        Some(Err(_)) => return Outcome::Failed,
        Some(Ok(_)) => {}
    }
    let patience = Duration::from_secs(if stream { 1 } else { 5 });
    let first = async {
        let response = service.call(request).await.map_err(|_| Outcome::Failed)?;
        if response.extensions().get::<Rejection>().is_some() {
            return Err(Outcome::Shed);
        }
        if !response.status().is_success() {
            return Err(Outcome::Failed);
        }
        let mut body = Box::pin(response.into_body());
        if !stream {
            return Ok((whole(body.as_mut()).await.ok_or(Outcome::Failed)?, body));
        }
        loop {
            let frame = body.frame().await.and_then(Result::ok).ok_or(Outcome::Failed)?;
            if frame.data_ref().is_some_and(|data| has_content(data)) {
                return Ok((Duration::ZERO, body));
            }
        }
    };
    match timeout_at(start + patience, first).await {
        Err(_) => Outcome::Left,
        Ok(Err(outcome)) => outcome,
        Ok(Ok((other_tokens, body))) => {
            let first = (Instant::now() - start).saturating_sub(other_tokens);
            let mut body = pin!(body);
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return Outcome::Failed;
                }
            }
            Outcome::Served { first, end: Instant::now() }
        }
    }
}

pub(crate) fn request(server: &str, number: usize, stream: bool) -> Request<Full<Bytes>> {
    // Each is another one, and so are the lengths of the answers.
    let messages = json!([{"role": "user", "content": format!("Question {number}")}]);
    let body = json!({"model": "dashpot-small", "stream": stream, "messages": messages}).to_string();
    Request::post(format!("{server}/v1/chat/completions"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .expect("these are valid")
}

/// Whether text is in this part of a stream; its first event only says who speaks.
fn has_content(part: &[u8]) -> bool {
    const CONTENT: &[u8] = b"\"content\":\"";
    memmem::find_iter(part, CONTENT).any(|at| part.get(at + CONTENT.len()).is_some_and(|&next| next != b'"'))
}

/// Reads an answer: how long it took to write all tokens of it but the first.
async fn whole<B: Body<Data = Bytes>>(body: std::pin::Pin<&mut B>) -> Option<Duration> {
    let body = body.collect().await.ok()?.to_bytes();
    let answer: Value = serde_json::from_slice(&body).ok()?;
    let tokens = answer["usage"]["completion_tokens"].as_u64()?;
    Some(Duration::from_secs_f64(tokens.saturating_sub(1) as f64 * gap_seconds()))
}
