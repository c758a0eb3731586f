//! What becomes of one request, from its body to the head of its answer.

use std::{any::Any, future::poll_fn, sync::Arc};

use bytes::Bytes;
use dashpot_core::{Rejection, Tenant};
use dashpot_wire::dialect::Dialect;
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use http_body_util::BodyExt;
use tower_service::Service;

use crate::{
    Entry, RequestBody, ResponseBody, Store, answer,
    commit::Commit,
    control::Control,
    find::{Found, Likeness},
    flight::{BoxError, Call, Failed, FlightKey, Plan, Seat, drain},
    key::Asked,
    layer::{Rules, Shared},
    now,
    replay::Replay,
    request::{Read, read},
    stats::count,
    status::Status,
};

pub(crate) async fn exchange<S, St, ReqBody, B>(
    shared: Arc<Shared<St>>,
    mut ready: S,
    head: Parts,
    mut body: ReqBody,
    dialect: Dialect,
    tenant: Tenant,
) -> Result<Response<ResponseBody<B>>, S::Error>
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    St: Store,
    ReqBody: Body + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Shared { counters, rules, .. } = &*shared;
    let control = Control::of(&head.headers);
    let (body, rest) = match read(&mut body, rules.max_request_bytes).await {
        Read::Whole(bytes) => (bytes, None),
        Read::TooLong(bytes) => (bytes, Some(body)),
        Read::Broken => return Ok(refusal(dialect, StatusCode::BAD_REQUEST, "the request's body broke off")),
    };
    let embedder = shared.similar.as_ref().map_or("", |similar| similar.id());
    let asked = Asked::read(&tenant, &head, dialect, &body, embedder);
    let asked = asked.filter(|asked| rest.is_none() && !control.no_store && rules.may_look(asked));
    let Some(asked) = asked else {
        count(&counters.bypassed);
        let request = Request::from_parts(head, RequestBody::read(body, rest));
        let mut answer = ready.call(request).await?;
        Status::Bypass.say(answer.headers_mut());
        return Ok(answer.map(ResponseBody::passing));
    };
    let mut commit = Commit::new(shared.clone(), &asked, tenant, dialect, (rules.tags)(&head));
    let mut unsent = Some((ready, Request::from_parts(head, RequestBody::read(body, None))));

    // What is too old may still do if the upstream fails.
    let mut spare = None;
    let found = if control.no_cache { None } else { shared.find(&asked, &commit.tenant).await };
    if let Some(entry) = found {
        let (age, fresh) = entry.times(now());
        let will_do = control.accepts(age, fresh, rules.while_revalidate);
        if let Some(is_stale) = will_do
            && let Some(answer) = kept(rules, &asked, &entry, None)
        {
            count(if is_stale { &counters.stale } else { &counters.exact });
            if is_stale && let (seat, true) = shared.join(&asked, commit, false, &mut unsent) {
                tokio::spawn(drain(seat));
            }
            return Ok(answer);
        }
        if age < fresh.saturating_add(rules.if_error) && suits(&asked, &entry) {
            spare = Some((entry, None));
        }
    }
    let found = if control.no_cache { None } else { shared.find_similar(&asked, &mut commit, control).await };
    match found {
        Some(Found::Serve(entry, likeness)) => {
            if let Some(answer) = kept(rules, &asked, &entry, Some(likeness)) {
                counters.similar(likeness);
                return Ok(answer);
            }
        }
        Some(Found::Explore(explored, otherwise)) => {
            // No request fails for being explored.
            let otherwise = otherwise.filter(|_| suits(&asked, &explored.entry));
            spare = spare.or_else(|| otherwise.map(|likeness| (explored.entry.clone(), Some(likeness))));
            commit.explored = Some(explored);
        }
        None => {}
    }
    let is_explored = commit.explored.is_some();
    if control.only_if_cached {
        let mut answer = refusal(dialect, StatusCode::GATEWAY_TIMEOUT, "no answer is kept that would do");
        Status::OnlyIfCached.say(answer.headers_mut());
        return Ok(answer);
    }

    // Who wants a new answer makes a call of its own, and leaves what it brings to the others.
    let (seat, is_first) = shared.join(&asked, commit, control.no_cache, &mut unsent);
    count(if is_first { &counters.misses } else { &counters.collapsed });
    let status = match (is_first, control.no_cache) {
        (true, true) => Status::Request,
        (true, false) if is_explored => {
            count(&counters.explored);
            Status::Explored
        }
        (true, false) => Status::Miss,
        (false, _) => Status::Collapsed,
    };
    let unsent = unsent.map(|(ready, request)| (unready(&ready), request));
    let error = match poll_fn(|cx| seat.poll_head(cx)).await {
        // A layer further in has turned down who began the call: for its deadline, its place, its share.
        Ok(head) if !is_first && head.extensions.get::<Rejection>().is_some() => {
            spare = spare.filter(|_| head.status.is_server_error());
            None
        }
        Ok(mut head) if !head.status.is_server_error() || spare.is_none() => {
            if !is_first {
                head.headers.remove(header::SET_COOKIE);
            }
            let mut answer = Response::from_parts(head, ResponseBody::shared(seat));
            status.say(answer.headers_mut());
            return Ok(answer);
        }
        Ok(_) | Err(Failed::Elsewhere) => None,
        Err(Failed::Because(error)) => error.downcast::<S::Error>().ok(),
    };
    drop(seat);
    if let Some((entry, likeness)) = spare
        && let Some(answer) = kept(rules, &asked, &entry, likeness)
    {
        match likeness {
            Some(likeness) => counters.similar(likeness),
            None => count(&counters.stale),
        }
        return Ok(answer);
    }
    match (error, unsent) {
        (Some(error), _) => Err(*error),
        // One failure is not everybody's, nor one refusal.
        (None, Some((mut inner, request))) => {
            poll_fn(|cx| inner.poll_ready(cx)).await?;
            let mut answer = inner.call(request).await?;
            Status::Miss.say(answer.headers_mut());
            Ok(answer.map(ResponseBody::passing))
        }
        (None, None) => Ok(refusal(dialect, StatusCode::BAD_GATEWAY, "the call broke off")),
    }
}

impl Rules {
    /// Whether a request is one whose answer another may have.
    fn may_look(&self, asked: &Asked) -> bool {
        asked.sampling.temperature.unwrap_or(1.0) <= self.max_temperature && asked.sampling.answers <= 1.0
    }
}

impl<St: Store> Shared<St> {
    /// The entry for this request, if the store has it in time.
    async fn find(&self, asked: &Asked, tenant: &Tenant) -> Option<Arc<Entry>> {
        let reads = &self.counters.others.reads;
        let entry = reads.ask(self.rules.budget, self.store.get(asked.place())).await??;
        (entry.tenant == *tenant && entry.key == asked.exact).then_some(entry)
    }

    /// Listens to the call for this request: the one that is under way, or a new one of what is `unsent`.
    fn join<S, ReqBody, B>(
        &self,
        asked: &Asked,
        commit: Commit<St>,
        alone: bool,
        unsent: &mut Option<(S, Request<RequestBody<ReqBody>>)>,
    ) -> (Seat, bool)
    where
        S: Service<Request<RequestBody<ReqBody>>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        ReqBody: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let key = FlightKey { key: asked.call, stream: asked.stream, include_usage: asked.include_usage };
        let plan = Plan { key, max_bytes: self.rules.max_answer_bytes, alone, finish: self.rules.finish };
        self.flights.join(plan, || {
            let (ready, request) = unsent.take().expect("it is sent once");
            (call(ready, request), commit.on_end())
        })
    }
}

/// The same service, that has reserved nothing: one that is ready and waits would hold what others could use.
fn unready<S: Clone>(ready: &S) -> S {
    ready.clone()
}

/// A call that is made when it is first polled.
fn call<S, ReqBody, B>(mut ready: S, request: Request<RequestBody<ReqBody>>) -> Call
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Box::pin(async move {
        match ready.call(request).await {
            Ok(answer) => Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync())),
            Err(error) => Err(Box::new(error) as Box<dyn Any + Send>),
        }
    })
}

/// Whether an entry says all that this request is to be told.
fn suits(asked: &Asked, entry: &Entry) -> bool {
    // A chat says how many tokens it took, whole or where a stream was asked to.
    let says_usage = entry.dialect == Dialect::OpenAiChat && (!asked.stream || asked.include_usage);
    entry.has_usage || !says_usage
}

/// An entry as the answer to this request; `None` if it cannot be.
fn kept<B>(
    rules: &Rules,
    asked: &Asked,
    entry: &Entry,
    likeness: Option<Likeness>,
) -> Option<Response<ResponseBody<B>>> {
    if !suits(asked, entry) {
        return None;
    }
    // A stream that cannot be made whole.
    if entry.events && !asked.stream {
        return None;
    }
    let answer = if asked.stream && !entry.events {
        answer::as_stream(entry.dialect, &entry.answer, asked.include_usage, rules.pace.is_some())?
    } else {
        entry.answer.clone()
    };
    let replay = match rules.pace.filter(|_| asked.stream) {
        Some(gap) => Replay::paced(answer, gap),
        None => Replay::at_once(answer),
    };
    let mut response = Response::new(ResponseBody::kept(replay));
    let headers = response.headers_mut();
    let kind = if asked.stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if asked.stream {
        // No proxy is to hold back what is paced.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    Status::Hit(entry, now(), likeness).say(headers);
    Some(response)
}

/// An answer of the cache's own, in the words of the API.
fn refusal<B>(dialect: Dialect, status: StatusCode, why: &'static str) -> Response<ResponseBody<B>> {
    let words = Bytes::from(dialect.error_body(status.as_u16(), why));
    let mut answer = Response::new(ResponseBody::kept(Replay::at_once(words)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.extensions_mut().insert(Rejection::new("cache", why).with_status(status));
    answer
}
