//! Clients that read streams and take the time of each event.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{Times, upstream};

/// Reads so many streams at once. They begin over twenty gaps, evenly.
pub(crate) async fn read(url: &str, streams: usize, gap: Duration) -> Times {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let mut reading = JoinSet::new();
    for number in 0..streams {
        let (client, url) = (client.clone(), url.to_owned());
        let wait = gap * 20 * u32::try_from(number).expect("they are not that many") / 1000;
        reading.spawn(async move {
            sleep(wait).await;
            stream(&client, &url, number).await
        });
    }
    let mut all = Times::default();
    while let Some(times) = reading.join_next().await {
        let (asked, times) = times.expect("no stream breaks");
        // The server waits for so long before the first.
        all.asked.push(asked.saturating_sub(gap));
        all.first.push(times[0]);
        all.any.extend(times);
    }
    all
}

/// How long after the question the first event was there, and how long each was on its way.
async fn stream(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    number: usize,
) -> (Duration, Vec<Duration>) {
    let question = format!(
        r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":"What is the answer to question number {number}?"}}]}}"#
    );
    let request = Request::post(format!("{url}/v1/chat/completions")).body(Full::from(question));
    let (begun, mut asked) = (Instant::now(), None);
    let answer = client.request(request.expect("it is well-formed")).await.expect("there is an answer");
    let (mut body, mut rest, mut times) = (answer.into_body(), Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let now = Instant::now();
        rest.extend_from_slice(frame.expect("it does not break").data_ref().map_or(&[][..], |data| data));
        while let Some(end) = memchr::memmem::find(&rest, b"\n\n") {
            times.extend(upstream::age(&rest[..end], now));
            asked.get_or_insert(now - begun);
            rest.drain(..end + 2);
        }
    }
    (asked.expect("there is an event"), times)
}
