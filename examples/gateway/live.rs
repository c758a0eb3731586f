//! `GET /live`: what the gateway knows at this moment, twice a second, for the page. Nothing of what callers have sent is in it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use dashpot::{
    breaker::BreakerState,
    cache::{Handle as CacheHandle, MemoryStore},
    wire::sse::Message,
};
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use crate::{app::Version, cache::AnyStore, seen::ms, upstreams::Upstream};

const EVERY: Duration = Duration::from_millis(500);

/// So many look at once. Who comes when there are as many is told to come again.
const CLIENTS: usize = 32;

/// So many answers to similar questions are remembered, by how similar the question was.
const SCORES: usize = 24;

/// What all who look share, through all configurations. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    draining: Arc<AtomicBool>,
    places: Arc<Semaphore>,
    /// `None` while there is no page.
    of: Mutex<Option<Of>>,
    latest: Mutex<Option<(Instant, Bytes)>>,
    scores: Mutex<VecDeque<(Instant, f64)>>,
}

/// What serves now, as far as it is shown.
#[derive(Clone, Debug)]
struct Of {
    upstreams: Arc<[Upstream]>,
    cache: Option<CacheHandle<AnyStore>>,
}

impl Live {
    pub(crate) fn new(draining: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            draining,
            places: Arc::new(Semaphore::new(CLIENTS)),
            of: Mutex::default(),
            latest: Mutex::default(),
            scores: Mutex::default(),
        }))
    }

    /// From now on shows what this configuration has made.
    pub(crate) fn show(&self, version: &Version) {
        let of = || Of { upstreams: version.upstreams.clone(), cache: version.cache() };
        *self.0.of.lock().unwrap_or_else(PoisonError::into_inner) = version.config.page.then(of);
    }

    /// Remembers how similar a question was whose answer was given again.
    pub(crate) fn note(&self, headers: &HeaderMap) {
        let status = headers.get("cache-status").and_then(|status| status.to_str().ok());
        if let Some(score) = status.and_then(score) {
            let mut scores = self.0.scores.lock().unwrap_or_else(PoisonError::into_inner);
            if scores.len() == SCORES {
                scores.pop_front();
            }
            scores.push_back((Instant::now(), score));
        }
    }

    /// One event; `None` when there is nothing more to be seen. All who ask at about the same time hear the same.
    fn event(&self) -> Option<Bytes> {
        let of = self.0.of.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        // Relaxed: seen soon enough.
        if self.0.draining.load(Ordering::Relaxed) {
            return None;
        }
        let now = Instant::now();
        let mut latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, event)) =
            latest.as_ref().filter(|(at, _)| now.saturating_duration_since(*at) < EVERY / 2)
        {
            return Some(event.clone());
        }
        let event = written("", &self.snapshot(&of, now).to_string());
        *latest = Some((now, event.clone()));
        Some(event)
    }

    fn snapshot(&self, of: &Of, now: Instant) -> Value {
        let age = |at: Instant| ms(now.saturating_duration_since(at)).round();
        let scores = self.0.scores.lock().unwrap_or_else(PoisonError::into_inner);
        let scores: Vec<_> =
            scores.iter().map(|(at, score)| json!({ "age_ms": age(*at), "score": score })).collect();
        let cache = of.cache.as_ref().map(|handle| {
            let (stats, memory) = (handle.stats(), handle.store().memory());
            json!({
                "entries": memory.map(MemoryStore::len), "bytes": memory.map(MemoryStore::bytes), "exact": stats.exact,
                "similar": stats.similar, "stale": stats.stale, "collapsed": stats.collapsed, "misses": stats.misses,
                "bypassed": stats.bypassed, "scores": scores,
            })
        });
        let upstreams: Vec<_> = of.upstreams.iter().map(upstream).collect();
        json!({ "at_ms": age(self.0.began), "upstreams": upstreams, "cache": cache })
    }
}

/// The score in `dashpot; hit; ...; detail="semantic; score=0.912"`.
fn score(status: &str) -> Option<f64> {
    let (_, rest) = status.split_once("semantic; score=")?;
    rest.split(|char: char| char != '.' && !char.is_ascii_digit()).next()?.parse().ok()
}

fn upstream(upstream: &Upstream) -> Value {
    let limit = upstream.around.limit.handle().stats();
    let breaker = upstream.around.breaker.handle().stats();
    let keyed = upstream.around.breaker.keyed_handle().stats();
    let not_closed = keyed.iter().filter(|(_, stats)| stats.state != BreakerState::Closed).count();
    let warm = upstream.around.warm.iter().flat_map(|models| models.handles()).map(|(model, handle)| {
        let stats = handle.stats();
        json!({
            "model": model, "state": stats.state.name(), "ready": stats.state.is_ready(), "waiting": stats.waiting,
            "last_start_ms": stats.last_start.map(|start| ms(start.total()).round()),
        })
    });
    json!({
        "name": upstream.shown_name(),
        "limit": {
            "limit": limit.limit, "in_flight": limit.in_flight, "waiting": limit.waiting, "admitted": limit.admitted,
            "refused": limit.refused, "frozen": limit.frozen,
        },
        "breaker": {
            "state": breaker.state.name(), "calls": breaker.calls, "failed": breaker.failed, "refused": breaker.refused,
            "opened": breaker.opened, "open_for_ms": breaker.open_for.map(|time| ms(time).round()),
            "credentials": keyed.len(), "credentials_not_closed": not_closed,
        },
        "warm": warm.collect::<Vec<_>>(),
        "seen": upstream.seen.shown(),
    })
}

fn written(event: &str, data: &str) -> Bytes {
    let mut out = Vec::new();
    // No line break is in a name of ours.
    let _ = Message { event, id: None, data }.write(&mut out);
    out.into()
}

/// Somebody who looks.
struct Client {
    live: Live,
    ticks: Interval,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// The stream: no task of its own, and a client who does not read is owed nothing but the newest.
pub(crate) async fn live(State(live): State<Live>) -> Response {
    let place = live.0.places.clone().try_acquire_owned();
    let (Ok(place), Some(_)) = (place, live.event()) else {
        let retry = [(header::RETRY_AFTER, "5"), (header::CACHE_CONTROL, "no-store")];
        return (StatusCode::SERVICE_UNAVAILABLE, retry, "too many look, or the gateway is on its way out\n")
            .into_response();
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let client = Client { live, ticks, is_over: false, _place: place };
    let events = stream::unfold(client, async |mut client: Client| {
        if client.is_over {
            return None;
        }
        client.ticks.tick().await;
        let event = client.live.event();
        client.is_over = event.is_none();
        let event = event.unwrap_or_else(|| written("end", "the gateway is on its way out"));
        Some((Ok::<_, Infallible>(event), client))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn the_score_is_read_from_what_the_cache_says() {
        for (status, expected) in [
            (r#"dashpot; hit; ttl=3600; key="ab"; detail="semantic; score=0.912""#, Some(0.912)),
            (r#"dashpot; hit; ttl=1; key="ab"; detail="semantic; score=1.000; proven""#, Some(1.0)),
            (r#"dashpot; hit; ttl=3600; key="ab"; detail=exact"#, None),
            ("dashpot; fwd=miss", None),
        ] {
            assert_eq!(score(status), expected, "{status}");
        }
    }
}
