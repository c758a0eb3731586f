use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_body::{Timer, Tracked};
use dashpot_core::{BodyReport, Outcome, Rejection, is_grpc};
use dashpot_wire::dialect::Dialect;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    BodyError, Clock, Late,
    clocks::Clocks,
    future::{Exchange, now},
    pulse::Pulse,
};

pin_project! {
    /// The inner service's body, as long as no clock runs out; or the words of a refusal.
    ///
    /// While it is not late, frames, trailers and `is_end_stream` are those of the inner body, and so is `size_hint` unless an
    /// error event may yet end it.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the inner body.
    pub struct ResponseBody<B> {
        // Gone when a clock ran out: that lets go of the upstream.
        #[pin]
        inner: Option<Tracked<B>>,
        watch: Watch,
        // What is said in place of the rest.
        words: Bytes,
    }
}

/// What the clocks of a body go by.
struct Watch {
    clocks: Clocks,
    timer: Timer,
    late: Late,
    form: Form,
    report: Option<BodyReport>,
    // The total is what the client has asked for.
    is_wished: bool,
}

enum Form {
    Events(Option<Dialect>, Pulse),
    Grpc,
    Whole,
}

impl<B: Body<Data = Bytes>> ResponseBody<B> {
    pub(crate) fn answer(response: Response<B>, exchange: &mut Exchange) -> Response<Self> {
        let (head, body) = response.into_parts();
        let form = Form::of(&head.headers, exchange.dialect);
        let report = head.extensions.get().cloned();
        // What has a stated length has no room for more words.
        let is_sized =
            body.size_hint().exact().is_some() || head.headers.contains_key(header::CONTENT_LENGTH);
        let late = if is_sized { Late::CutOff } else { exchange.rules.late };
        let inner = Some(Tracked::answer(body, exchange.asked, &head));
        let timer = std::mem::take(&mut exchange.timer);
        let is_wished = exchange.is_wished;
        let watch = Watch { clocks: exchange.clocks, timer, late, form, report, is_wished };
        Response::from_parts(head, Self { inner, watch, words: Bytes::new() })
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn words(words: Bytes) -> Self {
        let clocks = Clocks { total: None, first_content: None, gap: None, waits_since: None };
        let timer = Timer::default();
        let watch =
            Watch { clocks, timer, late: Late::CutOff, form: Form::Whole, report: None, is_wished: false };
        Self { inner: None, watch, words }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            let words = std::mem::take(this.words);
            return Poll::Ready((!words.is_empty()).then(|| Ok(Frame::data(words))));
        };
        let polled = inner.as_mut().poll_frame(cx);
        let is_over = inner.end().is_some() || this.watch.is_over();
        let clock = match polled {
            // A reader that is slow, or an upstream that never lets it wait, does not stop the total.
            Poll::Ready(Some(Ok(frame))) if is_over || !this.watch.is_past() => {
                if let Some(data) = frame.data_ref() {
                    this.watch.data(data);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Ok(_))) => Clock::Total,
            Poll::Ready(end) => return Poll::Ready(end.map(|frame| frame.map_err(BodyError::Inner))),
            Poll::Pending => match this.watch.poll_late(cx) {
                Some(clock) => clock,
                None => return Poll::Pending,
            },
        };
        // All of it is there; only the connection was not let go.
        if is_over {
            this.inner.set(None);
            return Poll::Ready(None);
        }
        tracing::debug!(clock = clock.name(), "an answer is cut off");
        // The upstream first: whatever is said now, it need not go on.
        this.inner.set(None);
        Poll::Ready(Some(this.watch.end(clock)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().map_or(self.words.is_empty(), |inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            // It may end before its time, with words of ours.
            Some(_) if self.watch.late == Late::Say && matches!(self.watch.form, Form::Events(..)) => {
                SizeHint::default()
            }
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(self.words.len() as u64),
        }
    }
}

impl Watch {
    #[inline]
    fn data(&mut self, data: &Bytes) {
        if data.is_empty() {
            return;
        }
        let is_event = match &mut self.form {
            Form::Events(_, pulse) => pulse.has_event(data),
            Form::Grpc | Form::Whole => true,
        };
        if is_event {
            self.clocks.waits_since = None;
        }
        if self.clocks.first_content.is_some() {
            let report = self.report.as_ref().filter(|_| matches!(self.form, Form::Events(..)));
            if report.map_or(is_event, |report| report.first_content().is_some()) {
                self.clocks.first_content = None;
            }
        }
    }

    fn is_past(&self) -> bool {
        self.clocks.total.is_some_and(|at| now() >= at)
    }

    /// The clock that has run out, if one has.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Option<Clock> {
        if self.clocks.gap.is_some() && self.clocks.waits_since.is_none() {
            self.clocks.waits_since = Some(now());
        }
        let (at, clock) = self.clocks.next()?;
        self.timer.poll(at, cx).is_ready().then_some(clock)
    }

    /// Whether the stream has said how it ended: nothing may follow that.
    fn is_over(&self) -> bool {
        let report = self.report.as_ref().filter(|_| matches!(self.form, Form::Events(..)));
        report.is_some_and(|report| report.outcome().is_some())
    }

    /// The last frame of an answer that is late.
    fn end<E>(&self, clock: Clock) -> Result<Frame<Bytes>, BodyError<E>> {
        if let Some(report) = &self.report {
            // What a client has asked for may be too soon for any answer.
            let is_wished = clock == Clock::Total && self.is_wished;
            let outcome = if is_wished { Outcome::Ignored } else { Outcome::Overload { retry_after: None } };
            report.set_outcome(outcome);
        }
        match &self.form {
            Form::Events(dialect, pulse) if self.late == Late::Say && pulse.at_boundary() => {
                let event = match dialect {
                    Some(dialect) => dialect.error_event(504, clock.reason()),
                    None => format!("event: error\ndata: {}\n\n", clock.reason()),
                };
                Ok(Frame::data(event.into()))
            }
            Form::Grpc if self.late == Late::Say => {
                let rejection =
                    Rejection::new("deadline", clock.reason()).with_status(StatusCode::GATEWAY_TIMEOUT);
                let mut trailers = rejection.grpc().into_parts().0.headers;
                trailers.remove(header::CONTENT_TYPE);
                Ok(Frame::trailers(trailers))
            }
            _ => Err(BodyError::Late(clock)),
        }
    }
}

impl Form {
    fn of(headers: &HeaderMap, dialect: Option<Dialect>) -> Self {
        let is_events = headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
            essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
        });
        if is_events && !is_encoded(headers) {
            Self::Events(dialect, Pulse::default())
        } else if is_grpc(headers) {
            Self::Grpc
        } else {
            Self::Whole
        }
    }
}

/// Whether the bytes are not the events themselves. `identity` is no encoding.
fn is_encoded(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONTENT_ENCODING).into_iter();
    let mut codings =
        lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("clocks", &self.watch.clocks).finish_non_exhaustive()
    }
}
