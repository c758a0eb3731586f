//! What goes wrong with breakers. Each scenario drives one and says what it did, judged by the calls that come through.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use http_body_util::BodyExt;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::{BoxError, ServiceExt, util::BoxCloneService};

use crate::{
    WAIT,
    contestants::{Contestant, PATIENCE},
    upstream::{Answer, Asked, Upstream, Want, asked},
};

/// More calls than any of the windows has.
const MANY: usize = 200;

/// Whoever has not opened after so many failures does not.
const ENOUGH: usize = 20_000;

/// One breaker in front of an upstream.
pub(crate) struct Subject {
    service: BoxCloneService<Asked, Answer, BoxError>,
    upstream: Upstream,
}

impl Subject {
    pub(crate) fn new(contestant: &Contestant) -> Self {
        let upstream = Upstream::default();
        Self { service: (contestant.make)(upstream.clone()), upstream }
    }

    /// An exchange to its end, without patience. The future holds nothing of this.
    fn exchange(&self, want: Want) -> impl Future<Output = ()> + Send + use<> {
        let call = self.service.clone().oneshot(asked(want));
        async {
            if let Ok(answer) = call.await {
                // An error in the body is what some of them are about.
                let _ = answer.into_body().collect().await;
            }
        }
    }

    /// Whether the upstream was called.
    async fn ask(&self, want: Want) -> bool {
        let before = self.upstream.calls();
        // Whoever it kept waiting has left: what it has to say to that, it says later.
        let _ = timeout(PATIENCE, self.exchange(want)).await;
        self.upstream.calls() > before
    }

    /// Asks until it is refused: how many calls that took.
    async fn ask_until_refused(&self, want: Want, most: usize) -> Option<usize> {
        for calls in 0..most {
            if !self.ask(want.clone()).await {
                return Some(calls);
            }
        }
        None
    }

    async fn open(&self) {
        let opened = self.ask_until_refused(Want::Failure, ENOUGH).await;
        opened.expect("an outage opens it");
    }

    /// Asks until it is let through: how long that took.
    async fn wait(&self, want: Want, most: Duration) -> Option<Duration> {
        let start = Instant::now();
        while !self.ask(want.clone()).await {
            if Instant::now() - start > most {
                return None;
            }
            sleep(Duration::from_millis(1)).await;
        }
        Some(Instant::now() - start)
    }

    fn spawn(&self, want: Want) -> JoinHandle<()> {
        tokio::spawn(self.exchange(want))
    }
}

/// Long enough for any of them to be half open.
async fn until_half_open() {
    sleep(2 * WAIT).await;
}

fn either(is: bool, yes: &str, no: &str) -> String {
    if is { yes } else { no }.to_owned()
}

pub(crate) async fn outage(subject: Subject) -> String {
    for _ in 0..10_000 {
        subject.ask(Want::Success).await;
    }
    let calls = subject.ask_until_refused(Want::Failure, ENOUGH).await;
    calls.map_or_else(|| format!("> {ENOUGH}"), |calls| calls.to_string())
}

pub(crate) async fn hung(subject: Subject) -> String {
    join_all((0..MANY).map(|_| subject.ask(Want::Silence))).await;
    either(subject.ask(Want::Success).await, "stays closed", "opens")
}

pub(crate) async fn late_success(subject: Subject) -> String {
    let (late, probe) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let calls: Vec<_> = (0..3).map(|_| subject.spawn(Want::SuccessAfter(late.clone()))).collect();
    tokio::task::yield_now().await;
    assert_eq!(subject.upstream.calls(), 3, "it is closed");
    subject.open().await;
    until_half_open().await;
    let before = subject.upstream.calls();
    let probing = subject.spawn(Want::FailureAfter(probe.clone()));
    tokio::task::yield_now().await;
    assert_eq!(subject.upstream.calls(), before + 1, "it is half open");
    late.notify_waiters();
    join_all(calls).await;
    probe.notify_one();
    // Unless the verdict is out already, this is what opens it again.
    let _ = probing.await;
    either(subject.ask(Want::Success).await, "closes it", "no effect")
}

pub(crate) async fn probes(subject: Subject) -> String {
    subject.open().await;
    until_half_open().await;
    let before = subject.upstream.calls();
    join_all((0..1_000).map(|_| subject.ask(Want::Silence))).await;
    (subject.upstream.calls() - before).to_string()
}

pub(crate) async fn cancelled_probe(subject: Subject) -> String {
    subject.open().await;
    until_half_open().await;
    let probing = subject.spawn(Want::Silence);
    tokio::task::yield_now().await;
    probing.abort();
    let free = subject.wait(Want::Success, 20 * WAIT).await;
    either(free.is_some(), "free again", "stuck")
}

pub(crate) async fn pending_inner(subject: Subject) -> String {
    subject.open().await;
    subject.upstream.stick();
    let answered = timeout(PATIENCE, subject.exchange(Want::Success)).await;
    either(answered.is_ok(), "answers", "hangs")
}

/// The means of 16, since some wait for a random time.
pub(crate) async fn waits(subjects: Vec<Subject>) -> String {
    let each = join_all(subjects.iter().map(|subject| async {
        let mut waits = [0.0; 4];
        for wait in &mut waits {
            subject.open().await;
            let waited = subject.wait(Want::Failure, 100 * WAIT).await;
            *wait = waited.expect("it sends a probe").as_secs_f64();
        }
        waits
    }));
    let each = each.await;
    let mean = |n: usize| each.iter().map(|waits| waits[n]).sum::<f64>() / each.len() as f64;
    [0, 1, 2, 3].map(|n| format!("{:.1}", mean(n))).join(" ")
}

pub(crate) async fn broken_stream(subject: Subject) -> String {
    either(subject.ask_until_refused(Want::BrokenStream, MANY).await.is_some(), "a failure", "a success")
}

/// Alone, and where two come after each failure: as successes they would hide it.
pub(crate) async fn too_many(subject: Subject, mixed: Subject) -> String {
    if subject.ask_until_refused(Want::TooMany, MANY).await.is_some() {
        return "a failure".to_owned();
    }
    for _ in 0..MANY {
        if !mixed.ask(Want::Failure).await {
            return "nothing".to_owned();
        }
        mixed.ask(Want::TooMany).await;
        mixed.ask(Want::TooMany).await;
    }
    "a success".to_owned()
}

pub(crate) async fn retry_after(subject: Subject) -> String {
    subject.ask_until_refused(Want::FailureFor(1), ENOUGH).await.expect("an outage opens it");
    let waited = subject.wait(Want::Success, Duration::from_secs(5)).await;
    waited.map_or_else(|| "stuck".to_owned(), |waited| format!("{:.1}", waited.as_secs_f64()))
}
