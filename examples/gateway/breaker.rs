//! When the upstream is not called: after failures, until probes show that it is back.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use dashpot::breaker::{BreakerLayer, BreakerState, Slow, Stats};
use metrics::{Label, gauge};

use crate::{config, seen::Seen};

/// So many credentials have a breaker of their own.
const CREDENTIALS: usize = 10_000;

/// Where clients put their credentials, by the APIs' own names.
const CREDENTIAL_HEADERS: [&str; 3] = ["authorization", "x-api-key", "x-goog-api-key"];

pub(crate) fn layer(config: &config::Breaker, seen: &Arc<Seen>) -> BreakerLayer {
    let mut layer = BreakerLayer::new()
        .consecutive_failures(config.consecutive_failures)
        .failure_ratio(config.failure_ratio, config.min_calls, config.window())
        .wait(config.wait(), config.max_wait())
        .ramp(config.ramp())
        .silence(config.silence())
        .observer(seen.clone());
    if let Some(bound) = config.slow_first_token() {
        layer = layer.slow_ratio(Slow::Than(bound), config.slow_ratio);
    }
    if config.max_held > 0 {
        layer = layer.hold(config.max_held, config.hold());
    }
    if config.by_credential {
        // By hash: tokens that are signed are longer than a key may be, and none is to be kept. Of 128 bits, and other ones
        // in each process: no two are the same, by chance or by intent.
        let hashes = [RandomState::new(), RandomState::new()];
        layer.keyed(CREDENTIALS, move |head| {
            let credential = CREDENTIAL_HEADERS.into_iter().find_map(|name| head.headers().get(name))?;
            let [high, low] = hashes.each_ref().map(|hash| hash.hash_one(credential));
            Some(format!("{high:016x}{low:016x}").into())
        })
    } else {
        // What one client has spent is no reason to refuse another.
        layer.quota_wait(None)
    }
}

/// Brings the metrics up to what the breakers are now: how many are in which state.
pub(crate) fn publish(layer: &BreakerLayer, upstream: &[Label]) {
    let keyed = layer.keyed_handle().stats();
    let all: Vec<Stats> = keyed.into_iter().map(|(_, stats)| stats).chain([layer.handle().stats()]).collect();
    for state in [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen, BreakerState::Recovering]
    {
        let count = all.iter().filter(|stats| stats.state == state).count();
        gauge!("gateway_breakers", [upstream, &[Label::new("state", state.name())]].concat())
            .set(count as f64);
    }
    let open_for = all.iter().filter_map(|stats| stats.open_for).max().unwrap_or(Duration::ZERO);
    let held: usize = all.iter().map(|stats| stats.held).sum();
    gauge!("gateway_breaker_held", upstream.to_vec()).set(held as f64);
    gauge!("gateway_breaker_open_seconds", upstream.to_vec()).set(open_for);
}
