//! Orders of layers that people get wrong, and what goes wrong then.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::any_service};
use bytes::Bytes;
use dashpot::{
    breaker::{BreakerLayer, BreakerState, Handle as BreakerHandle},
    cache::{CacheLayer, MemoryStore as Answers, RequestBody},
    core::{BodyReport, Rejection},
    deadline::DeadlineLayer,
    limit::{
        Handle, LimitLayer, Policy,
        policy::{Belief, Event, Fixed, Observation, Reason, Signal},
    },
    sse::{
        HeartbeatLayer, ModeLayer, PeekFirstLayer, SsePassthroughLayer,
        resume::{Memory, MemoryStore, ResumeLayer},
    },
    warm::{
        WarmLayer,
        starter::{Functions, StartError},
    },
};
use dashpot_testkit::{Trigger, body::Scripted};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Events = Arc<Mutex<Vec<Event>>>;

/// A limit of one that writes down what it is told.
#[derive(Clone, Debug)]
struct Told(Events);

impl Policy for Told {
    fn limit(&self) -> f64 {
        1.0
    }

    fn observe(&mut self, _: Instant, observation: &Observation) {
        self.0.lock().expect("nobody panics").push(observation.event);
    }

    fn belief(&self) -> Belief {
        Belief::new(Reason::Set)
    }

    fn set_limit(&mut self, _: f64) {}
}

fn told() -> (LimitLayer, Handle, Events) {
    let events = Events::default();
    let layer = LimitLayer::with_policy(Told(events.clone()));
    (layer.clone(), layer.handle(), events)
}

const ERROR: &str = "data: {\"error\":{\"type\":\"server_error\",\"code\":\"server_is_overloaded\"}}\n\n";
const CONTENT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";

/// A model that says these things, in this order.
#[derive(Clone)]
struct Model(&'static [&'static str]);

impl Service<Request<Full<Bytes>>> for Model {
    type Response = Response<Scripted>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Scripted>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        let body = self.0.iter().fold(Scripted::new(), |body, words| body.data(*words));
        let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
        ready(Ok(answer.body(body).expect("it is well-formed")))
    }
}

fn chat() -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions").body(Full::default()).expect("it is well-formed")
}

/// Reads the answer of `service`, and gives what the limit was told after each frame.
async fn told_per_frame<S, B>(service: S, events: &Events) -> Vec<usize>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
{
    let answer = service.oneshot(chat()).await.expect("it never fails");
    let mut body = std::pin::pin!(answer.into_body());
    let mut counts = Vec::new();
    while body.frame().await.is_some_and(|frame| frame.is_ok()) {
        counts.push(events.lock().expect("nobody panics").len());
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn a_limit_around_sse_waits_for_content_and_one_within_takes_a_ping_for_it() {
    let model = Model(&[": ping\n\n", CONTENT, "data: [DONE]\n\n"]);

    let (limit, _, events) = told();
    let right = ServiceBuilder::new().layer(limit).layer(SsePassthroughLayer::new()).service(model.clone());
    assert_eq!(told_per_frame(right, &events).await, [0, 1, 1]);

    let (limit, _, events) = told();
    let wrong = ServiceBuilder::new().layer(SsePassthroughLayer::new()).layer(limit).service(model);
    assert_eq!(told_per_frame(wrong, &events).await, [1, 1, 1]);
    let first = events.lock().expect("nobody panics")[0];
    assert!(matches!(first, Event::Sample(sample) if sample.signal == Signal::FirstToken), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_around_sse_hears_that_the_model_is_overloaded_and_one_within_does_not() {
    let model = Model(&[ERROR]);
    let is_overload = |events: &Events| {
        events.lock().expect("nobody panics").iter().any(|event| matches!(event, Event::Overload))
    };

    let (limit, _, events) = told();
    let right = ServiceBuilder::new().layer(limit).layer(SsePassthroughLayer::new()).service(model.clone());
    told_per_frame(right, &events).await;
    assert!(is_overload(&events), "{events:?}");

    let (limit, _, events) = told();
    let wrong = ServiceBuilder::new().layer(SsePassthroughLayer::new()).layer(limit).service(model);
    told_per_frame(wrong, &events).await;
    assert!(!is_overload(&events), "{events:?}");
}

fn breaker() -> (BreakerLayer, BreakerHandle) {
    let layer = BreakerLayer::new().consecutive_failures(2);
    (layer.clone(), layer.handle())
}

/// Nine answers, each read to its end: two failures are eight streams that had begun and broke off.
async fn drain<S, B>(service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    for _ in 0..9 {
        let answer = service.clone().oneshot(chat()).await.expect("it never fails");
        answer.into_body().collect().await.expect("it is whole");
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_around_sse_opens_on_broken_streams_and_one_within_does_not() {
    let model = Model(&[CONTENT, ERROR]);
    let (layer, handle) = breaker();
    let right = ServiceBuilder::new().layer(layer).layer(SsePassthroughLayer::new()).service(model.clone());
    drain(right).await;
    assert_eq!(handle.stats().state, BreakerState::Open);
    assert_eq!((handle.stats().refused, handle.stats().opened), (1, 1));

    let (layer, handle) = breaker();
    let wrong = ServiceBuilder::new().layer(SsePassthroughLayer::new()).layer(layer).service(model);
    drain(wrong).await;
    assert_eq!((handle.stats().state, handle.stats().failed), (BreakerState::Closed, 0));
}

/// A stream that begins with its error is a status to all who try again or let be, before anything has gone out.
#[tokio::test(start_paused = true)]
async fn a_breaker_around_a_head_that_waits_sees_the_status_of_the_error() {
    const OVERLOADED: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n";
    let (layer, handle) = breaker();
    let stack = ServiceBuilder::new()
        .layer(layer)
        .layer(PeekFirstLayer::new(Duration::from_secs(1), 1000))
        .layer(SsePassthroughLayer::new())
        .service(Model(&[": ping\n\n", OVERLOADED]));
    for _ in 0..2 {
        let request = Request::post("/v1/messages").body(Full::default()).expect("it is well-formed");
        let answer = stack.clone().oneshot(request).await.expect("it never fails");
        assert_eq!(answer.status().as_u16(), 529);
        // The head says it all: nobody has to read the body.
    }
    assert_eq!(handle.stats().state, BreakerState::Open);
}

/// A heartbeat is the proxy's own. To a breaker around it, it would be a sign of the upstream's life.
#[tokio::test(start_paused = true)]
async fn a_breaker_within_heartbeats_knows_that_the_upstream_is_silent_and_one_around_them_does_not() {
    let silent = |_: Request<Full<Bytes>>| {
        let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
        ready(Ok::<_, Infallible>(
            answer.body(Scripted::new().data(CONTENT).forever()).expect("it is well-formed"),
        ))
    };
    let heartbeats = || HeartbeatLayer::new(Duration::from_millis(100));

    let breaker = || {
        let layer = BreakerLayer::new().silence(Duration::from_secs(2));
        (layer.clone(), layer.handle())
    };
    let ((within, right), (around, wrong)) = (breaker(), breaker());
    tokio::join!(
        read_and_leave(ServiceBuilder::new().layer(heartbeats()).layer(within).service_fn(silent)),
        read_and_leave(ServiceBuilder::new().layer(around).layer(heartbeats()).service_fn(silent)),
    );
    assert_eq!((right.stats().failed, wrong.stats().failed), (1, 0));
}

/// Reads for a while, and leaves.
async fn read_and_leave<S, B>(service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
{
    let answer = service.oneshot(chat()).await.expect("it never fails");
    let mut body = std::pin::pin!(answer.into_body());
    let read = async { while body.frame().await.is_some() {} };
    let left = tokio::time::timeout(Duration::from_secs(3), read).await;
    assert!(left.is_err(), "the stream has no end");
}

/// Who wants the whole answer waits for its head while the stream that it is made of flows. Clocks further out see only that.
#[tokio::test(start_paused = true)]
async fn a_deadline_within_the_mode_sees_the_first_token_and_one_around_it_does_not() {
    let slow = |_: Request<Full<Bytes>>| {
        let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
        let body = Scripted::new().data(CONTENT).wait(Duration::from_secs(10)).data("data: [DONE]\n\n");
        ready(Ok::<_, Infallible>(answer.body(body).expect("it is well-formed")))
    };
    let (mode, deadline) =
        (ModeLayer::new(1 << 20), DeadlineLayer::new().first_content(Duration::from_secs(5)));
    let chat = || chat().map(|_| Full::from("{}"));

    let right = ServiceBuilder::new().layer(&mode).layer(&deadline).service_fn(slow);
    assert_eq!(right.oneshot(chat()).await.expect("it never fails").status(), StatusCode::OK);
    let wrong = ServiceBuilder::new().layer(&deadline).layer(&mode).service_fn(slow);
    assert_eq!(wrong.oneshot(chat()).await.expect("it never fails").status(), StatusCode::GATEWAY_TIMEOUT);
}

/// A breaker within a limit: what it refuses takes no slot for longer than it takes to say so.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_open_leaves_a_limit_around_it_alone() {
    let (limit, limit_handle, events) = told();
    let (layer, handle) = breaker();
    handle.force_open();
    let stack = ServiceBuilder::new().layer(limit).layer(layer).service(Model(&[CONTENT]));
    for _ in 0..10 {
        let answer = stack.clone().oneshot(chat()).await.expect("it never fails");
        assert_eq!(answer.extensions().get::<Rejection>().map(Rejection::layer), Some("breaker"));
        drop(answer);
    }
    assert_eq!((limit_handle.stats().in_flight, limit_handle.stats().refused), (0, 0));
    let events = events.lock().expect("nobody panics");
    assert!(events.iter().all(|event| matches!(event, Event::Departure)), "{events:?}");
}

/// The other way round a limit that is full looks like an upstream that has too much to do; but it carries the mark of a
/// refusal, and opens nothing.
#[tokio::test(start_paused = true)]
async fn a_limit_within_a_breaker_may_refuse_without_opening_it() {
    let (layer, handle) = breaker();
    let limit = LimitLayer::with_policy(Fixed::new(1));
    let stack = ServiceBuilder::new().layer(layer).layer(limit).service(Model(&[CONTENT]));
    let holder = stack.clone().oneshot(chat()).await.expect("it never fails");
    for _ in 0..10 {
        let answer = stack.clone().oneshot(chat()).await.expect("it never fails");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(handle.stats().state, BreakerState::Closed);
    drop(holder);
}

/// Axum makes a service for each route, and a clone of it for each request.
#[tokio::test(start_paused = true)]
async fn one_layer_on_five_routes_is_one_limit() {
    let layer = LimitLayer::with_policy(Fixed::new(1));
    let handle = layer.handle();
    let model = || {
        let endless = service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Scripted::new().data("a").forever()))
        });
        any_service(layer.layer(endless).map_response(|answer: Response<_>| answer.map(Body::new)))
    };
    let app = (0..5).fold(Router::new(), |app, route| app.route(&format!("/{route}"), model()));
    let ask = |route: u32| {
        let request = Request::get(format!("/{route}")).body(Body::empty()).expect("it is well-formed");
        app.clone().oneshot(request)
    };

    let holder = ask(0).await.expect("it never fails");
    for route in 0..5 {
        let answer = ask(route).await.expect("it never fails");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "route {route} has a limit of its own");
    }
    drop(holder);
    assert_eq!(ask(4).await.expect("it never fails").status(), StatusCode::OK);
    assert_eq!((handle.stats().admitted, handle.stats().refused), (2, 5));
}

/// A limit for each upstream within one for all: what the inner one refuses says nothing about the upstream.
#[tokio::test(start_paused = true)]
async fn a_refusal_further_in_teaches_a_limit_further_out_nothing() {
    let (outer, handle, events) = told();
    let inner = LimitLayer::with_policy(Fixed::new(1));
    let full = inner.layer(Model(&[CONTENT])).oneshot(chat()).await.expect("it never fails");
    let stack = ServiceBuilder::new().layer(outer).layer(inner).service(Model(&[CONTENT]));
    let answer = stack.oneshot(chat()).await.expect("it never fails");
    assert_eq!(answer.extensions().get::<Rejection>().map(Rejection::layer), Some("limit"));
    answer.into_body().collect().await.expect("it is whole");
    let events = events.lock().expect("nobody panics");
    assert!(events.iter().all(|event| matches!(event, Event::Departure)), "{events:?}");
    assert_eq!(handle.stats().in_flight, 0);
    drop(full);
}

/// The report of the layer further in reaches those who are further out than the limit too.
#[tokio::test(start_paused = true)]
async fn a_limit_lets_the_report_of_sse_through() {
    let stack = ServiceBuilder::new()
        .layer(LimitLayer::new().wait(1, Duration::from_secs(1)))
        .layer(SsePassthroughLayer::new())
        .service(Model(&[CONTENT, "data: [DONE]\n\n"]));
    let answer = stack.oneshot(chat()).await.expect("it never fails");
    let report = answer.extensions().get::<BodyReport>().cloned().expect("it is a stream");
    answer.into_body().collect().await.expect("it is whole");
    assert!(report.first_content().is_some() && report.outcome().is_some());
}

/// What a breaker guards is the upstream's stream, and not the connections of those who read it.
#[tokio::test]
async fn within_streams_that_are_resumed_a_limit_holds_its_slot_until_the_model_is_done() {
    let limit = LimitLayer::with_policy(Fixed::new(1));
    let handle = limit.handle();
    let resume = ResumeLayer::new(MemoryStore::try_new(Memory::default()).expect("they make sense"));
    let (more, body) = (Trigger::new(), Scripted::new().data(CONTENT));
    let body = Arc::new(Mutex::new(Some(body.until(&more).data("data: [DONE]\n\n"))));
    let model = move |_: Request<Full<Bytes>>| {
        let body = body.lock().expect("nobody panics").take().expect("it is asked once");
        let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
        ready(Ok::<_, Infallible>(answer.body(body).expect("it is well-formed")))
    };
    let stack =
        ServiceBuilder::new().layer(resume).layer(limit).layer(SsePassthroughLayer::new()).service_fn(model);
    let mut cut = stack.clone().oneshot(chat()).await.expect("it never fails").into_body();
    let first =
        cut.frame().await.expect("it has begun").expect("it is whole").into_data().expect("it is data");
    let id = first.split(|&byte| byte == b'\n').next().and_then(|line| line.strip_prefix(b"id: "));
    let mut back = chat();
    back.headers_mut().insert("last-event-id", id.expect("it has one").try_into().expect("it is a value"));
    drop(cut);
    assert_eq!(handle.stats().in_flight, 1, "the model is at work");
    let rest = stack.oneshot(back).await.expect("it never fails").into_body();
    more.fire();
    assert!(rest.collect().await.expect("it is whole").to_bytes().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(handle.stats().in_flight, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_around_a_limit_answers_without_a_slot_and_one_within_waits_for_one() {
    let question = || {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"Why?"}]}"#;
        Request::post("/v1/chat/completions").body(Full::from(body)).expect("it is well-formed")
    };
    let whole = service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
        let answer = r#"{"choices":[{"message":{"role":"assistant","content":"So."},"finish_reason":"stop"}],"usage":{}}"#;
        let head = Response::builder().header(header::CONTENT_TYPE, "application/json");
        Ok::<_, Infallible>(head.body(Full::<Bytes>::from(answer)).expect("it is well-formed"))
    });
    let limit = || {
        let layer = LimitLayer::with_policy(Fixed::new(1));
        (layer.clone(), layer.handle())
    };
    let kept = |cache: &CacheLayer<Answers>| cache.handle().stats().stored;

    let ((limit_within, _), cache) = (limit(), CacheLayer::shared_by_all(Answers::new(1 << 20)));
    let right = ServiceBuilder::new().layer(cache.clone()).layer(limit_within.clone()).service(whole);
    let first = right.clone().oneshot(question()).await.expect("it never fails");
    assert_eq!(first.status(), StatusCode::OK);
    first.into_body().collect().await.expect("it is whole");
    while kept(&cache) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Somebody else's answer, which holds the only slot.
    let other = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("x")))
    });
    let held = limit_within.layer(other).oneshot(chat()).await.expect("it never fails");
    let second = right.oneshot(question()).await.expect("it never fails");
    assert_eq!(second.status(), StatusCode::OK);
    drop(held);

    let ((limit_around, _), cache) = (limit(), CacheLayer::shared_by_all(Answers::new(1 << 20)));
    let wrong = ServiceBuilder::new().layer(limit_around).layer(cache.clone()).service(whole);
    let first = wrong.clone().oneshot(question()).await.expect("it never fails");
    first.into_body().collect().await.expect("it is whole");
    while kept(&cache) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let held = wrong.clone().oneshot(question()).await.expect("it never fails");
    assert_eq!(held.status(), StatusCode::OK);
    // It is in the cache, and nobody is let through to it.
    let second = wrong.oneshot(question()).await.expect("it never fails");
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// The cache knows what is no question to a model, and gRPC is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_tonic_service_behind_a_cache_is_what_it_was() -> Result<(), Box<dyn std::error::Error>> {
    let cache = CacheLayer::shared_by_all(Answers::new(1 << 20));
    let handle = cache.handle();
    let (reporter, health) = tonic_health::server::health_reporter();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder().layer(cache).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = HealthClient::new(channel);
    let mut watch = client.watch(HealthCheckRequest::default()).await?.into_inner();
    assert_eq!(watch.message().await?.map(|health| health.status), Some(1));
    reporter.set_service_status("", ServingStatus::NotServing).await;
    assert_eq!(watch.message().await?.map(|health| health.status), Some(2));
    for _ in 0..2 {
        assert_eq!(client.check(HealthCheckRequest::default()).await?.into_inner().status, 2);
    }
    assert_eq!(handle.stats(), dashpot::cache::Stats::default());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_start_holds_no_slot_of_a_limit_within_and_one_of_a_limit_around() {
    let model = Model(&[CONTENT, "data: [DONE]\n\n"]);
    let loading = || WarmLayer::new(Functions::new(|_| std::future::pending::<Result<(), StartError>>()));

    let (limit, handle, _) = told();
    let right = ServiceBuilder::new().layer(loading()).layer(limit).service(model.clone());
    let waits = tokio::spawn(right.oneshot(chat()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waits.is_finished());
    assert_eq!(handle.stats().in_flight, 0);

    let (limit, handle, _) = told();
    let wrong = ServiceBuilder::new().layer(limit).layer(loading()).service(model);
    let waits = tokio::spawn(wrong.oneshot(chat()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waits.is_finished());
    assert_eq!(handle.stats().in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_within_a_start_that_is_waited_for_knows_nothing_of_who_leaves_and_one_around_it_opens() {
    let model = Model(&[CONTENT, "data: [DONE]\n\n"]);
    let loading = || WarmLayer::new(Functions::new(|_| std::future::pending::<Result<(), StartError>>()));
    let patience = Duration::from_secs(29);

    let layer = breaker().0.silence(Duration::from_secs(10));
    let handle = layer.handle();
    let right = ServiceBuilder::new().layer(loading()).layer(layer).service(model.clone());
    for _ in 0..3 {
        assert!(tokio::time::timeout(patience, right.clone().oneshot(chat())).await.is_err());
    }
    assert_eq!(handle.stats().state, BreakerState::Closed);

    // It takes them for clients who gave up an upstream that is silent.
    let layer = breaker().0.silence(Duration::from_secs(10));
    let handle = layer.handle();
    let wrong = ServiceBuilder::new().layer(layer).layer(loading()).service(model);
    for _ in 0..3 {
        // The third is refused at once.
        drop(tokio::time::timeout(patience, wrong.clone().oneshot(chat())).await);
    }
    assert_eq!(handle.stats().state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn what_a_breaker_or_a_limit_refuses_within_is_no_sign_of_a_cold_upstream() {
    let starter = Functions::new(|_| async { Ok::<_, StartError>(()) });
    let warm = WarmLayer::new(starter).retry_cold();
    let ready = warm.handle();
    let (breaker, state) = breaker();
    let model = Model(&[ERROR]);
    let stack = ServiceBuilder::new()
        .layer(warm)
        .layer(LimitLayer::new())
        .layer(breaker)
        .layer(SsePassthroughLayer::new())
        .service(model);
    drain(stack.clone()).await;
    assert_eq!(state.stats().state, BreakerState::Open);
    let answer = stack.clone().oneshot(chat()).await.expect("it never fails");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let stats = ready.stats();
    assert_eq!((stats.starts, stats.lost, ready.is_ready()), (1, 0, true));

    // Nor does who finds the limit full wait for a start.
    let (limit, handle, _) = told();
    let warm = WarmLayer::new(Functions::new(|_| async { Ok::<_, StartError>(()) })).retry_cold();
    let ready = warm.handle();
    let stack = ServiceBuilder::new().layer(warm).layer(limit).service(Model(&[CONTENT]));
    let holds = stack.clone().oneshot(chat()).await.expect("it never fails");
    assert_eq!(handle.stats().in_flight, 1);
    let answer = stack.oneshot(chat()).await.expect("it never fails");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((ready.stats().starts, ready.stats().lost), (1, 0));
    drop(holds);
}
