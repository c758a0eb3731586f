use std::{
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use http::{Request, Response, Version};
use http_body::Body;
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep_until, timeout},
};
use tower_service::Service;

use super::{
    Stats,
    count::{Count, Now},
};
use crate::{answer::read_to_end, starter::StartError};

/// A ping that takes longer will not be answered; its connection is closed, if it has one of its own.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two rounds, twice as long after each that failed.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

type Ping = Pin<Box<dyn Future<Output = Result<Version, StartError>> + Send>>;

/// Opens, pings, and opens anew.
pub(super) struct Keeper {
    count: Arc<Count>,
    every: Duration,
    ping: Box<dyn Fn() -> Ping + Send + Sync>,
    is_wanted: watch::Sender<bool>,
    /// One round at a time.
    round: Mutex<()>,
    // What the latest answers said; a round that reads it late sends a ping too many, or too few.
    is_multiplexed: AtomicBool,
    pings: AtomicU64,
    failed: AtomicU64,
}

impl Keeper {
    pub(super) fn new<S, B, R>(
        count: Arc<Count>,
        every: Duration,
        client: S,
        ask: impl Fn() -> Request<B> + Send + Sync + 'static,
    ) -> Self
    where
        S: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Send + 'static,
        R: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Self {
            count,
            every,
            ping: Box::new(move || Box::pin(ping(client.clone(), ask()))),
            is_wanted: watch::Sender::new(false),
            round: Mutex::default(),
            is_multiplexed: AtomicBool::default(),
            pings: AtomicU64::default(),
            failed: AtomicU64::default(),
        }
    }

    /// The task: a round when some are missing, and one whenever they have to be pinged.
    pub(super) async fn run(self: Arc<Self>) {
        let mut failures = 0;
        let mut wanted = self.is_wanted.subscribe();
        loop {
            // Its sender is here: it does not end.
            let _ = wanted.wait_for(|&is_wanted| is_wanted).await;
            let last = Instant::now();
            let short = self.count.until(|&now| self.is_short(now));
            let is_due = timeout(self.every, short).await.is_err();
            sleep_until(last + pause(failures)).await;
            // Meanwhile somebody else may have opened them.
            if *wanted.borrow() && (is_due || self.is_short(self.count.now())) {
                let is_full = self.round().await.is_ok_and(|open| open >= self.target());
                failures = if is_full { 0 } else { failures + 1 };
            }
        }
    }

    pub(super) async fn open(&self) -> Result<usize, StartError> {
        self.is_wanted.send_replace(true);
        self.round().await
    }

    pub(super) fn rest(&self) {
        self.is_wanted.send_replace(false);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            open: self.count.now().open,
            opened: self.count.opened(),
            closed: self.count.closed(),
            pings: self.pings.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    fn target(&self) -> usize {
        if self.is_multiplexed.load(Relaxed) { 1 } else { self.count.max }
    }

    fn is_short(&self, now: Now) -> bool {
        now.opening + now.open < self.target()
    }

    /// Uses as many connections at once as there are to be, and so opens those that are missing. An error if none is open.
    async fn round(&self) -> Result<usize, StartError> {
        let _round = self.round.lock().await;
        let mut result = Ok(());
        let pings = async {
            // One goes before: with HTTP/2 it is all that is needed.
            if self.count.now().open == 0 {
                result = self.answers(vec![(self.ping)()]).await;
                if result.is_err() || self.is_multiplexed.load(Relaxed) {
                    return;
                }
            }
            result = self.answers((0..self.target()).map(|_| (self.ping)()).collect()).await;
            // Those of which another connection was sooner.
            self.count.until(|now| now.opening == 0).await;
        };
        let in_time = timeout(TIMEOUT, self.count.pings(pings)).await;
        match (self.count.now().open, in_time, result) {
            (0, Ok(()), Err(error)) => Err(error),
            (0, ..) => Err("no connection is open".into()),
            (open, ..) => Ok(open),
        }
    }

    /// Waits for all; polls each before it waits, so that each takes a connection of its own. The latest error.
    async fn answers(&self, pings: Vec<Ping>) -> Result<(), StartError> {
        let mut pings = pin!(pings);
        let mut result = Ok(());
        poll_fn(|cx| {
            pings.retain_mut(|ping| match ping.as_mut().poll(cx) {
                Poll::Ready(Ok(version)) => {
                    self.pings.fetch_add(1, Relaxed);
                    self.is_multiplexed.store(version >= Version::HTTP_2, Relaxed);
                    false
                }
                Poll::Ready(Err(error)) => {
                    self.failed.fetch_add(1, Relaxed);
                    result = Err(error);
                    false
                }
                Poll::Pending => true,
            });
            if pings.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        result
    }
}

fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.min(6)).min(MAX_PAUSE)
}

/// Sends a request and reads its answer to the end, so that its connection is free again.
async fn ping<S, B, R>(mut client: S, request: Request<B>) -> Result<Version, StartError>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    poll_fn(|cx| client.poll_ready(cx)).await.map_err(|error| StartError::from(error.into()))?;
    let answer = client.call(request).await.map_err(|error| StartError::from(error.into()))?;
    let version = answer.version();
    read_to_end(answer.into_body()).await?;
    Ok(version)
}
