//! What a gateway on the open network is sent: each gets a clear answer in the caller's own dialect, or none, and costs
//! a bounded amount of memory.

mod support;

use std::time::Duration;

use dashpot_testkit::model_server::{Config, Distribution, ModelServer};
use serde_json::Value;
use support::Gateway;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CHAT: &str = "/v1/chat/completions";

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }
}

/// What makes a gateway lose its patience soon.
const IMPATIENT: [(&str, &str); 3] = [
    ("DASHPOT_GATEWAY_INTAKE__HEAD_TIMEOUT_MS", "500"),
    ("DASHPOT_GATEWAY_INTAKE__BODY_TIMEOUT_MS", "1000"),
    ("DASHPOT_GATEWAY_INTAKE__IDLE_TIMEOUT_MS", "1000"),
];

/// A gateway that takes a body of a mebibyte, and two of them at once.
async fn gateway(variables: &[(&str, &str)]) -> (ModelServer, Gateway) {
    let upstream = ModelServer::start(Config::instant()).expect("it starts");
    let small = [
        ("DASHPOT_GATEWAY_INTAKE__MAX_BODY_BYTES", "1048576"),
        ("DASHPOT_GATEWAY_INTAKE__MAX_MEMORY_BYTES", "2097152"),
    ];
    let gateway = Gateway::with(&upstream.url(), &[variables, &small].concat());
    (upstream, gateway)
}

async fn connect(gateway: &Gateway) -> TcpStream {
    let address = gateway.url().strip_prefix("http://").expect("it is plain HTTP");
    TcpStream::connect(address).await.expect("it listens")
}

/// Reads the one answer that a connection gets before it is closed.
async fn read(connection: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = connection.read_to_end(&mut bytes);
    let read = tokio::time::timeout(Duration::from_secs(30), read).await.expect("the connection is closed");
    // A reset after the answer does not take the answer back.
    assert!(read.is_ok() || !bytes.is_empty(), "{read:?}");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("the head is whole");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("there is a status");
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

async fn post(gateway: &Gateway, path: &str, body: &[u8]) -> Answer {
    let mut connection = connect(gateway).await;
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.expect("the head is taken");
    connection.write_all(body).await.expect("the body is taken, even where it is refused");
    read(&mut connection).await
}

/// Resident memory at its highest, in KiB.
fn peak_memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("it is a number")
}

#[tokio::test]
async fn malformed_requests_are_answered_400_in_the_callers_dialect() {
    let (upstream, gateway) = gateway(&[]).await;
    let deep = [b"{\"messages\":".as_slice(), &b"[".repeat(100_000)].concat();
    let bodies: [&[u8]; 7] =
        [b"", b"{", b"[]", b"null", br#"{"model":5,"messages":[]}"#, b"\xff\xfe{\"model\":\"m\"}", &deep];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = post(&gateway, CHAT, body).await;
        assert_eq!(answer.status, 400, "{shown}");
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error", "{shown}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{shown}: {error}");

        let answer = post(&gateway, "/v1/messages", body).await;
        assert_eq!(answer.status, 400, "{shown}");
        assert_eq!(answer.json()["type"], "error", "{shown}");
    }
    assert_eq!(upstream.stats().received, 0, "nothing of it reaches the upstream");
}

#[tokio::test]
async fn a_body_of_64_mb_is_refused_and_not_kept() {
    let (_upstream, gateway) = gateway(&[]).await;
    let body = vec![b' '; 64 << 20];
    post(&gateway, CHAT, b"{}").await;
    let before = peak_memory(&gateway);
    let answer = post(&gateway, "/v1/messages", &body).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["error"]["type"], "request_too_large");
    let grown = peak_memory(&gateway) - before;
    assert!(grown < 16 << 10, "memory grew by {grown} KiB");
}

#[tokio::test]
async fn chunks_without_end_are_refused_at_the_limit() {
    let (_upstream, gateway) = gateway(&[]).await;
    let mut connection = connect(&gateway).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.write_all(head.as_bytes()).await.expect("the head is taken");
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let (mut reader, mut writer) = connection.into_split();
    // Until the gateway hangs up.
    let flood = tokio::spawn(async move { while writer.write_all(&chunk).await.is_ok() {} });
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), reader.read_to_end(&mut answer));
    let _ = read.await.expect("the connection is closed");
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{:?}", String::from_utf8_lossy(&answer));
    flood.await.expect("it ends with the connection");
}

#[tokio::test]
async fn half_a_request_is_answered_408_or_cut_in_time() {
    let (upstream, gateway) = gateway(&IMPATIENT).await;
    // A length that lies: the rest never comes.
    let mut connection = connect(&gateway).await;
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{{");
    connection.write_all(head.as_bytes()).await.expect("it is taken");
    let answer = read(&mut connection).await;
    assert_eq!(answer.status, 408);
    assert!(
        answer.json()["error"]["message"].as_str().is_some_and(|why| why.contains("did not come within"))
    );
    assert_eq!(upstream.stats().received, 0);

    // Nothing at all, half a head, half a preface of HTTP/2, a preface and nothing more, half a body that passes
    // unread.
    let parts: [&[u8]; 5] = [
        b"",
        b"POST /v1/chat/comp",
        b"PRI * HTTP/2.0\r\n\r\nS",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf",
    ];
    for part in parts {
        let mut connection = connect(&gateway).await;
        connection.write_all(part).await.expect("it is taken");
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), connection.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "a connection that said {:?} is still open", part.escape_ascii().to_string());
    }
}

#[tokio::test]
async fn lengths_that_make_no_sense_are_refused() {
    let (upstream, gateway) = gateway(&[]).await;
    for lengths in [
        "content-length: 2\r\ncontent-length: 3",
        "content-length: -1",
        "content-length: 2x",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, gzip",
    ] {
        let mut connection = connect(&gateway).await;
        let request =
            format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lengths}\r\n\r\n{{}}");
        connection.write_all(request.as_bytes()).await.expect("it is taken");
        let answer = read(&mut connection).await;
        assert!((400..500).contains(&answer.status), "{lengths}: {}", answer.head);
    }
    assert_eq!(upstream.stats().received, 0, "none of it reaches the upstream");
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let (upstream, gateway) = gateway(&[]).await;
    let mut connection = connect(&gateway).await;
    let body = r#"{"model":"m","messages":[]}"#;
    let smuggled = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n{smuggled}",
        4 + body.len(),
        body.len(),
    );
    connection.write_all(request.as_bytes()).await.expect("it is taken");
    let mut answers = vec![0; 1 << 16];
    let _ = tokio::time::timeout(Duration::from_secs(2), connection.read(&mut answers)).await;
    // The chunks count, as RFC 9112 has it, so what follows them is the client's own next request and no more.
    let log = upstream.log();
    assert!(
        log.iter().all(|exchange| exchange.headers.get_all("content-length").iter().count() <= 1),
        "{log:#?}"
    );
    assert!(log.len() <= 2 && log[0].path == CHAT, "{log:#?}");
}

#[tokio::test]
async fn what_is_no_business_of_the_upstream_is_refused() {
    let (upstream, gateway) = gateway(&[]).await;
    for (line, status) in [
        ("CONNECT example.com:443", 405),
        ("TRACE /v1/models", 405),
        ("OPTIONS *", 400),
        ("GET /v1/../admin", 400),
        ("GET /v1/%2e%2E/admin", 400),
        ("GET /v1/./models", 400),
        ("GET /v1/models HTTP/1.1\r\ntransfer-encoding: chunked\r\nx: ", 411),
        ("POST /v1/messages HTTP/1.1\r\ncontent-encoding: gzip\r\nx: ", 415),
        ("POST /v1/messages HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1000000000\r\nx: ", 413),
    ] {
        let mut connection = connect(&gateway).await;
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("it is taken");
        let answer = read(&mut connection).await;
        assert_eq!(answer.status, status, "{line}: {}", answer.head);
    }
    assert_eq!(upstream.stats().received, 0);
}

#[tokio::test]
async fn the_memory_for_all_bodies_together_is_bounded() {
    let (_upstream, gateway) = gateway(&[]).await;
    // Two bodies that are there but for their last byte fill the memory.
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1048576\r\n\r\n");
    let request = br#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#;
    let refused = async {
        loop {
            let mut waiting = Vec::new();
            for _ in 0..2 {
                let mut connection = connect(&gateway).await;
                // Refused in the middle, it cannot write on; then the next round decides.
                let body = vec![b' '; (1 << 20) - 1];
                let _ = connection.write_all(&[head.as_bytes(), &body].concat()).await;
                waiting.push(connection);
            }
            // Asked before the gateway has read them, the third may take the room of the second: then once more.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if post(&gateway, CHAT, request).await.status == 503 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused).await.expect("there is no room for a third");
    let taken = async { while post(&gateway, CHAT, request).await.status != 200 {} };
    tokio::time::timeout(Duration::from_secs(5), taken).await.expect("when they have gone there is");
}

#[tokio::test]
async fn a_body_that_the_upstream_has_takes_no_room_while_its_answer_is_collected() {
    let slow = Config {
        ttft_ms: Distribution::Constant(0.0),
        gap_ms: Distribution::Constant(100.0),
        output_tokens: Distribution::Constant(20.0),
        ..Config::default()
    };
    let upstream = ModelServer::start(slow).expect("it starts");
    let gateway = Gateway::with(
        &upstream.url(),
        &[
            ("DASHPOT_GATEWAY_MODE__UPSTREAM", "stream"),
            ("DASHPOT_GATEWAY_INTAKE__MAX_MEMORY_BYTES", "1048576"),
            ("DASHPOT_GATEWAY_INTAKE__MAX_BODY_BYTES", "1048576"),
        ],
    );
    let mut request = br#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#.to_vec();
    request.resize(1 << 20, b' ');
    let first = post(&gateway, CHAT, &request);
    let second = async {
        while upstream.stats().received == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // It has the request; the head of its answer follows at once.
        tokio::time::sleep(Duration::from_millis(500)).await;
        post(&gateway, CHAT, &request).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (200, 200), "{}", String::from_utf8_lossy(&second.body));
}

#[tokio::test]
async fn what_the_gateway_only_observes_passes_as_it_is() {
    // Not a model server at all: lines and comments without end, bytes that are not UTF-8, events that are not JSON.
    let long_line = [b"data: ".as_slice(), &vec![b'x'; 8 << 20], b"\n\n"].concat();
    let drip = b": \n".repeat(500_000);
    let noise =
        b"\xff\xfe\xfddata: {\"a\": [[[[\r\rdata\ndata: \0\n\nid: \0\nretry: -1\nevent\n\n".as_slice();
    for stream in [long_line.as_slice(), &drip, noise] {
        let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}", upstream.local_addr().expect("it is bound"));
        let gateway = Gateway::start(&url);
        let body = stream.to_vec();
        let serve = tokio::spawn(async move {
            let (mut connection, _) = upstream.accept().await.expect("the gateway connects");
            let mut request = vec![0; 4096];
            let _ = connection.read(&mut request).await.expect("the gateway asks");
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            connection.write_all(head).await.expect("the gateway reads");
            connection.write_all(&body).await.expect("the gateway reads");
        });
        let before = peak_memory(&gateway);
        let request = br#"{"model":"m","stream":true,"messages":[]}"#;
        let answer = post(&gateway, CHAT, request).await;
        serve.await.expect("all was sent");
        assert_eq!(answer.status, 200);
        assert!(unchunked(&answer.body) == stream, "a stream of {} bytes was changed", stream.len());
        let grown = peak_memory(&gateway) - before;
        assert!(grown < 16 << 10, "memory grew by {grown} KiB for {} bytes", stream.len());
    }
}

/// The content of a chunked body.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).expect("a length is text");
        let length = usize::from_str_radix(length, 16).expect("a length is hexadecimal");
        content.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
    content
}
