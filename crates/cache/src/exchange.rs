//! What becomes of one request, from its body to the head of its answer.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot_core::{Rejection, Tenant};
use dashpot_wire::dialect::Dialect;
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use tower_service::Service;

use crate::{
    Entry, RequestBody, ResponseBody, Store, answer,
    call::{Elsewhere, call, unready},
    commit::Commit,
    control::Control,
    find::{Found, Likeness},
    flight::{BoxError, Failed, FlightKey, Plan, Seat, drain},
    key::{Asked, Mode},
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
            if is_stale && let (seat, true) = shared.join(&asked, commit, control, &mut unsent) {
                tokio::spawn(drain(seat));
            }
            return Ok(answer);
        }
        if age < fresh.saturating_add(rules.if_error) && asked.mode.suits(&entry) {
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
            let otherwise = otherwise.filter(|_| asked.mode.suits(&explored.entry));
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
    let (seat, is_first) = shared.join(&asked, commit, control, &mut unsent);
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
    let head = poll_fn(|cx| seat.poll_head(cx)).await;
    let elsewhere = head.as_ref().ok().and_then(|head| head.extensions.get::<Elsewhere>());
    if let Some(Elsewhere(entry)) = elsewhere {
        let (age, fresh) = entry.times(now());
        // It would do for who began to wait. Others may want a younger one.
        let will_do = is_first || control.accepts(age, fresh, Duration::ZERO) == Some(false);
        if will_do && let Some(answer) = kept(rules, &asked, entry, None) {
            count(&counters.awaited);
            return Ok(answer);
        }
    }
    let error = match head {
        Ok(_) if elsewhere.is_some() => None,
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
        control: Control,
        unsent: &mut Option<(S, Request<RequestBody<ReqBody>>)>,
    ) -> (Seat, bool)
    where
        S: Service<Request<RequestBody<ReqBody>>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        ReqBody: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let alone = control.no_cache;
        let key = FlightKey { key: asked.call, mode: asked.mode };
        let plan = Plan { key, max_bytes: self.rules.max_answer_bytes, alone, finish: self.rules.finish };
        self.flights.join(plan, || {
            let (ready, request) = unsent.take().expect("it is sent once");
            // Who wants a new answer waits for nobody's.
            let turn = if alone { None } else { self.turn(asked, &commit.tenant, control, &request) };
            let held = turn.as_ref().map(|turn| turn.held.clone()).unwrap_or_default();
            (call(ready, request, turn), commit.on_end(held))
        })
    }
}

/// An entry as the answer to this request; `None` if it cannot be.
fn kept<B>(
    rules: &Rules,
    asked: &Asked,
    entry: &Entry,
    likeness: Option<Likeness>,
) -> Option<Response<ResponseBody<B>>> {
    let Mode { stream, include_usage } = asked.mode;
    if !asked.mode.can_have(entry) {
        return None;
    }
    let answer = if stream && !entry.events {
        answer::as_stream(entry.dialect, &entry.answer, include_usage, rules.pace.is_some())?
    } else {
        entry.answer.clone()
    };
    let replay = match rules.pace.filter(|_| stream) {
        Some(gap) => Replay::paced(answer, gap),
        None => Replay::at_once(answer),
    };
    let mut response = Response::new(ResponseBody::kept(replay));
    let headers = response.headers_mut();
    let kind = if stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if stream {
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
