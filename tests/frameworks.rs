//! Each layer where people put it: in axum around one route and around all, around hyper's server and client, around tonic's
//! server, one of its services, and its client. Over real sockets, with a whole answer and a stream, which are as they are without.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use dashpot::{
    breaker::BreakerLayer,
    cache::{CacheLayer, MemoryStore, RequestBody},
    deadline::DeadlineLayer,
    limit::LimitLayer,
    sse::SsePassthroughLayer,
    warm::{
        WarmLayer,
        starter::{Functions, StartError},
    },
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    client::GrpcService,
    server::NamedService,
    service::LayerExt,
    transport::{Channel, Server},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::health_reporter,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const CHAT: &str = "/v1/chat/completions";
const WHOLE: &str = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
const STREAM: &str =
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn sse() -> SsePassthroughLayer {
    SsePassthroughLayer::new()
}

fn limit() -> LimitLayer {
    LimitLayer::new()
}

fn breaker() -> BreakerLayer {
    BreakerLayer::new()
}

fn deadline() -> DeadlineLayer {
    DeadlineLayer::new().total(Duration::from_secs(60))
}

fn warm() -> WarmLayer {
    WarmLayer::new(Functions::new(|_| ready(Ok::<_, StartError>(()))))
}

fn cache() -> CacheLayer<MemoryStore> {
    CacheLayer::shared_by_all(MemoryStore::new(1 << 20))
}

/// The same for any body that a layer makes of a question.
#[derive(Clone)]
struct Model;

impl<B: http_body::Body + Send + 'static> Service<Request<B>> for Model {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let ([(name, value)], body) = said(request.headers());
        let answer = Response::builder().header(name, value).body(Body::from(body));
        ready(Ok(answer.expect("it is well-formed")))
    }
}

/// A model.
async fn answer(headers: HeaderMap) -> Said {
    said(&headers)
}

type Said = ([(header::HeaderName, &'static str); 1], &'static str);

/// A stream for who accepts one.
fn said(headers: &HeaderMap) -> Said {
    match headers.contains_key(header::ACCEPT) {
        true => ([(header::CONTENT_TYPE, "text/event-stream")], STREAM),
        false => ([(header::CONTENT_TYPE, "application/json")], WHOLE),
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    (listener, address)
}

async fn serve(app: Router) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Each is another one: to the cache a whole answer is as good as a stream.
fn question(address: SocketAddr, is_stream: bool) -> Request<Full<Bytes>> {
    let messages = format!(r#"[{{"role":"user","content":"Is it {is_stream}?"}}]"#);
    let body = format!(r#"{{"model":"m","stream":{is_stream},"messages":{messages}}}"#);
    let request = Request::post(format!("http://{address}{CHAT}"));
    let request = if is_stream { request.header(header::ACCEPT, "text/event-stream") } else { request };
    request.body(Full::from(body)).expect("it is well-formed")
}

/// Asks for both, by whatever sends a request.
async fn asks<F, B>(address: SocketAddr, send: impl Fn(Request<Full<Bytes>>) -> F)
where
    F: Future<Output = Response<B>>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    for (is_stream, expected) in [(false, WHOLE), (true, STREAM)] {
        let answer = send(question(address, is_stream)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.into_body().collect().await.expect("it is whole").to_bytes();
        assert_eq!(body, expected);
    }
}

async fn asks_a_server(address: SocketAddr) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    asks(address, async |request| client.request(request).await.expect("there is an answer")).await;
}

/// A call and a stream of messages.
async fn calls<T>(channel: T, set: impl AsyncFnOnce())
where
    T: GrpcService<tonic::body::Body, ResponseBody: http_body::Body<Data = Bytes> + Send + 'static>,
    <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let mut client = HealthClient::new(channel);
    let mut watch = client.watch(HealthCheckRequest::default()).await.expect("it is there").into_inner();
    assert_eq!(watch.message().await.expect("it is whole").map(|health| health.status), Some(1));
    set().await;
    assert_eq!(watch.message().await.expect("it is whole").map(|health| health.status), Some(2));
    let checked = client.check(HealthCheckRequest::default()).await.expect("it answers");
    assert_eq!(checked.into_inner().status, 2);
}

/// A server of which a service has a layer of its own, or another layer is around it, and a client.
macro_rules! tonic {
    ($layer:ident, $client:expr) => {{
        // Around the server.
        let (reporter, health) = health_reporter();
        let (listener, address) = listen().await;
        let server = Server::builder().layer($layer()).add_service(health);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let connect = async |address: SocketAddr| {
            let endpoint = Channel::from_shared(format!("http://{address}")).expect("it is an address");
            endpoint.connect().await.expect("it listens")
        };
        let stops = async || reporter.set_service_status("", ServingStatus::NotServing).await;
        calls(connect(address).await, stops).await;

        // Around one service, which keeps its name.
        let (reporter, health) = health_reporter();
        let (listener, address) = listen().await;
        let service = $layer().named_layer(health);
        assert_eq!(name(&service), "grpc.health.v1.Health");
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let stops = async || reporter.set_service_status("", ServingStatus::NotServing).await;
        calls(connect(address).await, stops).await;

        // Around the client.
        let (reporter, health) = health_reporter();
        let (listener, address) = listen().await;
        let server = Server::builder().add_service(health);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let stops = async || reporter.set_service_status("", ServingStatus::NotServing).await;
        calls($client(connect(address).await), stops).await;
    }};
}

fn name<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

macro_rules! each {
    ($($layer:ident, $client:expr;)*) => {$(
        mod $layer {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn on_axum() {
                asks_a_server(serve(Router::new().route(CHAT, post(answer).layer($layer()))).await).await;
                asks_a_server(serve(Router::new().route(CHAT, post(answer)).layer($layer())).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_hyper() {
                let (listener, address) = listen().await;
                let service = $layer().layer(Model);
                tokio::spawn(async move {
                    loop {
                        let (stream, _) = listener.accept().await.expect("it listens");
                        let service = TowerToHyperService::new(service.clone());
                        let connection = auto::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service)
                            .into_owned();
                        tokio::spawn(async move { connection.await.expect("it ends in order") });
                    }
                });
                asks_a_server(address).await;

                let server = serve(Router::new().route(CHAT, post(answer))).await;
                let client = $layer().layer(Client::builder(TokioExecutor::new()).build_http());
                asks(server, async |request| client.clone().oneshot(request).await.expect("there is an answer")).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_tonic() {
                tonic!($layer, $client);
            }
        }
    )*};
}

each! {
    sse, |channel| sse().layer(channel);
    limit, |channel| limit().layer(channel);
    breaker, |channel| breaker().layer(channel);
    deadline, |channel| deadline().layer(channel);
    warm, |channel| warm().layer(channel);
    // It reads questions, so that what is behind it gets another body than it did.
    cache, |channel| {
        let as_before = |request: Request<RequestBody<_>>| request.map(tonic::body::Body::new);
        ServiceBuilder::new().layer(cache()).map_request(as_before).service(channel)
    };
}
