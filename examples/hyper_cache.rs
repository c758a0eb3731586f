//! A hyper client behind the cache: asks the same question three times, the last time as a stream, and calls the server once.
//!
//! ```sh
//! cargo run --example hyper_cache -- http://127.0.0.1:8000/v1/chat/completions "Why is the sky blue?"
//! ```
#![allow(clippy::print_stdout, reason = "an example that prints the answers")]

use std::error::Error;

use bytes::Bytes;
use dashpot::cache::{CacheLayer, MemoryStore, RequestBody};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer, Service, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(question)) = (args.next(), args.next()) else {
        return Err("usage: hyper_cache URL QUESTION".into());
    };
    // One program for one person: there is nobody from whom the answers are to be kept.
    let cache = CacheLayer::shared_by_all(MemoryStore::new(64 << 20));
    let handle = cache.handle();
    let client = Client::builder(TokioExecutor::new()).build_http::<RequestBody<Full<Bytes>>>();
    let mut client = cache.layer(client);

    for stream in [false, false, true] {
        let body = serde_json::json!({
            "model": "dashpot-sim", "stream": stream, "messages": [{ "role": "user", "content": question }],
        });
        let request = Request::post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))?;
        let answer = client.ready().await?.call(request).await?;
        println!("{:?}", answer.headers()["cache-status"]);
        let answer = answer.into_body().collect().await?.to_bytes();
        println!("{}", String::from_utf8_lossy(&answer).trim_end());
        // It is kept beside the answer, which does not wait for that.
        while handle.stats().stored == 0 {
            tokio::task::yield_now().await;
        }
    }
    let stats = handle.stats();
    println!("{} called the server, {} did not", stats.misses, stats.exact);
    Ok(())
}
