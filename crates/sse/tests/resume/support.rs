//! What the tests share.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use dashpot_sse::resume::{Memory, MemoryStore, ResumeBody, ResumeHandle, ResumeLayer};
use dashpot_testkit::body::Scripted;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) type Body<B = Scripted> = ResumeBody<B, MemoryStore>;

/// A layer in front of an upstream that answers with one body after the other.
pub(crate) struct Upstream<B = Scripted> {
    pub(crate) store: MemoryStore,
    pub(crate) layer: ResumeLayer,
    pub(crate) handle: ResumeHandle,
    answers: Arc<Mutex<Vec<Response<B>>>>,
}

impl<B> Upstream<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    pub(crate) fn new(bodies: impl IntoIterator<Item = B>) -> Self {
        Self::within(Memory::default(), bodies)
    }

    pub(crate) fn within(bounds: Memory, bodies: impl IntoIterator<Item = B>) -> Self {
        let store = MemoryStore::try_new(bounds).unwrap();
        let layer = ResumeLayer::new(store.clone());
        let mut answers: Vec<_> = bodies.into_iter().map(events).collect();
        answers.reverse();
        Self { store, handle: layer.handle(), layer, answers: Arc::new(Mutex::new(answers)) }
    }

    pub(crate) async fn send(&self, request: Request<()>) -> Response<Body<B>> {
        let answers = self.answers.clone();
        let inner = service_fn(move |_: Request<()>| {
            let answer = answers.lock().unwrap().pop().expect("the upstream is not called again");
            async { Ok::<_, Infallible>(answer) }
        });
        self.layer.layer(inner).oneshot(request).await.unwrap()
    }

    /// The stream from its beginning.
    pub(crate) async fn begin(&self) -> Body<B> {
        self.send(get(&[])).await.into_body()
    }

    /// The stream from behind this id.
    pub(crate) async fn back(&self, id: &str) -> Response<Body<B>> {
        self.send(get(&[("last-event-id", id)])).await
    }
}

pub(crate) fn events<B>(body: B) -> Response<B> {
    Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(body).unwrap()
}

pub(crate) fn get(headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get("/stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// The id and the rest of the next frame, which is one event.
pub(crate) async fn event<B>(body: &mut B) -> (String, String)
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = str::from_utf8(&data).unwrap();
    let (id, rest) = text.strip_prefix("id: ").unwrap_or_else(|| panic!("{text}")).split_once('\n').unwrap();
    (id.into(), rest.into())
}

/// What is left, without our ids.
pub(crate) async fn rest<B>(body: B) -> String
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let bytes = body.collect().await.unwrap().to_bytes();
    without_ids(str::from_utf8(&bytes).unwrap())
}

pub(crate) fn without_ids(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with("id: dp-")).collect()
}

/// Lets all other tasks run until they wait.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Events from number `from` on, as the upstream writes them.
pub(crate) fn numbered(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("data: {number}\n\n")).collect()
}

pub(crate) fn script(frames: Vec<String>) -> Scripted {
    frames.into_iter().fold(Scripted::new(), Scripted::data)
}
