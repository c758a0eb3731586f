use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    time::Duration,
};

use bytes::Bytes;
use futures_util::poll;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::timeout;
use tower_service::Service;

use super::inner::{Inner, InnerError, Plan};
use crate::{Trigger, body::Scripted};

/// One layer under test.
pub(super) struct Case<'a, W> {
    pub(super) wrap: &'a mut W,
    pub(super) in_flight: &'a dyn Fn() -> u64,
    pub(super) kind: Kind,
}

/// Which kind of body the inner service gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Plain,
    Events,
}

impl Kind {
    fn frames(self) -> [&'static str; 2] {
        match self {
            Self::Plain => ["hello ", "world"],
            Self::Events => ["data: hello\n\n", "data: [DONE]\n\n"],
        }
    }

    fn response(self, body: Scripted) -> Result<Response<Scripted>, InnerError> {
        let mut response = Response::new(body);
        let kind = match self {
            Self::Plain => "application/octet-stream",
            Self::Events => "text/event-stream",
        };
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        Ok(response)
    }

    /// Both frames.
    fn body(self) -> Scripted {
        let [first, second] = self.frames();
        Scripted::new().data(first).data(second)
    }
}

type Check = Result<(), String>;

fn ensure(right: bool, wrong: &str) -> Check {
    if right { Ok(()) } else { Err(wrong.to_owned()) }
}

/// Long enough for any machine; nothing here waits for anything but the layer.
async fn soon<F: Future>(what: &str, future: F) -> Result<F::Output, String> {
    timeout(Duration::from_secs(5), future).await.map_err(|_| format!("{what}: nothing within 5 s"))
}

impl<W, S, B> Case<'_, W>
where
    W: FnMut(Inner) -> S,
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: fmt::Debug,
    B: Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    pub(super) fn idle(&self, when: &str) -> Check {
        let n = (self.in_flight)();
        ensure(n == 0, &format!("{n} in flight {when}"))
    }

    fn start(&mut self, plan: &Plan) -> S {
        (self.wrap)(Inner::new(plan.clone()))
    }

    /// A plan that answers at once with this body.
    fn plan(&self, body: impl Fn() -> Scripted + Send + Sync + 'static) -> Plan {
        let kind = self.kind;
        Plan::new(None, move || kind.response(body()))
    }

    pub(super) async fn readiness(&mut self) -> Check {
        let kind = self.kind;
        let mut service = self.start(&self.plan(move || kind.body()));
        for _ in 0..3 {
            let response = exchange(&mut service, Method::POST).await?;
            collect(response.into_body()).await?;
        }
        Ok(())
    }

    pub(super) async fn readiness_is_forwarded(&mut self) -> Check {
        let (open, kind) = (Trigger::new(), self.kind);
        let plan = Plan::with_ready(Some(open.clone()), None, move || kind.response(kind.body()));
        let mut service = self.start(&plan);
        let early = poll!(poll_fn(|cx| service.poll_ready(cx)));
        ensure(early.is_pending(), "ready though the inner service is not")?;
        let (ready, ()) = tokio::join!(ready(&mut service), async { open.fire() });
        ready
    }

    pub(super) async fn clones(&mut self) -> Check {
        let kind = self.kind;
        let mut service = self.start(&self.plan(move || kind.body()));
        ready(&mut service).await?;
        let mut clone = service.clone();
        let response = exchange(&mut clone, Method::POST).await?;
        collect(response.into_body()).await?;
        drop(clone);
        // The original's readiness is its own and still holds.
        let response = soon("the head", service.call(request(Method::POST))).await?.map_err(failed)?;
        collect(response.into_body()).await
    }

    pub(super) async fn idle_clones(&mut self) -> Check {
        let kind = self.kind;
        let service = self.start(&self.plan(move || kind.body()));
        let mut clones = vec![service; 64];
        for clone in &mut clones {
            ready(clone).await?;
        }
        self.idle("with ready clones that were never called")
    }

    pub(super) async fn cancel_unpolled(&mut self) -> Check {
        let kind = self.kind;
        let plan = self.plan(move || kind.body());
        let mut service = self.start(&plan);
        ready(&mut service).await?;
        drop(service.call(request(Method::POST)));
        ensure(plan.futures() == 0, "the inner future is still there")?;
        self.idle("after the future was dropped")
    }

    pub(super) async fn cancel_pending(&mut self) -> Check {
        let kind = self.kind;
        let plan = Plan::new(Some(Trigger::new()), move || kind.response(kind.body()));
        let mut service = self.start(&plan);
        ready(&mut service).await?;
        {
            let mut future = pin!(service.call(request(Method::POST)));
            ensure(poll!(future.as_mut()).is_pending(), "answered before the inner service")?;
        }
        ensure(plan.futures() == 0, "the inner future is still there")?;
        self.idle("after the future was dropped")
    }

    pub(super) async fn cancel_unread(&mut self) -> Check {
        let kind = self.kind;
        let plan = self.plan(move || kind.body());
        let mut service = self.start(&plan);
        drop(exchange(&mut service, Method::POST).await?);
        ensure(plan.bodies().iter().all(|body| body.is_dropped()), "the inner body is still there")?;
        self.idle("after the body was dropped")
    }

    pub(super) async fn cancel_half_read(&mut self) -> Check {
        let first = self.kind.frames()[0];
        let plan = self.plan(move || Scripted::new().data(first).forever());
        let mut service = self.start(&plan);
        {
            let mut body = pin!(exchange(&mut service, Method::POST).await?.into_body());
            let frame = frame(body.as_mut()).await?;
            ensure(data(frame)? == first, "the first frame has changed")?;
            ensure(poll!(body.frame()).is_pending(), "a frame from nowhere")?;
        }
        ensure(plan.bodies().iter().all(|body| body.is_dropped()), "the inner body is still there")?;
        self.idle("after the body was dropped")
    }

    pub(super) async fn end_by_length(&mut self) -> Check {
        let kind = self.kind;
        let plan = self.plan(move || kind.body().exact().eager());
        let mut service = self.start(&plan);
        let mut body = pin!(exchange(&mut service, Method::POST).await?.into_body());
        for expected in kind.frames() {
            ensure(!body.is_end_stream(), "is_end_stream before the end")?;
            let frame = frame(body.as_mut()).await?;
            ensure(data(frame)? == expected, "a frame has changed")?;
        }
        ensure(body.is_end_stream(), "is_end_stream is lost, or the layer does not look at it")?;
        self.idle("when is_end_stream says that the body is over")?;
        self.not_polled_on(&plan)
    }

    pub(super) async fn end_by_none(&mut self) -> Check {
        let kind = self.kind;
        let plan = self.plan(move || kind.body());
        let mut service = self.start(&plan);
        let mut body = pin!(exchange(&mut service, Method::POST).await?.into_body());
        for expected in kind.frames() {
            let frame = frame(body.as_mut()).await?;
            ensure(data(frame)? == expected, "a frame has changed")?;
        }
        ensure(soon("None", body.frame()).await?.is_none(), "a frame from nowhere")?;
        self.idle("after None")?;
        self.not_polled_on(&plan)
    }

    pub(super) async fn end_by_trailers(&mut self) -> Check {
        for eager in [false, true] {
            let sum = HeaderMap::from_iter([(header::ETAG, header::HeaderValue::from_static("7"))]);
            let (kind, trailers) = (self.kind, sum.clone());
            let plan = self.plan(move || {
                let body = kind.body().trailers(trailers.clone());
                if eager { body.eager() } else { body }
            });
            let mut service = self.start(&plan);
            let mut body = pin!(exchange(&mut service, Method::POST).await?.into_body());
            for expected in kind.frames() {
                let frame = frame(body.as_mut()).await?;
                ensure(data(frame)? == expected, "a frame has changed")?;
            }
            ensure(!body.is_end_stream(), "is_end_stream hides the trailers")?;
            let last = frame(body.as_mut()).await.map_err(|wrong| format!("trailers: {wrong}"))?;
            ensure(last.into_trailers().is_ok_and(|trailers| trailers == sum), "the trailers have changed")?;
            if eager {
                ensure(body.is_end_stream(), "is_end_stream is lost after the trailers")?;
                self.idle("after the trailers, when is_end_stream says that the body is over")?;
            } else {
                ensure(soon("None", body.frame()).await?.is_none(), "a frame from nowhere")?;
                self.idle("after the trailers and None")?;
            }
            self.not_polled_on(&plan)?;
        }
        Ok(())
    }

    pub(super) async fn error_of_the_call(&mut self) -> Check {
        let plan = Plan::new(None, || Err(InnerError));
        let mut service = self.start(&plan);
        ready(&mut service).await?;
        let answer = soon("the error", service.call(request(Method::POST))).await?;
        ensure(answer.is_err(), "the error is lost")?;
        self.idle("after the call failed")
    }

    pub(super) async fn error_in_mid_body(&mut self) -> Check {
        let first = self.kind.frames()[0];
        let plan = self.plan(move || Scripted::new().data(first).error("in mid-body"));
        let mut service = self.start(&plan);
        let mut body = pin!(exchange(&mut service, Method::POST).await?.into_body());
        let frame = frame(body.as_mut()).await?;
        ensure(data(frame)? == first, "a frame has changed")?;
        let error = soon("the error", body.frame()).await?;
        ensure(matches!(error, Some(Err(_))), "the error is lost")?;
        self.idle("after the error")?;
        self.not_polled_on(&plan)
    }

    pub(super) async fn size_hint(&mut self) -> Check {
        let kind = self.kind;
        let lengths = kind.frames().map(|frame| frame.len() as u64);
        let mut service = self.start(&self.plan(move || kind.body().exact()));
        let mut body = pin!(exchange(&mut service, Method::POST).await?.into_body());
        for left in [lengths[0] + lengths[1], lengths[1]] {
            let hint = body.size_hint();
            ensure(hint.exact() == Some(left), &format!("{left} bytes are left, and it says {hint:?}"))?;
            frame(body.as_mut()).await?;
        }
        let mut service = self.start(&self.plan(move || kind.body()));
        let hint = exchange(&mut service, Method::POST).await?.body().size_hint();
        ensure(hint.exact().is_none(), &format!("nobody knows the length, and it says {hint:?}"))
    }

    pub(super) async fn empty(&mut self) -> Check {
        for (method, status, length) in
            [(Method::HEAD, StatusCode::OK, Some("11")), (Method::GET, StatusCode::NO_CONTENT, None)]
        {
            let kind = self.kind;
            let plan = Plan::new(None, move || {
                let mut response = kind.response(Scripted::new().eager().exact())?;
                *response.status_mut() = status;
                if let Some(length) = length {
                    let length = header::HeaderValue::from_static(length);
                    response.headers_mut().insert(header::CONTENT_LENGTH, length);
                }
                Ok(response)
            });
            let mut service = self.start(&plan);
            let response = exchange(&mut service, method.clone()).await?;
            ensure(response.status() == status, "the status has changed")?;
            let kept = response.headers().get(header::CONTENT_LENGTH).map(|value| value.as_bytes());
            ensure(kept == length.map(str::as_bytes), "content-length has changed")?;
            ensure(response.body().is_end_stream(), "a body that has no frame is not over at once")?;
            // Nobody will poll it.
            self.idle(&format!("when the answer to {method} has no body"))?;
        }
        Ok(())
    }

    fn not_polled_on(&self, plan: &Plan) -> Check {
        let on = plan.bodies().iter().map(|body| body.polls_after_end()).sum::<u64>();
        ensure(on == 0, "the inner body was polled after its end")
    }
}

fn request(method: Method) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from("ping"));
    *request.method_mut() = method;
    request
}

async fn ready<S>(service: &mut S) -> Check
where
    S: Service<Request<Full<Bytes>>>,
    S::Error: fmt::Debug,
{
    soon("readiness", poll_fn(|cx| service.poll_ready(cx))).await?.map_err(failed)
}

async fn exchange<S>(service: &mut S, method: Method) -> Result<S::Response, String>
where
    S: Service<Request<Full<Bytes>>>,
    S::Error: fmt::Debug,
{
    ready(service).await?;
    soon("the head", service.call(request(method))).await?.map_err(failed)
}

async fn frame<B>(mut body: Pin<&mut B>) -> Result<Frame<Bytes>, String>
where
    B: Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    let frame = soon("a frame", body.frame()).await?.ok_or("the end comes early")?;
    frame.map_err(failed)
}

async fn collect<B>(body: B) -> Check
where
    B: Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    soon("the end of the body", body.collect()).await?.map(drop).map_err(failed)
}

fn data(frame: Frame<Bytes>) -> Result<Bytes, String> {
    frame.into_data().map_err(|_| "trailers where data should be".to_owned())
}

fn failed(error: impl fmt::Debug) -> String {
    format!("an error from nowhere: {error:?}")
}
