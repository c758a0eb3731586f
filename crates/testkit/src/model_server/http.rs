//! Which path leads where, and the life of one exchange.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Fault, Shared, anthropic,
    ask::{Api, Ask},
    body::ReplyBody,
    control,
    errors::{self, Voice},
    gate::{Refusal, Slot},
    log::{End, Entry},
    openai_chat, openai_other, openai_responses,
    pace::Pace,
    reply::Reply,
    script::Script,
    text,
};

pub(super) async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Response<ReplyBody> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/health" || head.uri.path().starts_with("/_control/") {
        return control::handle(&shared, &head, body).await;
    }
    let anthropic = head.headers.contains_key("anthropic-version");
    let api = Api::from_path(head.uri.path());
    let voice = match api {
        Some(api) => Voice::of(api),
        None if anthropic => Voice::Anthropic,
        None => Voice::OpenAi,
    };
    let entry = shared.log.begin(head.method.clone(), head.uri.path().to_owned(), head.headers.clone());
    entry.note(|exchange| exchange.dialect = api.map(Api::name));
    Exchange { slot: None, entry, api, voice, fault: None, shared }.run(head, body).await
}

/// Reads a body up to `max` bytes; `Ok(None)`: it is longer. More is read but not kept, up to eight times as much, so
/// that a client that writes before it reads gets its answer.
pub(super) async fn read(mut body: Incoming, max: usize) -> Result<Option<Bytes>, hyper::Error> {
    let (mut kept, mut length) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await.transpose()? {
        let Some(data) = frame.data_ref() else { continue };
        length = length.saturating_add(data.len());
        if length <= max {
            kept.extend_from_slice(data);
        } else if length > max.saturating_mul(8) {
            break;
        }
    }
    Ok((length <= max).then(|| kept.freeze()))
}

/// Dropped before its end, wherever it is, it was aborted; the slot goes first.
struct Exchange {
    slot: Option<Slot>,
    entry: Entry,
    api: Option<Api>,
    voice: Voice,
    fault: Option<Fault>,
    shared: Arc<Shared>,
}

impl Exchange {
    async fn run(mut self, head: request::Parts, body: Incoming) -> Response<ReplyBody> {
        let body = match read(body, self.shared.config.max_body).await {
            Ok(Some(body)) => body,
            Ok(None) => return self.refuse(413, None, "the body is too long"),
            Err(_) => {
                // The client left: the entry is dropped, and nobody reads this.
                drop(self);
                return respond(400, Script::json(&Value::Null), ReplyBody::plain);
            }
        };
        match head.headers.get("x-fault").map(|text| text.to_str().unwrap_or("?").parse::<Fault>()) {
            Some(Ok(fault)) => self.fault = Some(fault),
            Some(Err(bad)) => return self.refuse(400, None, &format!("x-fault: {bad}")),
            None => self.fault = self.shared.draw_fault(self.entry.number),
        }
        self.entry.note(|exchange| exchange.fault = self.fault.map(Fault::name));
        if let Some(status) = self.fault.and_then(Fault::status) {
            return self.fail(status);
        }
        if let Some(Fault::SlowHead { delay }) = self.fault {
            pause(delay).await;
        }
        let path = head.uri.path();
        match (self.api, &head.method) {
            (Some(api), &Method::POST) => self.make(api, &body).await,
            (None, &Method::POST) if path == "/v1/messages/count_tokens" => self.count(&body),
            (None, &Method::GET) if path == "/v1/models" || path.starts_with("/v1/models/") => {
                self.models(path)
            }
            (Some(_), _) => self.refuse(405, None, "this path takes POST"),
            (None, _) => self.refuse(404, None, "no such path"),
        }
    }

    async fn make(mut self, api: Api, body: &[u8]) -> Response<ReplyBody> {
        let shared = self.shared.clone();
        let ask = match Ask::read(api, shared.config.seed, body) {
            Ok(ask) => ask,
            Err(what) => return self.refuse(400, None, &what),
        };
        self.entry.note(|exchange| exchange.stream = ask.stream);
        match shared.gate.admit().await {
            Ok(slot) => self.slot = Some(slot),
            Err(refusal) => return self.turn_away(&refusal),
        }
        self.entry.note(|exchange| exchange.admitted = Some(tokio::time::Instant::now()));
        let rng = text::rng(text::hash(shared.config.seed, &self.entry.number.to_le_bytes()), 0);
        let mut pace = Pace::new(&shared.config, shared.time_scale(), rng);
        if api == Api::Embeddings {
            pause(pace.time(1)).await;
            return match openai_other::embeddings(&ask, shared.config.seed) {
                Ok(vectors) => self.send(200, Script::json(&vectors), Pace::none(), Some(ask.hash)),
                Err(what) => self.refuse(400, None, &what),
            };
        }
        let reply = Reply::new(&ask, &shared.config);
        if ask.stream {
            let script = match api {
                Api::Chat => openai_chat::stream(&ask, &reply),
                Api::Responses => openai_responses::stream(&ask, &reply),
                Api::Messages => anthropic::stream(&reply),
                Api::Completions | Api::Embeddings => openai_other::completion_stream(&ask, &reply),
            };
            return self.send(200, script, pace, Some(ask.hash));
        }
        pause(pace.time(reply.steps())).await;
        if matches!(self.fault, Some(Fault::StreamError { .. })) {
            return self.fail(500);
        }
        let whole = match api {
            Api::Chat => openai_chat::whole(&reply),
            Api::Responses => openai_responses::whole(&ask, &reply),
            Api::Messages => anthropic::whole(&reply),
            Api::Completions | Api::Embeddings => openai_other::completion(&reply),
        };
        self.send(200, Script::json(&whole), Pace::none(), Some(ask.hash))
    }

    /// `POST /v1/messages/count_tokens`, which needs no `max_tokens`.
    fn count(self, body: &[u8]) -> Response<ReplyBody> {
        match Ask::read(Api::Chat, self.shared.config.seed, body) {
            Ok(ask) => self.document(&json!({"input_tokens": ask.input_tokens})),
            Err(what) => self.refuse(400, None, &what),
        }
    }

    fn models(self, path: &str) -> Response<ReplyBody> {
        let models = &self.shared.config.models;
        let body = match (path.strip_prefix("/v1/models/"), self.voice) {
            (None, Voice::OpenAi) => openai_other::models(models),
            (None, Voice::Anthropic) => anthropic::models(models),
            (Some(id), voice) if models.iter().any(|model| model == id) => match voice {
                Voice::OpenAi => openai_other::model(id),
                Voice::Anthropic => anthropic::model(id),
            },
            (Some(_), _) => return self.refuse(404, Some("model_not_found"), "no such model"),
        };
        self.document(&body)
    }

    fn document(self, body: &Value) -> Response<ReplyBody> {
        self.send(200, Script::json(body), Pace::none(), None)
    }

    /// Answers with what the fault asks for instead of an answer.
    fn fail(mut self, status: u16) -> Response<ReplyBody> {
        let (code, message) = match self.fault {
            Some(Fault::RateLimit { .. }) => (Some("rate_limit_exceeded"), "Rate limit reached for requests"),
            Some(Fault::Quota) => (Some("insufficient_quota"), "You exceeded your current quota"),
            Some(Fault::Unavailable | Fault::Overloaded) => (None, "Overloaded"),
            _ => (None, "The server had an error"),
        };
        let body = Script::json(&self.voice.error(status, code, message));
        let mut response = self.refusal(status, body, End::Fault);
        if let Some(Fault::RateLimit { retry_after }) = self.fault {
            self.voice.hint(response.headers_mut(), retry_after);
        }
        response
    }

    fn turn_away(mut self, refusal: &Refusal) -> Response<ReplyBody> {
        let message = match refusal {
            Refusal::QueueFull => "The queue is full",
            Refusal::Loading(_) => "The model is loading",
        };
        let body = Script::json(&self.voice.error(503, None, message));
        let mut response = self.refusal(503, body, End::Complete);
        if let Refusal::Loading(left) = refusal {
            let seconds = left.as_millis().div_ceil(1000) as u64;
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// Answers that the request is wrong.
    fn refuse(mut self, status: u16, code: Option<&str>, message: &str) -> Response<ReplyBody> {
        let body = Script::json(&self.voice.error(status, code, message));
        self.refusal(status, body, End::Complete)
    }

    fn refusal(&mut self, status: u16, body: Script, end: End) -> Response<ReplyBody> {
        self.slot = None;
        self.note_head(status);
        self.entry.sent(body.bytes.len(), true);
        self.entry.end(end);
        respond(status, body, ReplyBody::plain)
    }

    fn send(self, status: u16, script: Script, pace: Pace, hash: Option<u64>) -> Response<ReplyBody> {
        self.note_head(status);
        let Self { slot, entry, api, voice, fault, .. } = self;
        let mut response = respond(status, script, |script| {
            let body = ReplyBody::new(script, pace, entry, slot);
            match fault {
                Some(fault) => body.with_fault(fault, |number| errors::event(api, number)),
                None => body,
            }
        });
        if let Some(hash) = hash {
            let name = if voice == Voice::Anthropic { "request-id" } else { "x-request-id" };
            if let Ok(id) = HeaderValue::try_from(format!("req_{hash:016x}")) {
                response.headers_mut().insert(name, id);
            }
        }
        response
    }

    fn note_head(&self, status: u16) {
        self.entry.note(|exchange| {
            exchange.status = Some(status);
            exchange.head = Some(tokio::time::Instant::now());
        });
    }
}

/// Without even a turn of the timer when there is nothing to wait for.
async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

pub(super) fn respond(
    status: u16,
    script: Script,
    body: impl FnOnce(Script) -> ReplyBody,
) -> Response<ReplyBody> {
    let kind = if script.whole { "application/json" } else { "text/event-stream; charset=utf-8" };
    let stream = !script.whole;
    let mut response = Response::new(body(script));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if stream {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}
