use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use dashpot_core::Embedding;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body::Body;
use http_body_util::Full;
use serde::Serialize;
use tower_service::Service;

use answer::Expected;
pub use error::{BadAnswer, UpstreamError};
pub use future::OpenAiFuture;

mod answer;
mod error;
mod future;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Embeds texts by asking an upstream that speaks OpenAI's `POST /v1/embeddings`: one request for all texts of a call.
///
/// The service it asks is any HTTP client, with whatever layers around it: a limit, a deadline, a breaker. Its errors pass
/// unchanged; [`UpstreamError`] and [`BadAnswer`] are ours. Texts that are too long for the upstream are an error of the
/// upstream, so that no text comes out as `None`. There are no tokens.
#[derive(Clone)]
pub struct OpenAiEmbedder<S> {
    inner: S,
    uri: Uri,
    model: Arc<str>,
    id: Arc<str>,
    headers: HeaderMap,
    dimensions: Option<usize>,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    encoding_format: Encoding,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

impl<S> OpenAiEmbedder<S> {
    /// Asks this model at this address, which ends in `/v1/embeddings` mostly.
    pub fn new(inner: S, uri: Uri, model: impl Into<Arc<str>>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let (model, encoding) = (model.into(), Encoding::Float);
        let embedder = Self { inner, uri, id: model.clone(), model, headers, dimensions: None, encoding };
        embedder.named()
    }

    /// Sends this with each request: `Bearer` and a key, mostly. It is never shown.
    #[must_use]
    pub fn authorization(mut self, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        self
    }

    /// Asks for vectors of this length, and takes no others. By default they are as long as the model makes them.
    #[must_use]
    pub fn dimensions(self, dimensions: usize) -> Self {
        Self { dimensions: Some(dimensions), ..self }.named()
    }

    /// Asks for numbers in base64, a quarter as many bytes; not all upstreams know it. What comes is read either way.
    #[must_use]
    pub fn base64(self) -> Self {
        Self { encoding: Encoding::Base64, ..self }
    }

    /// What its vectors can be compared with: the address, the model, and the length if it was asked for.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn named(self) -> Self {
        let (host, path) = (self.uri.host().unwrap_or_default(), self.uri.path());
        let port = self.uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        let dimensions = self.dimensions.map(|dimensions| format!("/{dimensions}")).unwrap_or_default();
        Self { id: format!("openai/{host}{port}{path}/{}{dimensions}", self.model).into(), ..self }
    }

    fn request(&self, texts: &[Arc<str>]) -> Request<Full<Bytes>> {
        let question = Question {
            model: &self.model,
            input: texts.iter().map(|text| &**text).collect(),
            encoding_format: self.encoding,
            dimensions: self.dimensions,
        };
        let body = serde_json::to_vec(&question).expect("strings and numbers are JSON");
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl<S, B> Service<Vec<Arc<str>>> for OpenAiEmbedder<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = Vec<Option<Embedding>>;
    type Error = BoxError;
    type Future = OpenAiFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, texts: Vec<Arc<str>>) -> OpenAiFuture<S::Future, B> {
        let expected = Expected { texts: texts.len(), dimensions: self.dimensions };
        OpenAiFuture::new(self.inner.call(self.request(&texts)), expected)
    }
}

impl<S> fmt::Debug for OpenAiEmbedder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiEmbedder").field("id", &self.id).finish_non_exhaustive()
    }
}
