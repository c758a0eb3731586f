//! A hyper client in front of a model server that may be cold, with connections that are open before the first request:
//!
//! ```sh
//! cargo run --example hyper_warm -- http://127.0.0.1:8000 "Why is the sky blue?"
//! ```
//!
//! The question waits until the server is there and has answered one of one token. What it then takes is the model's time:
//! nobody has to load anything, nor to shake hands.
#![allow(clippy::print_stdout, reason = "an example that prints what it shows")]

use std::error::Error;

use bytes::Bytes;
use dashpot::warm::{
    WarmLayer,
    connections::Connections,
    starter::{Ask, Http},
};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::json;
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(question)) = (args.next(), args.next()) else {
        return Err("usage: hyper_warm URL QUESTION".into());
    };
    let ask = move |question: &str, tokens| {
        json!({ "model": "any", "max_tokens": tokens, "messages": [{ "role": "user", "content": question }] })
            .to_string()
    };

    let connections = Connections::new(format!("{url}/v1/models").parse()?, 4);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connections.connector(HttpConnector::new()));
    let preconnect = connections.keep::<_, Full<Bytes>, _>(client.clone());

    let starter = Http::new(client.clone())
        .probe(Ask::get(format!("{url}/v1/models").parse()?))
        .prime(Ask::post(format!("{url}/v1/chat/completions").parse()?, move |_| ask("Hi", 1)));
    let warm = WarmLayer::new(preconnect.around(starter)).retry_cold();
    let handle = warm.handle();
    let mut states = handle.subscribe();
    let mut client = ServiceBuilder::new().layer(warm).service(client);

    println!("before: {}, {} connections", handle.state(), preconnect.stats().open);
    tokio::spawn(async move {
        while let Some(state) = states.changed().await {
            println!("now: {state}");
        }
    });
    let request = Request::post(format!("{url}/v1/chat/completions"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(ask(&question, 100)))?;
    let answer = client.ready().await?.call(request).await?;
    println!("after: {}, {} connections", answer.status(), preconnect.stats().open);
    let body = answer.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body));
    println!("a start of {:?}, {} opened in all", handle.stats().last_start, preconnect.stats().opened);
    Ok(())
}
