//! What a real server does with a guarded body: where it stops polling depends on the answer.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{convert::Infallible, future::ready, time::Duration};

use bytes::Bytes;
use dashpot_body::{End, Guarded, ReleaseAt};
use dashpot_testkit::body::Scripted;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};

type Answer = fn() -> Response<Scripted>;

/// A connection to a server that gives `answer` to each request, and how each body ended.
fn serve(answer: Answer, http2: bool) -> (DuplexStream, mpsc::UnboundedReceiver<End>) {
    let (client, server) = duplex(1 << 16);
    let (told, ends) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let told = told.clone();
        let guard = move |end| {
            let _ = told.send(end);
        };
        ready(Ok::<_, Infallible>(Guarded::response(request.method(), answer(), guard, ReleaseAt::End)))
    });
    let io = TokioIo::new(server);
    tokio::spawn(async move {
        // Errors are what some of these tests are about.
        let _ = if http2 {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
        } else {
            hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
        };
    });
    (client, ends)
}

/// All that an HTTP/1.1 server sends before it closes.
async fn http1(method: &str, answer: Answer) -> (String, End) {
    let (mut client, mut ends) = serve(answer, false);
    let request = format!("{method} / HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).await.unwrap();
    (String::from_utf8(sent).unwrap(), ends.recv().await.unwrap())
}

async fn http2(method: Method, answer: Answer) -> (Result<Bytes, hyper::Error>, End) {
    let (client, mut ends) = serve(answer, true);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri("http://x/").body(Empty::<Bytes>::new()).unwrap();
    let body = async {
        let answer = sender.send_request(request).await?;
        Ok(answer.into_body().collect().await?.to_bytes())
    };
    (body.await, ends.recv().await.unwrap())
}

fn two_frames() -> Scripted {
    Scripted::new().data("ab").data("c")
}

#[tokio::test]
async fn a_body_of_known_length_is_complete() {
    let (sent, end) = http1("GET", || Response::new(two_frames().exact())).await;
    assert!(sent.contains("content-length: 3") && sent.ends_with("\r\n\r\nabc"), "{sent}");
    assert_eq!(end, End::Complete);
    let (body, end) = http2(Method::GET, || Response::new(two_frames().exact())).await;
    assert_eq!((body.unwrap(), end), (Bytes::from("abc"), End::Complete));
}

#[tokio::test]
async fn a_body_whose_length_only_a_header_knows_is_complete() {
    let answer = || Response::builder().header("content-length", "3").body(two_frames()).unwrap();
    let (sent, end) = http1("GET", answer).await;
    assert!(sent.ends_with("\r\n\r\nabc"), "{sent}");
    assert_eq!(end, End::Complete);
}

#[tokio::test]
async fn a_chunked_body_is_complete_with_and_without_trailers() {
    let (sent, end) = http1("GET", || Response::new(two_frames())).await;
    assert!(sent.ends_with("\r\n0\r\n\r\n"), "{sent}");
    assert_eq!(end, End::Complete);
    fn trailers() -> Response<Scripted> {
        let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
        let answer = Response::builder().header("trailer", "etag");
        answer.body(two_frames().trailers(trailers).data("never sent")).unwrap()
    }
    let (sent, end) = http1("GET", trailers).await;
    assert!(sent.ends_with("\r\n0\r\netag: x\r\n\r\n"), "{sent}");
    assert_eq!(end, End::Complete);
    let (body, end) = http2(Method::GET, trailers).await;
    assert_eq!((body.unwrap(), end), (Bytes::from("abc"), End::Complete));
}

#[tokio::test]
async fn an_answer_to_head_is_complete() {
    let (sent, end) = http1("HEAD", || Response::new(two_frames().exact())).await;
    assert!(sent.contains("content-length: 3") && sent.ends_with("\r\n\r\n"), "{sent}");
    assert_eq!(end, End::Complete);
    let (_, end) = http2(Method::HEAD, || Response::new(two_frames())).await;
    assert_eq!(end, End::Complete);
}

#[tokio::test]
async fn what_is_sent_over_http2_without_being_allowed_is_held_to_its_end() {
    let answer = || Response::builder().status(204).body(Scripted::new().data("a").error("boom")).unwrap();
    assert_eq!(http1("GET", answer).await.1, End::Complete, "dropped unread");
    assert_eq!(http2(Method::GET, answer).await.1, End::Error, "read");
}

#[tokio::test]
async fn an_answer_without_content_is_complete() {
    fn no_content() -> Response<Scripted> {
        Response::builder().status(204).body(Scripted::new()).unwrap()
    }
    assert_eq!(http1("GET", no_content).await.1, End::Complete);
    assert_eq!(http2(Method::GET, no_content).await.1, End::Complete);
    assert_eq!(http1("GET", || Response::new(Scripted::new().eager())).await.1, End::Complete);
}

#[tokio::test]
async fn a_body_that_fails_is_an_error() {
    let (_, end) = http1("GET", || Response::new(Scripted::new().data("a").error("boom"))).await;
    assert_eq!(end, End::Error);
    let (body, end) = http2(Method::GET, || Response::new(Scripted::new().data("a").error("boom"))).await;
    assert!(body.is_err());
    assert_eq!(end, End::Error);
}

#[tokio::test]
async fn a_body_shorter_than_its_header_says_is_an_error() {
    let answer = || Response::builder().header("content-length", "9").body(two_frames()).unwrap();
    assert_eq!(http1("GET", answer).await.1, End::Error);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_drops_the_body() {
    // It is found out on the next write, so the body goes on for a while.
    fn endless() -> Response<Scripted> {
        let steps = |body: Scripted, _| body.data("tick").wait(Duration::from_secs(1));
        Response::new((0..100).fold(Scripted::new(), steps).forever())
    }
    let (mut client, mut ends) = serve(endless, false);
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();
    drop(client);
    assert_eq!(ends.recv().await, Some(End::Dropped));
}
