use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    runtime::Handle,
    time::{Sleep, sleep_until},
};

use crate::{
    machine::{Due, Next, Step},
    starter::StartError,
    upstream::Upstream,
};

/// The task of an upstream: it does what the machine says, one step at a time, and keeps its times.
///
/// It ends when nothing is to be done. While the upstream is cold and only expected to be wanted it does not hold it, so
/// that its key can be forgotten.
pub(crate) struct Driver {
    upstream: Weak<Upstream>,
    running: Option<(Due, Running<Result<(), StartError>>)>,
    ended: Option<Running<()>>,
    is_closed: bool,
    is_over: bool,
}

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Event {
    Finished(Due, Result<(), StartError>),
    Ended,
    Closed,
    News,
}

impl Driver {
    /// Whether there is a runtime to run in.
    pub(crate) fn can_run() -> bool {
        Handle::try_current().is_ok()
    }

    pub(crate) fn spawn(upstream: Arc<Upstream>) {
        let driver = Self {
            upstream: Arc::downgrade(&upstream),
            running: None,
            ended: None,
            is_closed: false,
            is_over: false,
        };
        tokio::spawn(driver.run(upstream));
    }

    async fn run(mut self, upstream: Arc<Upstream>) {
        let (news, mut alive) = (upstream.news.clone(), upstream.alive.clone());
        let mut held = Some(upstream);
        while let Some(upstream) = held.take().or_else(|| self.upstream.upgrade()) {
            let next = upstream.next();
            if next.is_over {
                self.is_over = true;
                return;
            }
            self.take_up(&upstream, next);
            if !next.is_resting {
                held = Some(upstream);
            } else {
                drop(upstream);
            }
            let event = {
                let mut news = pin!(news.notified());
                let mut closed = pin!(alive.changed());
                let mut timer = pin!(next.wake_at.map(timer));
                poll_fn(|cx| {
                    if !self.is_closed && closed.as_mut().poll(cx).is_ready() {
                        self.is_closed = true;
                        return Poll::Ready(Event::Closed);
                    }
                    if let Some((due, running)) = &mut self.running
                        && let Poll::Ready(result) = poll(running, cx)
                    {
                        let result = result.unwrap_or_else(|| Err("it panicked".into()));
                        return Poll::Ready(Event::Finished(*due, result));
                    }
                    if let Some(ended) = &mut self.ended
                        && let Poll::Ready(result) = poll(ended, cx)
                    {
                        self.ended = None;
                        if result.is_some() {
                            return Poll::Ready(Event::Ended);
                        }
                        // Nobody knows when it ends: it is not asked again while it is up.
                        self.ended = Some(Box::pin(pending()));
                    }
                    let is_late = timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready());
                    if is_late || news.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Event::News);
                    }
                    Poll::Pending
                })
                .await
            };
            let Some(upstream) = held.clone().or_else(|| self.upstream.upgrade()) else { return };
            match event {
                Event::Finished(due, result) => {
                    // A future that is over must not be polled again.
                    self.running = None;
                    upstream.finished(due, result);
                }
                Event::Ended => upstream.exited(),
                Event::Closed => upstream.close(),
                Event::News => {}
            }
        }
    }

    fn take_up(&mut self, upstream: &Upstream, next: Next) {
        if next.due != self.running.as_ref().map(|&(due, _)| due) {
            // The old one first: it may hold what the new one needs.
            self.running = None;
            self.running = next.due.map(|due| (due, step(upstream, due.step)));
        }
        if !next.is_up {
            self.ended = None;
        } else if self.ended.is_none() {
            let (starter, key) = (upstream.starter.clone(), upstream.key.clone());
            self.ended = Some(Box::pin(async move { starter.ended(&key).await }));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // The runtime ends: another one may go on.
        if let Some(upstream) = self.upstream.upgrade() {
            upstream.abandoned();
        }
    }
}

/// Goes on with what a user has written; `None` if that panics, after which it must not be polled.
fn poll<T>(running: &mut Running<T>, cx: &mut Context<'_>) -> Poll<Option<T>> {
    let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
    polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
}

fn step(upstream: &Upstream, step: Step) -> Running<Result<(), StartError>> {
    let (starter, key) = (upstream.starter.clone(), upstream.key.clone());
    Box::pin(async move {
        match step {
            Step::Start => starter.start(&key),
            Step::Wake => starter.wake(&key),
            Step::Probe => starter.probe(&key),
            Step::Prime => starter.prime(&key),
            Step::Sleep => starter.sleep(&key),
            Step::Stop => starter.stop(&key),
        }
        .await
    })
}

fn timer(at: Instant) -> Sleep {
    sleep_until(at.into())
}
