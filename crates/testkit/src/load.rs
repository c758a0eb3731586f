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
    /// How often a client asks again where nothing of an answer came, as the official SDKs do: after the time that
    /// `retry-after-ms` or `Retry-After` says, or else half a second and twice as long each time, within its patience.
    pub retries: u32,
    /// When the rate is another one.
    pub surges: Vec<Surge>,
}

/// A time in which requests come at another rate.
#[derive(Clone, Copy, Debug)]
pub struct Surge {
    /// From then on, since the start.
    pub start: Duration,
    /// For so long.
    pub length: Duration,
    /// Requests per second, on average.
    pub rate: f64,
}

impl Load {
    /// Sends it all, and tells `progress` each exchange that is over.
    pub async fn run(&self, mut progress: impl FnMut(&Exchange)) -> Report {
        let client = client();
        let mut random = SmallRng::seed_from_u64(self.mix.seed);
        let start = Instant::now();
        let (mut at, mut number) = (Duration::ZERO, 0);
        let mut exchanges = JoinSet::new();
        let mut report = Report::default();
        let mut take = |exchange: Exchange| {
            progress(&exchange);
            report.add(&exchange);
        };
        while let Some(next) = self.next(at, &mut random) {
            at = next;
            let due = start + at;
            let mut is_due = std::pin::pin!(sleep_until(due));
            loop {
                tokio::select! {
                    biased;
                    () = &mut is_due => break,
                    Some(over) = exchanges.join_next() => take(over.unwrap_or_else(|_| Exchange::broken())),
                }
            }
            exchanges.spawn(exchange::exchange(client.clone(), self.clone(), number, start, at));
            number += 1;
        }
        while let Some(over) = exchanges.join_next().await {
            take(over.unwrap_or_else(|_| Exchange::broken()));
        }
        report.time = Instant::now() - start;
        report
    }

    /// When the one after `at` is due, if there is one.
    fn next(&self, mut at: Duration, random: &mut SmallRng) -> Option<Duration> {
        while at < self.time {
            let is_on = |surge: &&Surge| (surge.start..surge.start + surge.length).contains(&at);
            let rate = self.surges.iter().find(is_on).map_or(self.rate, |surge| surge.rate);
            // Where the rate changes next. What comes after does not depend on how long nothing came before, so that from
            // there on the pause can be drawn anew.
            let edges = self.surges.iter().flat_map(|surge| [surge.start, surge.start + surge.length]);
            let until = edges.filter(|&edge| edge > at).chain([self.time]).min()?;
            let pause = Exp::new(rate).ok().map(|pauses| pauses.sample(random)).unwrap_or(f64::INFINITY);
            let next = Duration::try_from_secs_f64(pause).ok().and_then(|pause| at.checked_add(pause));
            match next.filter(|&next| next < until) {
                Some(next) => return Some(next),
                None => at = until,
            }
        }
        None
    }
}

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surge_has_its_own_rate_and_no_other_time_has() {
        let second = Duration::from_secs;
        let surge = |start, rate| Surge { start: second(start), length: second(10), rate };
        let load = Load {
            url: String::new(),
            rate: 100.0,
            time: second(60),
            mix: Mix::default(),
            patience: second(1),
            retries: 0,
            surges: vec![surge(10, 1000.0), surge(30, 0.0), surge(50, 300.0)],
        };
        let mut random = SmallRng::seed_from_u64(1);
        let mut counts = [0_u32; 6];
        let mut at = Duration::ZERO;
        while let Some(next) = load.next(at, &mut random) {
            assert!(next >= at);
            at = next;
            counts[at.as_secs() as usize / 10] += 1;
        }
        for (count, rate) in counts.into_iter().zip([100, 1000, 100, 0, 100, 300]) {
            assert!(count.abs_diff(rate * 10) <= rate, "{counts:?}");
        }
    }
}
