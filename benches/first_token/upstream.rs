//! A server whose events say when they were made.

use std::{convert::Infallible, sync::LazyLock, time::Duration};

use axum::{Router, body::Body, serve::ListenerExt};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until},
};

/// From here on times are told, in nanoseconds.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const BEFORE: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,\"model\":\"m\",\
    \"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
const AFTER: &str = "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";

/// Serves such streams on this runtime, and gives their URL.
pub(crate) async fn start(events: usize, gap: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("it is open"));
    let app = Router::new().fallback(async move || {
        let events = stream::unfold((0, Instant::now() + gap), move |(number, due)| async move {
            if number == events {
                return None;
            }
            sleep_until(due).await;
            let event = format!("{BEFORE}{:020}{AFTER}", (Instant::now() - *START).as_nanos());
            Some((Ok::<_, Infallible>(Bytes::from(event)), (number + 1, due + gap)))
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
    });
    tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
    url
}

/// How long ago this event was made.
pub(crate) fn age(event: &[u8], now: Instant) -> Option<Duration> {
    let at = memchr::memmem::find(event, b"\"content\":\"")? + 11;
    let nanos: u64 = std::str::from_utf8(event.get(at..at + 20)?).ok()?.parse().ok()?;
    Some(now - *START - Duration::from_nanos(nanos))
}
