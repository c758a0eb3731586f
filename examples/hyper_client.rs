//! A hyper client behind four layers: streams an answer, and says when its first token came.
//!
//! The deadline ends what does not begin or stops in the middle. One question is no load; in a program that asks many,
//! the limit keeps them from standing in line at the server, and the breaker from asking one that is broken.
//!
//! ```sh
//! cargo run --example hyper_client -- http://127.0.0.1:8000/v1/chat/completions "Why is the sky blue?"
//! ```
#![allow(clippy::print_stdout, reason = "an example that prints the answer")]

use std::{error::Error, time::Duration};

use bytes::Bytes;
use dashpot::{
    breaker::BreakerLayer, core::BodyReport, deadline::DeadlineLayer, limit::LimitLayer,
    sse::SsePassthroughLayer,
};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(question)) = (args.next(), args.next()) else {
        return Err("usage: hyper_client URL QUESTION".into());
    };
    let mut client = ServiceBuilder::new()
        .layer(DeadlineLayer::new().first_content(Duration::from_secs(60)).gap(Duration::from_secs(20)))
        .layer(LimitLayer::new())
        .layer(BreakerLayer::new())
        .layer(SsePassthroughLayer::new())
        .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());

    let body = serde_json::json!({
        "model": "dashpot-sim",
        "stream": true,
        "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": question }],
    });
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.to_string()))?;
    let response = client.ready().await?.call(request).await?;

    // Where the layer writes what it sees; it can be read at any time while the body passes.
    let report =
        response.extensions().get::<BodyReport>().cloned().ok_or("the answer is no stream of events")?;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            print!("{}", String::from_utf8_lossy(data));
        }
    }
    println!("first content after {:?}", report.first_content());
    println!("ended as {:?}, {:?} tokens written", report.outcome(), report.output_tokens());
    Ok(())
}
