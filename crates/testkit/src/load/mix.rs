use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;

/// What requests are like. Each is the same for the same seed and number.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Where all choices come from.
    pub seed: u64,
    /// This share wants a stream, and the others a whole answer.
    pub streams: f64,
    /// This share speaks Anthropic's API, and the others OpenAI's.
    pub messages: f64,
    /// This share asks one of a hundred questions that many ask, the first of them most often; of the others none is asked twice.
    pub repeated: f64,
    /// So many tenants ask, each with a credential of its own.
    pub tenants: u32,
}

impl Default for Mix {
    /// Seven in ten are streams, a quarter is in Anthropic's API, three in ten were asked before, of eight tenants.
    fn default() -> Self {
        Self { seed: 0, streams: 0.7, messages: 0.25, repeated: 0.3, tenants: 8 }
    }
}

/// A request, and what is known of its answer.
pub(crate) struct Question {
    pub(crate) request: Request<Full<Bytes>>,
    pub(crate) stream: bool,
}

impl Mix {
    pub(crate) fn question(&self, url: &str, number: u64) -> Question {
        let mut random = SmallRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(number));
        let stream = random.random_bool(self.streams.clamp(0.0, 1.0));
        let messages = random.random_bool(self.messages.clamp(0.0, 1.0));
        let tenant = random.random_range(0..self.tenants.max(1));
        let question = if random.random_bool(self.repeated.clamp(0.0, 1.0)) {
            // By Zipf's law, nearly.
            let rank = 100_f64.powf(random.random::<f64>()) as u64;
            format!("What does everybody ask, number {rank}?")
        } else {
            format!("What does nobody else ask, number {number}?")
        };
        let asked = json!([{"role": "user", "content": question}]);
        let mut body = json!({"model": "demo", "stream": stream, "max_tokens": 1024, "messages": asked});
        if !messages {
            body["temperature"] = 0.into();
        }
        let path = if messages { "messages" } else { "chat/completions" };
        let request = Request::post(format!("{url}/v1/{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer tenant-{tenant}"))
            .body(Full::from(body.to_string()))
            .expect("the address was looked at before");
        Question { request, stream }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn shares_are_as_they_are_set_and_the_seed_decides() {
        let mix = Mix::default();
        let (mut streams, mut messages, mut repeated) = (0, 0, 0);
        for number in 0..2000 {
            let question = mix.question("http://a", number);
            let again = mix.question("http://a", number);
            streams += u32::from(question.stream);
            messages += u32::from(question.request.uri().path() == "/v1/messages");
            let body = question.request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, again.request.into_body().collect().await.unwrap().to_bytes());
            repeated += u32::from(body.windows(9).any(|part| part == b"everybody"));
        }
        for (count, share) in [(streams, mix.streams), (messages, mix.messages), (repeated, mix.repeated)] {
            assert!((f64::from(count) / 2000.0 - share).abs() < 0.05, "{count} {share}");
        }
    }
}
