//! An axum service in front of a model server that it starts itself, when somebody asks:
//!
//! ```sh
//! cargo run --example axum_warm -- http://127.0.0.1:8000 llama-server -m model.gguf --port 8000
//! ```
//!
//! Then the `curl` line it prints. The first request waits until the server is up and has answered one of one token; with
//! the next the server runs. A minute without a request ends it. `/readyz` says whether it is ready, and starts nothing.
#![allow(clippy::print_stdout, reason = "an example that prints how to use it")]

use std::{error::Error, time::Duration};

use axum::{
    Router, body::Body, error_handling::HandleErrorLayer, http::uri::PathAndQuery, response::Response,
    routing::get,
};
use bytes::Bytes;
use dashpot::warm::{
    WarmLayer,
    policy::Fixed,
    starter::{Ask, Http, Process},
};
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::process::Command;
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(upstream), Some(program)) = (args.next(), args.next()) else {
        return Err("usage: axum_warm URL PROGRAM [ARGUMENT]...".into());
    };
    let (program, args) = (program, args.collect::<Vec<_>>());
    let command = move |_: &str| {
        let mut command = Command::new(&program);
        command.args(&args);
        command
    };
    let one = r#"{"model":"any","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}"#;
    let asks = Http::new(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>())
        .probe(Ask::get(format!("{upstream}/v1/models").parse()?))
        .prime(Ask::post(format!("{upstream}/v1/chat/completions").parse()?, |_| one.into()));
    let warm = WarmLayer::new(Process::new(command, asks)).policy(Fixed::new(Duration::from_secs(60)));
    let handle = warm.handle();

    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let model = client.map_request(move |request: Request<Body>| to(&upstream, request));
    let service = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_| StatusCode::BAD_GATEWAY))
        .map_response(|answer: http::Response<_>| -> Response { answer.map(Body::new) })
        .layer(warm)
        .service(model);
    let ready = async move || {
        if handle.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let app = Router::new().route("/readyz", get(ready)).fallback_service(service);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("try: curl -i http://{}/v1/chat/completions -d '{one}'", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// The same request, to be sent to `upstream`.
fn to(upstream: &str, mut request: Request<Body>) -> Request<Body> {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    // An address that is none is an error of the client's, which is answered 502.
    *request.uri_mut() = format!("{upstream}{path}").parse().unwrap_or_else(|_| Uri::from_static("/"));
    request.headers_mut().remove(header::HOST);
    request
}
