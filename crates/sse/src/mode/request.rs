use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use dashpot_core::Rejection;
use dashpot_wire::{
    dialect::{Dialect, RequestFacts},
    modes::RequestMode,
};
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use tower_service::Service;

use super::{Mode, ModeLayer, answer::Wanted, wish::wish};
use crate::{head, pieces::Pieces};

/// A request whose body has to be there before anything can be decided.
pub(super) struct Reading<S, ReqBody> {
    service: S,
    head: Parts,
    body: ReqBody,
    pieces: Pieces,
    dialect: Dialect,
    layer: ModeLayer,
}

/// Why a request's body cannot be read.
pub(super) struct Unreadable(StatusCode, &'static str);

const TOO_LONG: Unreadable =
    Unreadable(StatusCode::PAYLOAD_TOO_LARGE, "the request's body is longer than is allowed");
const BROKEN: Unreadable = Unreadable(StatusCode::BAD_REQUEST, "the request's body broke off");

impl<S, ReqBody> Reading<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
    ReqBody: Body + From<Bytes> + Unpin,
{
    pub(super) fn new(service: S, request: Request<ReqBody>, dialect: Dialect, layer: ModeLayer) -> Self {
        let (head, body) = request.into_parts();
        Self { service, head, body, pieces: Pieces::default(), dialect, layer }
    }

    /// Ready when all of the body has come, or cannot come.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unreadable>> {
        let max = self.layer.rules.max_bytes;
        if self.body.size_hint().lower() > max as u64 {
            return Poll::Ready(Err(TOO_LONG));
        }
        while !self.body.is_end_stream() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(mut data) = frame.into_data() else { continue };
                    if data.remaining() > max - self.pieces.len() {
                        return Poll::Ready(Err(TOO_LONG));
                    }
                    self.pieces.push(data.copy_to_bytes(data.remaining()));
                }
                Some(Err(_)) => return Poll::Ready(Err(BROKEN)),
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Calls the inner service, and says what is wanted of its answer; `None` if that is to pass as it is.
    pub(super) fn call(self) -> (S::Future, Option<Wanted>) {
        let Self { mut service, mut head, pieces, dialect, layer, .. } = self;
        let mut body = pieces.into_bytes();
        let wanted = RequestMode::read(dialect, &body).map(|asked| {
            let wish = wish(asked.stream, &head.headers, &head.extensions);
            let mode = wish.unwrap_or(layer.rules.unless_said);
            let stream = layer.rules.upstream.unwrap_or(mode) == Mode::Stream;
            // A whole answer tells the usage; a stream that passes is to have no more in it than was asked for.
            let include_usage = asked.include_usage || mode == Mode::Whole;
            if stream != asked.stream.unwrap_or(false)
                && let Some(changed) =
                    (RequestMode { stream: Some(stream), include_usage }).write(dialect, &body)
            {
                change(&mut head, changed.len(), stream);
                body = changed.into();
            }
            Wanted { mode, dialect, include_usage: asked.include_usage, layer }
        });
        (service.call(Request::from_parts(head, body.into())), wanted)
    }

    /// The answer to a request that is not even read.
    pub(super) fn refuse(&self, Unreadable(status, why): Unreadable) -> Response<Bytes> {
        let mut answer = Response::new(self.dialect.error_body(status.as_u16(), why).into());
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.extensions_mut().insert(Rejection::new("mode", why).with_status(status));
        answer
    }
}

/// What a head says of a body that is another one now.
fn change(head: &mut Parts, len: usize, stream: bool) {
    head::forget_body(&mut head.headers);
    head.headers.insert(header::CONTENT_LENGTH, len.into());
    // What is compressed can be neither collected nor expanded.
    head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(facts) = head.extensions.get_mut::<RequestFacts>() {
        facts.stream = stream;
    }
}
