//! What was seen of one upstream lately, for the page.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot::{
    breaker::{self, Call, Reason, Transition},
    sse::{self, End, Summary},
    wire::dialect::Dialect,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::window::Window;

/// So many changes of the breaker are kept, the newest.
const CHANGES: usize = 24;

/// Told by the layers around the upstream, whose metrics it counts too.
#[derive(Debug)]
pub(crate) struct Seen {
    began: Instant,
    first_content: Window,
    gaps: Window,
    done: AtomicU64,
    broken: AtomicU64,
    left: AtomicU64,
    changes: Mutex<VecDeque<(Instant, Transition)>>,
}

impl Seen {
    /// As the page has it.
    pub(crate) fn shown(&self) -> Value {
        let now = self.elapsed();
        let quantiles = |window: &Window| {
            window.quantiles(now, [0.5, 0.9, 0.99]).map(|(count, [p50, p90, p99])| {
                json!({ "count": count, "p50": ms(p50), "p90": ms(p90), "p99": ms(p99) })
            })
        };
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let change = |(at, change): &(Instant, Transition)| {
            json!({
                "age_ms": ms(Instant::now().saturating_duration_since(*at)).round(), "from": change.from.name(),
                "to": change.to.name(), "reason": change.reason.to_string(),
            })
        };
        json!({
            "first_content_ms": quantiles(&self.first_content),
            "gap_ms": quantiles(&self.gaps),
            "streams": { "done": self.done.load(Relaxed), "broken": self.broken.load(Relaxed), "left": self.left.load(Relaxed) },
            "changes": changes.iter().map(change).collect::<Vec<_>>(),
        })
    }

    /// A stream was silent for so long between two of its pieces.
    pub(crate) fn gap(&self, took: Duration) {
        self.gaps.record(self.elapsed(), took);
    }

    fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.began)
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            first_content: Window::default(),
            gaps: Window::default(),
            // Relaxed wherever they are used: counts for people.
            done: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            left: AtomicU64::new(0),
            changes: Mutex::default(),
        }
    }
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl sse::Observer for Seen {
    fn on_headers(&self, dialect: Option<Dialect>, after: Duration) {
        sse::MetricsObserver.on_headers(dialect, after);
    }

    fn on_first_byte(&self, dialect: Option<Dialect>, after: Duration) {
        sse::MetricsObserver.on_first_byte(dialect, after);
    }

    fn on_first_content(&self, dialect: Option<Dialect>, after: Duration) {
        sse::MetricsObserver.on_first_content(dialect, after);
        self.first_content.record(self.elapsed(), after);
    }

    fn on_end(&self, summary: &Summary) {
        sse::MetricsObserver.on_end(summary);
        let count = match summary.end {
            End::Done => &self.done,
            End::ClientGone => &self.left,
            _ => &self.broken,
        };
        count.fetch_add(1, Relaxed);
    }
}

impl breaker::Observer for Seen {
    fn on_transition(&self, transition: &Transition) {
        breaker::MetricsObserver.on_transition(transition);
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.len() == CHANGES {
            changes.pop_front();
        }
        changes.push_back((Instant::now(), *transition));
    }

    fn on_threshold(&self, reason: Reason) {
        breaker::MetricsObserver.on_threshold(reason);
    }

    fn on_call(&self, call: Call) {
        breaker::MetricsObserver.on_call(call);
    }
}
