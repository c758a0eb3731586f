use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dashpot_body::Guarded;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::{ResponseBody, permit::Permit};

pin_project! {
    /// Comments until there is an answer, and then its events.
    pub(crate) struct Loading<B, F>
    where
        B: Body,
    {
        #[pin]
        state: State<B, F>,
        #[pin]
        pause: Sleep,
        every: Duration,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<B, F>
    where
        B: Body,
    {
        Waiting { #[pin] answer: F },
        Passing { #[pin] body: Guarded<B, Permit> },
        Over,
    }
}

const COMMENT: Bytes = Bytes::from_static(b": loading\n\n");

impl<B: Body, F> Loading<B, F> {
    pub(crate) fn new(answer: F, every: Duration) -> Self {
        Self { state: State::Waiting { answer }, pause: sleep(Duration::ZERO), every }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

impl<B, F, E> Loading<B, F>
where
    B: Body<Data = Bytes>,
    F: Future<Output = Result<Response<ResponseBody<B, F>>, E>>,
{
    // Most bodies are none of these, and their loop stays short.
    #[inline(never)]
    pub(crate) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        loop {
            let status = match this.state.as_mut().project() {
                StateProjection::Waiting { answer } => match answer.poll(cx) {
                    Poll::Ready(Ok(response)) => {
                        let (is_events, status) = (is_events(&response), response.status());
                        match response.into_body().into_held() {
                            Some(body) if is_events => {
                                this.state.set(State::Passing { body });
                                continue;
                            }
                            // A success without events is none.
                            _ if status.is_success() => StatusCode::BAD_GATEWAY,
                            _ => status,
                        }
                    }
                    Poll::Ready(Err(_)) => StatusCode::BAD_GATEWAY,
                    Poll::Pending => {
                        if this.pause.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                        this.pause.set(sleep(*this.every));
                        return Poll::Ready(Some(Ok(Frame::data(COMMENT))));
                    }
                },
                StateProjection::Passing { body } => return body.poll_frame(cx),
                StateProjection::Over => return Poll::Ready(None),
            };
            // It is too late for a status.
            this.state.set(State::Over);
            return Poll::Ready(Some(Ok(Frame::data(error(status)))));
        }
    }
}

/// Asks for events as they are: the head has gone, and says nothing of a coding.
pub(crate) fn ask_for_identity(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

fn is_events<T>(response: &Response<T>) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let content_type = response.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let coding = response.headers().get(header::CONTENT_ENCODING);
    response.status().is_success()
        && coding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        && content_type
            .and_then(|value| value.get(..EVENTS.len()))
            .is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
}

fn error(status: StatusCode) -> Bytes {
    let words = status.canonical_reason().unwrap_or("no stream");
    let code = status.as_u16();
    format!("event: error\ndata: {{\"error\":{{\"message\":\"{words}\",\"code\":{code}}}}}\n\n").into()
}
