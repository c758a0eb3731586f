//! An axum service in front of a model server, behind the cache: `cargo run --example axum_cache -- http://127.0.0.1:8000`,
//! then the `curl` line it prints, twice, and once more with `"stream":true`.
//!
//! What was asked before by the same caller is answered from memory, whole or as a stream, and `Cache-Status` says so. With
//! a second argument, the folder of all-MiniLM-L6-v2 (`cargo xtask setup` puts it into target/models/minilm), a question in
//! other words is too: ask "what is a dashpot please".
#![allow(clippy::print_stdout, reason = "an example that prints how to use it")]

use std::error::Error;

use axum::{
    Router, body::Body, error_handling::HandleErrorLayer, http::uri::PathAndQuery, response::Response,
};
use dashpot::{
    cache::{CacheLayer, FlatIndex, MemoryStore, Similar},
    core::Tenant,
    embed::{Embedder, MiniLm},
};
use http::{Request, StatusCode, Uri, header, request::Parts};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let Some(upstream) = args.next() else { return Err("usage: axum_cache URL [FOLDER]".into()) };

    let mut cache = CacheLayer::new(MemoryStore::new(64 << 20), caller);
    if let Some(folder) = args.next() {
        let embedder = Embedder::spawn(MiniLm::load(folder)?)?;
        let id = embedder.id().to_owned();
        cache = cache.similar(Similar::new(embedder, id, FlatIndex::new(100_000)));
    }

    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let model = client.map_request(move |request: Request<Body>| to(&upstream, request));
    let service = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_| StatusCode::BAD_GATEWAY))
        .map_response(|answer: http::Response<_>| -> Response { answer.map(Body::new) })
        .layer(cache)
        .map_request(|request: Request<_>| request.map(Body::new))
        .service(model);
    let app = Router::new().fallback_service(service);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let question = r#"{"model":"any","messages":[{"role":"user","content":"What is a dashpot?"}]}"#;
    println!(
        "try: curl -i http://{}/v1/chat/completions -H 'authorization: Bearer me' -d '{question}'",
        listener.local_addr()?
    );
    axum::serve(listener, app).await?;
    Ok(())
}

/// Whose answers are whose: who has the same credentials is the same.
fn caller(head: &Parts) -> Option<Tenant> {
    Tenant::new(head.headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}

/// The same request, to be sent to `upstream`.
fn to(upstream: &str, mut request: Request<Body>) -> Request<Body> {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    // An address that is none is an error of the client's, which is answered 502.
    *request.uri_mut() = format!("{upstream}{path}").parse().unwrap_or_else(|_| Uri::from_static("/"));
    request.headers_mut().remove(header::HOST);
    request
}
