//! An axum service that streams, behind four layers: `cargo run --example axum_stream`, then the `curl` line it prints.
//!
//! The innermost layer sets the headers that keep proxies from holding events back, and knows how each stream ended: let
//! `curl` finish, or stop it in the middle, and read the log. Around it one admits as many streams at once as the
//! service can take, and finds out how many that are; each counts until its last event, or until its client leaves. Then
//! no stream stops for more than 10 seconds, and, outermost, none is silent for more than two.
#![allow(clippy::print_stdout, reason = "an example that prints how to use it")]

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, response::IntoResponse, routing::get};
use dashpot::{
    deadline::DeadlineLayer,
    limit::{Handle, LimitLayer},
    sse::{HeartbeatLayer, Observer, SsePassthroughLayer, Summary},
};
use futures_util::{Stream, StreamExt, stream};
use http::header;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let limit = LimitLayer::new();
    let sse = SsePassthroughLayer::new().observer(Log(limit.handle()));
    let stack = ServiceBuilder::new()
        .layer(HeartbeatLayer::new(Duration::from_secs(2)))
        .layer(DeadlineLayer::new().gap(Duration::from_secs(10)))
        .layer(limit)
        .layer(sse);
    let app = Router::new().route("/", get(words)).layer(stack);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("try: curl -iN http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await
}

async fn words() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events()))
}

fn events() -> impl Stream<Item = Result<String, Infallible>> {
    stream::iter("latency is felt and variability is felt more".split(' ')).then(async |word| {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(format!("data: {word}\n\n"))
    })
}

/// Told once, when a stream is over.
#[derive(Clone, Debug)]
struct Log(Handle);

impl Observer for Log {
    fn on_end(&self, summary: &Summary) {
        println!("{summary:?}");
        // This stream is still among those in flight: its last event is only on its way.
        println!("{:?}", self.0.stats());
    }
}
