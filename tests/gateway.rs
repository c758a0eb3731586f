//! The gateway as those meet it who run it: its probes, its metrics, its end, its upstream over TLS, its words when
//! something is wrong.

mod support;

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Distribution, End, Fault, FaultRule, ModelServer};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use support::Gateway;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls};

async fn get(gateway: &Gateway, path: &str) -> (StatusCode, String) {
    let request =
        Request::get(format!("{}{path}", gateway.url())).body(Full::default()).expect("it is well-formed");
    let response = send(request).await;
    let status = response.status();
    (status, String::from_utf8(read(response).await.to_vec()).expect("it is text"))
}

async fn chat(gateway: &Gateway, stream: bool, fault: Option<&str>) -> Response<Incoming> {
    let body =
        json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "Hello" }] });
    let mut request = Request::post(format!("{}/v1/chat/completions", gateway.url()));
    if let Some(fault) = fault {
        request = request.header("x-fault", fault);
    }
    send(request.body(Full::from(body.to_string())).expect("it is well-formed")).await
}

/// Over a connection of its own.
async fn send(request: Request<Full<Bytes>>) -> Response<Incoming> {
    Client::builder(TokioExecutor::new()).build_http().request(request).await.expect("there is an answer")
}

async fn read(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("the body is whole").to_bytes()
}

fn terminate(gateway: &Gateway) {
    support::run(Command::new("kill").arg(gateway.pid().to_string()));
}

#[tokio::test]
async fn probes_and_the_page_answer() {
    let upstream = ModelServer::start(Config::instant()).expect("it starts");
    let gateway = Gateway::start(&upstream.url());
    assert_eq!(get(&gateway, "/healthz").await, (StatusCode::OK, "ok\n".into()));
    assert_eq!(get(&gateway, "/readyz").await, (StatusCode::OK, "ready\n".into()));
    let (status, page) = get(&gateway, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("id=\"prompt\""));
}

#[tokio::test]
async fn metrics_tell_how_streams_ended() {
    let upstream = ModelServer::start(Config::instant()).expect("it starts");
    let gateway = Gateway::start(&upstream.url());
    read(chat(&gateway, false, None).await).await;
    read(chat(&gateway, true, None).await).await;
    read(chat(&gateway, true, Some("truncate")).await).await;
    read(chat(&gateway, true, Some("stream-error")).await).await;
    let reset = chat(&gateway, true, Some("reset")).await;
    assert!(reset.into_body().collect().await.is_err(), "what breaks upstream breaks here");
    let (_, metrics) = get(&gateway, "/metrics").await;
    for end in ["done", "truncated", "error", "reset"] {
        let line = metrics.lines().find(|line| line.starts_with("sse_end_total") && line.contains(end));
        assert!(line.is_some_and(|line| line.ends_with(" 1")), "{end}: {line:?}\n{metrics}");
    }
    assert!(metrics.contains("gateway_exchanges_in_flight 0"), "{metrics}");
    assert!(metrics.contains("time_to_first_token"), "{metrics}");
}

#[tokio::test]
async fn a_stream_outlives_the_signal_and_the_gateway_ends_with_it() {
    let slow = Config {
        ttft_ms: Distribution::Constant(100.0),
        gap_ms: Distribution::Constant(100.0),
        output_tokens: Distribution::Constant(20.0),
        ..Config::default()
    };
    let upstream = ModelServer::start(slow).expect("it starts");
    let mut gateway = Gateway::start(&upstream.url());
    let stream = chat(&gateway, true, None).await;
    terminate(&gateway);
    let body = read(stream).await;
    assert!(body.ends_with(b"data: [DONE]\n\n"), "{body:?}");
    assert!(gateway.wait().success());
    assert!(upstream.log()[0].ended(End::Complete));
}

#[tokio::test]
async fn a_draining_gateway_says_so_while_it_still_serves() {
    let upstream = ModelServer::start(Config::instant()).expect("it starts");
    let mut gateway = Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_DRAIN_DELAY_MS", "4000")]);
    terminate(&gateway);
    let draining = async { while get(&gateway, "/readyz").await.0 != StatusCode::SERVICE_UNAVAILABLE {} };
    tokio::time::timeout(Duration::from_secs(3), draining).await.expect("it says that it drains");
    assert_eq!(chat(&gateway, true, None).await.status(), StatusCode::OK);
    assert!(gateway.wait().success());
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_and_the_exit_status_says_so() {
    let stall = FaultRule::rate(Fault::Stall { after: 1, time: None }, 1.0);
    let upstream =
        ModelServer::start(Config { faults: vec![stall], ..Config::instant() }).expect("it starts");
    let mut gateway = Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_DRAIN_TIMEOUT_MS", "300")]);
    let stream = chat(&gateway, true, None).await;
    terminate(&gateway);
    assert!(!gateway.wait().success());
    assert!(stream.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_second_signal_ends_what_the_first_let_go_on() {
    let stall = FaultRule::rate(Fault::Stall { after: 1, time: None }, 1.0);
    let upstream =
        ModelServer::start(Config { faults: vec![stall], ..Config::instant() }).expect("it starts");
    let mut gateway = Gateway::start(&upstream.url());
    let stream = chat(&gateway, true, None).await;
    terminate(&gateway);
    // No new connection: the first signal has been heard.
    let address = gateway.url().strip_prefix("http://").expect("it is plain HTTP").to_owned();
    let closed = async { while TcpStream::connect(&address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("it takes no more");
    terminate(&gateway);
    assert!(!gateway.wait().success());
    drop(stream);
}

#[tokio::test]
async fn streams_pass_over_http2_without_tls_too() {
    let upstream = ModelServer::start(Config::instant()).expect("it starts");
    let gateway =
        Gateway::with(&upstream.url(), &[("DASHPOT_GATEWAY_UPSTREAM__HTTP2_PRIOR_KNOWLEDGE", "true")]);
    for _ in 0..16 {
        assert!(read(chat(&gateway, true, None).await).await.ends_with(b"data: [DONE]\n\n"));
    }
    // Eight, by default, whatever comes.
    assert_eq!(upstream.stats().connections, 8);
}

#[tokio::test]
async fn a_length_that_contradicts_the_chunks_does_not_cut_the_answer() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let gateway = Gateway::start(&format!("http://{}", upstream.local_addr().expect("it is bound")));
    let serve = tokio::spawn(async move {
        let (mut connection, _) = upstream.accept().await.expect("the gateway connects");
        let _ = connection.read(&mut [0; 4096]).await.expect("the gateway asks");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 5\r\n\
            transfer-encoding: chunked\r\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
        connection.write_all(answer).await.expect("the gateway reads");
    });
    let answer = chat(&gateway, true, None).await;
    assert_eq!(answer.headers().get("content-length"), None);
    assert_eq!(read(answer).await, "data: [DONE]\n\n");
    serve.await.expect("all was sent");
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_502_in_the_callers_dialect() {
    let gateway = Gateway::start("http://127.0.0.1:1");
    let answer = chat(&gateway, true, None).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let error: Value = serde_json::from_slice(&read(answer).await).expect("it is JSON");
    assert_eq!(error["error"]["type"], "server_error");
    let why = error["error"]["message"].as_str().expect("it says why");
    assert_eq!(why, "the upstream cannot be reached", "addresses are for the log");
}

#[tokio::test]
async fn an_upstream_behind_tls_is_reached_over_http2_and_http1() {
    let upstream = ModelServer::start(Config::instant()).expect("it starts");
    for protocols in [&[b"h2".as_slice(), b"http/1.1"][..], &[b"http/1.1"]] {
        let (port, ca) = tls_in_front_of(&upstream, protocols).await;
        let url = format!("https://localhost:{port}");
        let gateway =
            Gateway::with(&url, &[("DASHPOT_GATEWAY_UPSTREAM__CA_FILE", &ca.path().display().to_string())]);
        let answer = chat(&gateway, true, None).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(read(answer).await.ends_with(b"data: [DONE]\n\n"));

        // The same server without its authority is a stranger.
        let answer = chat(&Gateway::start(&url), true, None).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    }
}

/// Ends TLS and passes on what is inside: the negotiated protocol is the upstream's own.
async fn tls_in_front_of(upstream: &ModelServer, protocols: &[&[u8]]) -> (u16, NamedTempFile) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".into()]).expect("it is made");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it is a key");
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("they belong together");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let address = upstream.addr();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A gateway that does not trust us breaks off here.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut upstream = TcpStream::connect(address).await.expect("it listens");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            });
        }
    });
    (port, file(&cert.pem()))
}

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("there is a place for it");
    std::fs::write(file.path(), text).expect("it is writable");
    file
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    for (text, reason) in [
        ("[upstream]\nbase_url = \"http://x\"\nconnect_timeout_ms = \"soon\"", "line 3"),
        ("[upstream]\nbase_url = \"x\"", "upstream.base_url: must begin with http"),
        ("[upstream]\nbase_ur = \"x\"", "unknown field `base_ur`"),
        ("[upstream]\nbase_url = \"https://x\"\nca_file = \"/nowhere\"", "upstream.ca_file = /nowhere"),
    ] {
        let config = file(text);
        let (status, said) = gateway_with(config.path());
        assert!(!status.success(), "{text}");
        assert!(said.starts_with("gateway: ") && said.contains(reason), "{text}: {said}");
    }
    let (status, said) = gateway_with(Path::new("/nowhere.toml"));
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("/nowhere.toml"), "{said}");
}

fn gateway_with(config: &Path) -> (std::process::ExitStatus, String) {
    let output = Command::new(support::example("gateway"))
        .arg("--config")
        .arg(config)
        .env("DASHPOT_GATEWAY_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    (output.status, String::from_utf8(output.stderr).expect("it is text"))
}
