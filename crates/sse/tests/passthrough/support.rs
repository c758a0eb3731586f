//! What the tests share.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use dashpot_sse::{Handle, Observer, ResponseBody, SsePassthroughLayer, Summary};
use dashpot_testkit::body::Scripted;
use dashpot_wire::dialect::Dialect;
use http::{Request, Response, header};
use tower::{ServiceBuilder, ServiceExt, service_fn};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const MESSAGES: &str = "/v1/messages";

/// An event with a chat completion's content.
pub(crate) const CONTENT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";
pub(crate) const OVERLOADED: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

pub(crate) fn events(body: Scripted) -> Response<Scripted> {
    Response::builder().header(header::CONTENT_TYPE, "text/event-stream").body(body).unwrap()
}

/// One exchange through a layer of its own.
pub(crate) async fn exchange(
    request: Request<()>,
    response: Response<Scripted>,
) -> (Response<ResponseBody<Scripted, Log>>, Log, Handle) {
    let log = Log::default();
    let layer = SsePassthroughLayer::new().observer(log.clone());
    let handle = layer.handle();
    (through(layer, request, response).await, log, handle)
}

pub(crate) async fn through<O: Observer>(
    layer: SsePassthroughLayer<O>,
    request: Request<()>,
    response: Response<Scripted>,
) -> Response<ResponseBody<Scripted, O>> {
    let mut response = Some(response);
    let inner = service_fn(move |_: Request<()>| {
        let response = response.take().unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    ServiceBuilder::new().layer(layer).service(inner).oneshot(request).await.unwrap()
}

pub(crate) fn post(path: &str) -> Request<()> {
    Request::post(path).body(()).unwrap()
}

/// All that an observer was told, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Told>>>);

#[derive(Clone, Debug)]
pub(crate) enum Told {
    Headers(Option<Dialect>, Duration),
    FirstByte(Duration),
    FirstContent(Duration),
    End(Box<Summary>),
}

impl Log {
    pub(crate) fn told(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    /// The summary, if the stream has ended; it must not have ended twice.
    pub(crate) fn summary(&self) -> Option<Summary> {
        let mut summaries = self.told().into_iter().filter_map(|told| match told {
            Told::End(summary) => Some(*summary),
            _ => None,
        });
        let summary = summaries.next();
        assert!(summaries.next().is_none(), "ended twice");
        summary
    }

    fn push(&self, told: Told) {
        self.0.lock().unwrap().push(told);
    }
}

impl Observer for Log {
    fn on_headers(&self, dialect: Option<Dialect>, after: Duration) {
        self.push(Told::Headers(dialect, after));
    }

    fn on_first_byte(&self, _: Option<Dialect>, after: Duration) {
        self.push(Told::FirstByte(after));
    }

    fn on_first_content(&self, _: Option<Dialect>, after: Duration) {
        self.push(Told::FirstContent(after));
    }

    fn on_end(&self, summary: &Summary) {
        self.push(Told::End(Box::new(summary.clone())));
    }
}
