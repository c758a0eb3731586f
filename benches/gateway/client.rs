//! Clients over connections of HTTP/1.1 that each asks on again and again.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::{net::TcpStream, time::Instant};

/// Where to ask, and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    address: String,
    /// What only this one wants to be told.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Target {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.into(), headers: Vec::new() }
    }

    /// Whether there is an answer, on a connection of its own.
    pub(crate) async fn ask_once(&self) -> Result<(), String> {
        Connection::open(self).await?.whole(0).await.map(drop)
    }

    fn request(&self, question: u64, stream: bool, tokens: usize) -> Request<Full<Bytes>> {
        let body = format!(
            r#"{{"model":"dashpot-small","stream":{stream},"max_tokens":{tokens},"messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":"What is the answer to question number {question}?"}}]}}"#
        );
        let mut request = Request::post("/v1/chat/completions")
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, "Bearer sk-of-one-person");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::from(body)).expect("it is well-formed")
    }
}

/// The times of a stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// From the question to the first content.
    pub(crate) first: Duration,
    /// From one token to the next.
    pub(crate) gaps: Vec<Duration>,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Connection<'t> {
    target: &'t Target,
    sender: SendRequest<Full<Bytes>>,
}

impl<'t> Connection<'t> {
    pub(crate) async fn open(target: &'t Target) -> Result<Self, String> {
        Ok(Self { target, sender: connect(&target.address).await? })
    }

    /// A whole answer, and how long it took.
    pub(crate) async fn whole(&mut self, question: u64) -> Result<Duration, String> {
        let request = self.target.request(question, false, 1);
        let begun = Instant::now();
        let answer = self.send(request).await?;
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let took = Instant::now() - begun;
        match content(&body) {
            0 => Err("an answer without content".into()),
            _ => Ok(took),
        }
    }

    /// A stream of so many tokens, read to its end.
    pub(crate) async fn stream(&mut self, question: u64, tokens: usize) -> Result<Stream, String> {
        let request = self.target.request(question, true, tokens);
        let begun = Instant::now();
        let mut body = self.send(request).await?.into_body();
        let (mut rest, mut times) = (Vec::new(), Vec::with_capacity(tokens));
        let mut is_whole = false;
        while let Some(frame) = body.frame().await {
            let now = Instant::now();
            let frame = frame.map_err(|error| error.to_string())?;
            rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            let lines = memchr::memrchr(b'\n', &rest).map_or(0, |end| end + 1);
            let contents = content(&rest[..lines]);
            times.extend(std::iter::repeat_n(now, contents));
            is_whole |= memmem::find(&rest[..lines], b"data: [DONE]").is_some();
            rest.drain(..lines);
        }
        if times.len() != tokens || !is_whole {
            return Err(format!("a stream with {} tokens of {tokens}, {is_whole}", times.len()));
        }
        Ok(Stream { first: times[0] - begun, gaps: times.windows(2).map(|pair| pair[1] - pair[0]).collect() })
    }

    /// Over another connection if this one was closed meanwhile.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
        if self.sender.ready().await.is_err() {
            self.sender = connect(&self.target.address).await?;
        }
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            return Err(format!("{}: {}", head.status, String::from_utf8_lossy(&body)));
        }
        Ok(answer)
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // How it ends, its requests say.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// How many pieces of text there are; the first event of a stream has an empty one, and only says who speaks.
fn content(json: &[u8]) -> usize {
    const NAME: &[u8] = b"\"content\":";
    let is_text = |at: usize| {
        let value = json.get(at + NAME.len()..).unwrap_or_default().trim_ascii_start();
        value.first() == Some(&b'"') && value.get(1).is_some_and(|&next| next != b'"')
    };
    memmem::find_iter(json, NAME).filter(|&at| is_text(at)).count()
}
