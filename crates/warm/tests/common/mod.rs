//! An upstream that is started by functions, and what it saw.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of it")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use dashpot_testkit::{
    Trigger,
    body::{BodyProbe, Scripted},
};
use dashpot_warm::{
    IsCold, Replay, WarmLayer,
    starter::{Functions, StartError},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A model that takes a time to load.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    pub(crate) up: Arc<AtomicBool>,
    pub(crate) fails: Arc<AtomicU32>,
    /// So many more steps panic.
    pub(crate) panics: Arc<AtomicU32>,
    /// Ends the bodies of `/slow`.
    pub(crate) end: Trigger,
    bodies: Arc<Mutex<Vec<BodyProbe>>>,
    peak: Arc<AtomicU32>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes so long to start, and a tenth of that to prime.
    pub(crate) fn starter(&self, takes: Duration) -> Functions {
        let [start, stop] = [self.clone(), self.clone()];
        let primed = self.clone();
        Functions::new(move |key| {
            let (model, key) = (start.clone(), key.to_owned());
            async move {
                model.note(format!("start {key}"));
                tokio::time::sleep(takes).await;
                model.may_panic();
                let fails = model.fails.load(SeqCst);
                if fails > 0 {
                    model.fails.store(fails - 1, SeqCst);
                    return Err(StartError::from("out of memory"));
                }
                model.up.store(true, SeqCst);
                Ok(())
            }
        })
        .prime(move |_| {
            let model = primed.clone();
            async move {
                tokio::time::sleep(takes / 10).await;
                model.note("primed".into());
                Ok(())
            }
        })
        .stop(move |key| {
            let (model, key) = (stop.clone(), key.to_owned());
            async move {
                model.note(format!("stop {key}"));
                model.may_panic();
                // A body is over a moment before it is dropped.
                let until = std::iter::repeat_with(|| model.live()).take(10_000);
                for _ in until.take_while(|&live| live > 0) {
                    tokio::task::yield_now().await;
                }
                assert_eq!(model.live(), 0, "stopped under a live body");
                model.up.store(false, SeqCst);
                Ok(())
            }
        })
    }

    /// Answers at once, `/slow` with a body that lasts until [`end`](Self::end), `/stream` with events; 503 while it is
    /// not up.
    pub(crate) fn service(
        &self,
    ) -> impl Service<
        Request<Full<Bytes>>,
        Response = Response<Scripted>,
        Error = Infallible,
        Future = Ready<Result<Response<Scripted>, Infallible>>,
    > + Clone
    + Send
    + Sync
    + use<> {
        let model = self.clone();
        service_fn(move |request: Request<Full<Bytes>>| ready(Ok(model.answer(request.uri().path()))))
    }

    fn answer(&self, path: &str) -> Response<Scripted> {
        self.note(format!("call {path}"));
        let body = match path {
            "/slow" => Scripted::new().data("hi").until(&self.end),
            "/stream" => Scripted::new().data("data: hi\n\n"),
            _ => Scripted::new().data("hi").exact(),
        };
        self.bodies.lock().unwrap().push(body.probe());
        self.peak.fetch_max(self.live(), SeqCst);
        let status = if self.up.load(SeqCst) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let content_type = if path == "/stream" { "text/event-stream" } else { "text/plain" };
        Response::builder().status(status).header("content-type", content_type).body(body).unwrap()
    }

    /// How many bodies are not over.
    pub(crate) fn live(&self) -> u32 {
        self.bodies.lock().unwrap().iter().filter(|body| !body.is_dropped()).count() as u32
    }

    /// How many there were at once at the most.
    pub(crate) fn peak(&self) -> u32 {
        self.peak.load(SeqCst)
    }

    fn may_panic(&self) {
        let panics = self.panics.load(SeqCst);
        if panics > 0 {
            self.panics.store(panics - 1, SeqCst);
            panic!("a starter that panics");
        }
    }

    pub(crate) fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.log().iter().filter(|entry| entry.starts_with(what)).count()
    }
}

pub(crate) fn request(path: &str) -> Request<Full<Bytes>> {
    Request::builder().uri(path).body(Full::default()).unwrap()
}

/// What is answered, once all of it is read.
pub(crate) async fn ask<C, R>(layer: &WarmLayer<C, R>, model: &Model, path: &str) -> StatusCode
where
    C: IsCold<Response<Scripted>, Infallible> + Clone,
    R: Replay<Full<Bytes>> + Clone,
{
    let answer = layer.layer(model.service()).oneshot(request(path)).await.unwrap();
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    status
}
