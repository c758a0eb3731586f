//! Other people's clients of event streams see the same events through the gateway as straight from the server:
//! `EventSource` in Chromium and in Node, and httpx-sse in Python.

#![allow(clippy::print_stdout, reason = "how often was cut is worth reading")]

mod support;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    io,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{Html, IntoResponse},
    routing::get,
};
use bytes::Bytes;
use dashpot_wire::sse::{Event, Parser};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, header};
use support::Gateway;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Type, last id, data.
type Events = Vec<(String, String, String)>;

/// What is hard to read, a pause after each part; some end within an event.
const PARTS: [&str; 9] = [
    "\u{feff}: a byte order mark first\n\ndata: one\n\n",
    "event: named\ndata:two\ndata:  lines\nid: 2\n\n",
    "data: CR and\r\ndata: LF\r\n\r\ndata: CR\rdata: alone\r\r",
    "data: caf\u{e9} \u{1f98a} cut in",
    " two\nid: 3",
    "\n\nid: 4\n\ndata: with the id before it\n\ndata\n\nevent: named\n\n: a comment\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"\\n\\n\"}}]}\nunknown: field\n\nid: no\0ne\ndata: NUL\n\nid\ndata: no id\n\n",
    "retry: 20\ndata: a retry\n\nDATA: no field\n\nevent: named\n: a comment inside\ndata\ndata\n\n",
    "event: done\ndata: -\n\ndata: never seen",
];

/// Shorter than a pause, so that there are some in each.
const HEARTBEAT_MS: &str = "20";
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn clients_see_the_same_events_through_the_gateway() {
    let server = serve(Router::new().route("/events", get(async || events(parts())))).await;
    let gateway = Gateway::with(&server, &[("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", HEARTBEAT_MS)]);
    let expected = parsed();
    let with_data: Events = expected.iter().filter(|(.., data)| !data.is_empty()).cloned().collect();
    assert_eq!((expected.len(), with_data.len()), (13, 12), "{expected:?}");
    for url in [&*server, gateway.url()] {
        assert_eq!(chromium(url, "/events"), expected, "Chromium, {url}");
        assert_eq!(node(url, "/events"), expected, "Node, {url}");
        assert_eq!(python(url, "/events"), with_data, "httpx-sse, {url}");
    }
    assert!(gateway.metric("gateway_heartbeats_total") > PARTS.len() as u64, "there were no heartbeats");
}

/// How many events the server that cuts has in all, and how many it sends before each cut.
const NUMBERED: u64 = 50;
const BEFORE_A_CUT: u64 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn clients_whose_stream_is_cut_go_on_where_it_was_cut_through_the_gateway() {
    let asked = &*Box::leak(Box::new(AtomicU64::new(0)));
    let numbered = get(async move |headers: HeaderMap| {
        asked.fetch_add(1, Relaxed);
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
        // A server throws away what it has not written yet when it is told to cut.
        events(stream::iter(until_cut(last.unwrap_or(0))).then(async |said| {
            sleep(Duration::from_millis(1)).await;
            said
        }))
    });
    let server = serve(Router::new().route("/numbered", numbered)).await;
    let gateway = Gateway::with(&server, &[("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", HEARTBEAT_MS)]);
    let number = |number: u64| ("message".into(), number.to_string(), number.to_string());
    let done = ("done".into(), NUMBERED.to_string(), "-".into());
    let expected: Events = (1..=NUMBERED).map(number).chain([done]).collect();
    for client in [chromium, node, python] {
        for url in [&*server, gateway.url()] {
            let before = asked.load(Relaxed);
            assert_eq!(client(url, "/numbered"), expected, "{url}");
            assert_eq!(asked.load(Relaxed) - before, NUMBERED / BEFORE_A_CUT + 1, "connections, {url}");
        }
    }
}

/// The events after `last`; an error cuts the connection, in the middle of an event.
fn until_cut(last: u64) -> Vec<Result<String, &'static str>> {
    let event = |id: u64| Ok(format!("id: {id}\ndata: {id}\n\n"));
    let mut said = vec![Ok("retry: 10\n\n".into())];
    said.extend((last + 1..=NUMBERED.min(last + BEFORE_A_CUT)).map(event));
    if last + BEFORE_A_CUT >= NUMBERED {
        said.push(Ok("event: done\ndata: -\n\n".into()));
    } else {
        said.push(Ok(format!("id: {0}\ndata: {0}", last + BEFORE_A_CUT + 1)));
        said.push(Err("cut"));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_whose_connection_is_cut_read_on_at_the_gateway_and_the_server_is_asked_once() {
    let asked = &*Box::leak(Box::new(AtomicU64::new(0)));
    let said = get(async move || {
        asked.fetch_add(1, Relaxed);
        let numbers = (1..=NUMBERED).map(|number| format!("data: {number}\n\n"));
        let all =
            ["retry: 10\n\n".into()].into_iter().chain(numbers).chain(["event: done\ndata: -\n\n".into()]);
        // None has an id: the gateway's own is what clients come back with.
        events(stream::iter(all).then(async |event| {
            sleep(Duration::from_millis(10)).await;
            Ok::<_, Infallible>(event)
        }))
    });
    let server = serve(Router::new().route("/events", said)).await;
    let resume = ("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "30000");
    let gateway = Gateway::with(&server, &[resume, ("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "5")]);
    let number = |number: u64| ("message".into(), number.to_string());
    let expected: Vec<_> = (1..=NUMBERED).map(number).chain([("done".into(), "-".into())]).collect();
    for (name, client) in
        [("Chromium", chromium as fn(&str, &str) -> Events), ("Node", node), ("httpx-sse", python)]
    {
        let cutter = Cutter::start(gateway.url()).await;
        let (ids, seen): (BTreeSet<_>, Vec<_>) =
            client(&cutter.url, "/events").into_iter().map(|(event, id, data)| (id, (event, data))).unzip();
        let cuts = cutter.cuts.load(Relaxed);
        println!("{name}: {} events, {cuts} cuts", seen.len());
        assert_eq!(seen, expected, "{name}");
        assert_eq!(ids.len(), expected.len(), "{name}: each event has an id of its own");
        assert!(cuts > 2, "{name}: {cuts} cuts");
        assert_eq!(asked.swap(0, Relaxed), 1, "{name}: the server is asked once");
    }
}

/// Stands before a server and cuts each connection after so many bytes of its answer.
struct Cutter {
    url: String,
    cuts: Arc<AtomicU64>,
}

impl Cutter {
    /// Most of a head, and some events.
    const BYTES: usize = 1000;

    async fn start(server: &str) -> Self {
        let server = server.strip_prefix("http://").expect("it is an address of HTTP").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let cuts = Arc::new(AtomicU64::new(0));
        let count = cuts.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server listens");
                let count = count.clone();
                tokio::spawn(async move {
                    if pass(client, server).await.is_ok_and(|passed| passed >= Self::BYTES) {
                        count.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        Self { url, cuts }
    }
}

/// Passes bytes both ways, until there were too many of the answer, or one of the two has ended.
async fn pass(mut client: TcpStream, mut server: TcpStream) -> io::Result<usize> {
    let (mut asked, mut answered, mut passed) = ([0; 1024], [0; 64], 0);
    while passed < Cutter::BYTES {
        tokio::select! {
            read = client.read(&mut asked) => match read? {
                0 => break,
                length => server.write_all(&asked[..length]).await?,
            },
            read = server.read(&mut answered) => match read? {
                0 => break,
                length => {
                    client.write_all(&answered[..length]).await?;
                    passed += length;
                }
            },
        }
    }
    Ok(passed)
}

/// The parts in small pieces.
fn parts() -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let mut pieces = Vec::new();
    for part in PARTS {
        pieces.extend(part.as_bytes().chunks(5).map(|piece| (Duration::ZERO, Bytes::from(piece))));
        pieces.push((PAUSE, Bytes::new()));
    }
    stream::iter(pieces).then(async |(pause, piece)| {
        sleep(pause).await;
        Ok(piece)
    })
}

/// The same as our own parser reads it.
fn parsed() -> Events {
    let mut seen = Events::new();
    let see = |Event { event, data, last_event_id }: Event<'_>| {
        seen.push((event.into(), last_event_id.into(), data.into()));
    };
    Parser::default().push(PARTS.concat().as_bytes(), see).expect("it is short");
    seen
}

fn events<B, E>(stream: impl Stream<Item = Result<B, E>> + Send + 'static) -> impl IntoResponse
where
    B: Into<Bytes> + 'static,
    E: Into<axum::BoxError> + 'static,
{
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream))
}

/// Serves this and a page until the test ends, and gives the URL.
async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let app = app.route("/page", get(async || Html("<!doctype html><title>A page</title>")));
    tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
    url
}

fn chromium(base_url: &str, path: &str) -> Events {
    let [seen] = read(support::python("browser_events.py").args([base_url, path]));
    seen
}

fn node(base_url: &str, path: &str) -> Events {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/javascript/events.js");
    read(support::node().arg("--experimental-eventsource").arg(script).arg(format!("{base_url}{path}")))
}

fn python(base_url: &str, path: &str) -> Events {
    let [seen] = read(support::python("events.py").args([base_url, path]));
    seen
}

fn read<T: serde::de::DeserializeOwned>(command: &mut Command) -> T {
    let said = support::run(command);
    serde_json::from_slice(&said).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said)))
}
