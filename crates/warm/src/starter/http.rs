use std::{error::Error, fmt, future::poll_fn, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::{StartError, Starter, Step, done};
use crate::answer::read_to_end;

/// An upstream that is told by HTTP, with a client of yours: any Tower service.
///
/// A step is done when the answer is a success and has come to its end, which for a prime is the end of a real inference; it
/// has failed if that is longer than a mebibyte.
/// For some servers the requests are known: [`ollama`](Self::ollama), [`vllm`](Self::vllm),
/// [`llama_swap`](Self::llama_swap).
#[derive(Clone)]
pub struct Http<S> {
    service: S,
    start: Option<Ask>,
    probe: Option<Ask>,
    prime: Option<Ask>,
    sleep: Option<Ask>,
    wake: Option<Ask>,
    stop: Option<Ask>,
}

/// A request that is made for a key.
#[derive(Clone)]
pub struct Ask(Arc<Make>);

type Make = dyn Fn(&str) -> Request<Full<Bytes>> + Send + Sync;

impl Ask {
    /// Made so.
    #[must_use]
    pub fn new(make: impl Fn(&str) -> Request<Full<Bytes>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// A `GET`.
    #[must_use]
    pub fn get(uri: Uri) -> Self {
        Self::new(move |_| {
            let mut request = Request::new(Full::default());
            *request.uri_mut() = uri.clone();
            request
        })
    }

    /// The request for this key.
    #[must_use]
    pub fn request(&self, key: &str) -> Request<Full<Bytes>> {
        (self.0)(key)
    }

    /// A `POST` of JSON, which is made for a key.
    #[must_use]
    pub fn post(uri: Uri, json: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::new(move |key| {
            let mut request = Request::new(Full::from(json(key)));
            (*request.method_mut(), *request.uri_mut()) = (Method::POST, uri.clone());
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request
        })
    }
}

impl<S> Http<S> {
    /// An upstream that runs already, and needs nothing until one of the others says what.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self { service, start: None, probe: None, prime: None, sleep: None, wake: None, stop: None }
    }

    /// What starts it.
    #[must_use]
    pub fn start(self, ask: Ask) -> Self {
        Self { start: Some(ask), ..self }
    }

    /// What says whether it is up.
    #[must_use]
    pub fn probe(self, ask: Ask) -> Self {
        Self { probe: Some(ask), ..self }
    }

    /// A first real inference: as short as it can be, of one token.
    #[must_use]
    pub fn prime(self, ask: Ask) -> Self {
        Self { prime: Some(ask), ..self }
    }

    /// What puts it to sleep.
    #[must_use]
    pub fn sleep(self, ask: Ask) -> Self {
        Self { sleep: Some(ask), ..self }
    }

    /// What wakes it up.
    #[must_use]
    pub fn wake(self, ask: Ask) -> Self {
        Self { wake: Some(ask), ..self }
    }

    /// What stops it.
    #[must_use]
    pub fn stop(self, ask: Ask) -> Self {
        Self { stop: Some(ask), ..self }
    }
}

impl<S, B> Http<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn ask<'a>(&'a self, ask: Option<&'a Ask>, key: &'a str) -> Step<'a> {
        let Some(Ask(make)) = ask else { return done() };
        let (mut service, request) = (self.service.clone(), make(key));
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(into)?;
            let response = service.call(request).await.map_err(into)?;
            let status = response.status();
            read_to_end(response.into_body()).await?;
            if status.is_success() { Ok(()) } else { Err(StartError::from(format!("it answers {status}"))) }
        })
    }
}

fn into(error: impl Into<Box<dyn Error + Send + Sync>>) -> StartError {
    StartError::from(error)
}

impl<S, B> Starter for Http<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn start<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.ask(self.start.as_ref(), key)
    }

    fn probe<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.ask(self.probe.as_ref(), key)
    }

    fn prime<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.ask(self.prime.as_ref(), key)
    }

    fn sleep<'a>(&'a self, key: &'a str) -> Step<'a> {
        match &self.sleep {
            Some(sleep) => self.ask(Some(sleep), key),
            None => Box::pin(async { Err("it does not sleep".into()) }),
        }
    }

    fn wake<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.ask(self.wake.as_ref().or(self.start.as_ref()), key)
    }

    fn stop<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.ask(self.stop.as_ref(), key)
    }
}

impl<S> fmt::Debug for Http<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").finish_non_exhaustive()
    }
}
