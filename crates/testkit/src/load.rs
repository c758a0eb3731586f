//! An open-loop load on an HTTP service that speaks the APIs of language models: requests come when they are due, whether or not
//! those before were answered, as those of people do who do not know of each other.

mod exchange;
mod mix;
mod report;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::{SeedableRng, rngs::SmallRng};
use rand_distr::{Distribution as _, Exp};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub use exchange::{End, Exchange};
pub use mix::Mix;
pub use report::Report;

/// What is sent, and for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where: the address before `/v1`.
    pub url: String,
    /// Requests per second, on average; the times between them are exponentially distributed.
    pub rate: f64,
    /// For how long new ones come.
    pub time: Duration,
    /// What they are.
    pub mix: Mix,
    /// How long a client waits for the first token, or for a whole answer, before it leaves.
    pub patience: Duration,
}

impl Load {
    /// Sends it all, and tells `progress` each exchange that is over.
    pub async fn run(&self, mut progress: impl FnMut(&Exchange)) -> Report {
        let client = client();
        let mut random = SmallRng::seed_from_u64(self.mix.seed);
        let pauses = Exp::new(self.rate).ok();
        let start = Instant::now();
        let (mut at, mut number) = (Duration::ZERO, 0);
        let mut exchanges = JoinSet::new();
        let mut report = Report::default();
        let mut take = |exchange: Exchange| {
            progress(&exchange);
            report.add(&exchange);
        };
        while let Some(pauses) = pauses {
            at += Duration::try_from_secs_f64(pauses.sample(&mut random)).unwrap_or(Duration::MAX);
            if at >= self.time {
                break;
            }
            let due = start + at;
            let mut is_due = std::pin::pin!(sleep_until(due));
            loop {
                tokio::select! {
                    biased;
                    () = &mut is_due => break,
                    Some(over) = exchanges.join_next() => take(over.unwrap_or_else(|_| Exchange::broken())),
                }
            }
            let (question, patience) = (self.mix.question(&self.url, number), self.patience);
            exchanges.spawn(exchange::exchange(client.clone(), question, due, patience));
            number += 1;
        }
        while let Some(over) = exchanges.join_next().await {
            take(over.unwrap_or_else(|_| Exchange::broken()));
        }
        report.time = Instant::now() - start;
        report
    }
}

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}
