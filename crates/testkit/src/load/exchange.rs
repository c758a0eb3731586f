use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{HttpClient, Load, mix::Question};

/// How an exchange ended, for who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// With a whole answer, or a stream that said that it is over.
    Answered,
    /// With this status, and a time after which to try again (429, 503).
    Refused(u16),
    /// With this other status, not a good one.
    Failed(u16),
    /// The stream broke off, or said that something went wrong.
    Broken,
    /// There was no answer at all.
    Unreachable,
    /// It took so long that the client left.
    Left,
}

/// What one request came to.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When it was due, since the start of the load.
    pub at: Duration,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// How it ended.
    pub end: End,
    /// From when it was due until its first token, or the whole answer.
    pub first: Option<Duration>,
    /// Between one piece of a stream and the next, each.
    pub gaps: Vec<Duration>,
    /// From when it was due until all of it was there.
    pub total: Duration,
    /// Whether a cache answered, by its `Cache-Status`.
    pub is_hit: bool,
    /// How often it was asked.
    pub attempts: u32,
}

impl Exchange {
    fn new(stream: bool, end: End) -> Self {
        let (at, first, gaps, total) = (Duration::ZERO, None, Vec::new(), Duration::ZERO);
        Self { at, stream, end, first, gaps, total, is_hit: false, attempts: 1 }
    }

    pub(super) fn broken() -> Self {
        Self::new(false, End::Broken)
    }
}

/// Asks, as what was due then: a client that could not send in time counts as one that waits.
pub(super) async fn exchange(
    client: HttpClient,
    load: Load,
    number: u64,
    start: Instant,
    at: Duration,
) -> Exchange {
    let due = start + at;
    let until = due + load.patience;
    let mut attempt = 0;
    let mut exchange = loop {
        let question = load.mix.question(&load.url, number);
        let (exchange, hint) = ask(&client, question, due, until).await;
        let can_be_asked_again = match exchange.end {
            End::Unreachable | End::Refused(_) => true,
            End::Failed(status) => status >= 500 || matches!(status, 408 | 409 | 429),
            End::Answered | End::Broken | End::Left => false,
        };
        if !can_be_asked_again || attempt == load.retries {
            break exchange;
        }
        attempt += 1;
        let again = Instant::now() + hint.unwrap_or_else(|| pause(number, attempt));
        if again >= until {
            sleep_until(until).await;
            break Exchange::new(exchange.stream, End::Left);
        }
        sleep_until(again).await;
    };
    exchange.at = at;
    exchange.total = Instant::now() - due;
    exchange.attempts = attempt + 1;
    exchange
}

/// Half a second, twice as long each time up to eight, and up to a quarter less at random.
fn pause(number: u64, attempt: u32) -> Duration {
    let random = SmallRng::seed_from_u64(number.rotate_left(32) + u64::from(attempt)).random::<f64>();
    Duration::from_millis(500 << (attempt - 1).min(4)).mul_f64(1.0 - 0.25 * random)
}

/// When an answer says to come again: by `retry-after-ms`, or else by `Retry-After`. More than a minute is not kept to.
fn hint(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|millis| millis / 1000.0).or_else(|| number("retry-after"))?;
    (seconds > 0.0 && seconds <= 60.0).then(|| Duration::from_secs_f64(seconds))
}

/// Once, and when the answer says to come again.
async fn ask(
    client: &HttpClient,
    question: Question,
    due: Instant,
    until: Instant,
) -> (Exchange, Option<Duration>) {
    let mut exchange = Exchange::new(question.stream, End::Left);
    let Ok(answer) = timeout_at(until, client.request(question.request)).await else {
        return (exchange, None);
    };
    let mut again = None;
    exchange.end = match answer {
        Err(_) => End::Unreachable,
        Ok(answer) if !answer.status().is_success() => {
            let status = answer.status().as_u16();
            let says_when = answer.headers().contains_key(http::header::RETRY_AFTER);
            again = hint(answer.headers());
            // So that the connection can be used again.
            drop(timeout_at(until, answer.into_body().collect()).await);
            if says_when && matches!(status, 429 | 503) { End::Refused(status) } else { End::Failed(status) }
        }
        Ok(answer) => {
            let said = answer.headers().get("cache-status").and_then(|value| value.to_str().ok());
            exchange.is_hit = said.is_some_and(|said| said.contains("; hit"));
            read(answer.into_body(), due, until, &mut exchange).await
        }
    };
    (exchange, again)
}

async fn read<B: Body<Data = Bytes> + Unpin>(
    mut body: B,
    due: Instant,
    until: Instant,
    exchange: &mut Exchange,
) -> End {
    if !exchange.stream {
        let Ok(whole) = timeout_at(until, body.collect()).await else { return End::Left };
        if whole.is_err() {
            return End::Broken;
        }
        exchange.first = Some(Instant::now() - due);
        return End::Answered;
    }
    let (mut events, mut last) = (Events::default(), None);
    loop {
        let frame = match exchange.first {
            None => match timeout_at(until, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return End::Left,
            },
            Some(_) => body.frame().await,
        };
        let now = Instant::now();
        match frame {
            None => return if events.is_over { End::Answered } else { End::Broken },
            Some(Err(_)) => return End::Broken,
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { continue };
                if events.take(data) > 0 {
                    exchange.first.get_or_insert(now - due);
                    if let Some(last) = last.replace(now) {
                        exchange.gaps.push(now - last);
                    }
                }
                if events.has_failed {
                    return End::Broken;
                }
            }
        }
    }
}

/// What the events of a stream tell, line by line: the model server of the tests writes each on one, and other servers do.
#[derive(Debug, Default)]
struct Events {
    line: Vec<u8>,
    is_over: bool,
    has_failed: bool,
}

impl Events {
    /// How many of them hold text.
    fn take(&mut self, data: &[u8]) -> usize {
        let mut texts = 0;
        for &byte in data {
            if byte == b'\n' {
                texts += usize::from(self.end_of_line());
            } else {
                self.line.push(byte);
            }
        }
        texts
    }

    fn end_of_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let Some(data) = line.strip_prefix(b"data: ") else { return false };
        if data.starts_with(b"[DONE]") {
            self.is_over = true;
            return false;
        }
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(data) else { return false };
        self.is_over |= event["type"] == "message_stop";
        self.has_failed |=
            event["type"] == "error" || event.get("error").is_some_and(|error| !error.is_null());
        let text = |value: &serde_json::Value| value.as_str().is_some_and(|text| !text.is_empty());
        text(&event["choices"][0]["delta"]["content"]) || text(&event["delta"]["text"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_comes_again_when_it_is_told_to_or_else_by_itself() {
        let told = |pairs: &[(&'static str, &'static str)]| {
            let parsed = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            hint(&parsed.collect())
        };
        assert_eq!(
            told(&[("retry-after", "2"), ("retry-after-ms", "1250")]),
            Some(Duration::from_millis(1250))
        );
        assert_eq!(told(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        for value in ["0", "61", "soon"] {
            assert_eq!(told(&[("retry-after", value)]), None);
        }
        for (attempt, most) in [(1, 500), (2, 1000), (5, 8000), (9, 8000)] {
            let most = Duration::from_millis(most);
            assert!((0..100).all(|number| (most * 3 / 4..=most).contains(&pause(number, attempt))));
        }
    }

    #[test]
    fn events_tell_texts_the_end_and_errors_however_they_are_cut() {
        let stream = b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
            data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n: ping\n\ndata: [DONE]\n\n";
        for cut in 1..stream.len() {
            let mut events = Events::default();
            let texts: usize = stream.chunks(cut).map(|part| events.take(part)).sum();
            assert_eq!((texts, events.is_over, events.has_failed), (1, true, false));
        }
        let mut events = Events::default();
        assert_eq!(
            events.take(b"event: x\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n\n"),
            1
        );
        assert!(!events.is_over);
        events.take(b"data: {\"type\":\"message_stop\"}\n\n");
        assert!(events.is_over && !events.has_failed);
        events.take(b"data: {\"error\":{\"message\":\"no\"}}\n\n");
        assert!(events.has_failed);
    }
}
