//! How many requests the upstream is given at once: a limit that finds itself, and what is kept of it over a restart.

use dashpot::limit::{Handle, LimitLayer, policy::LittlesLaw};
use metrics::{Label, counter, gauge};

use crate::{config, state};

pub(crate) fn layer(config: &config::Limit) -> LimitLayer {
    let mut policy = LittlesLaw::new().max(config.max).min(config.min).initial(config.initial);
    if let Some(baseline) = config.baseline() {
        policy = policy.first_token_baseline(baseline);
    }
    let mut limit = LimitLayer::with_policy(policy);
    if config.max_waiting > 0 {
        limit = limit.wait(config.max_waiting, config.max_wait());
    }
    if let Some(snapshot) = config.state_file.as_deref().and_then(state::read) {
        limit.handle().restore(&snapshot);
    }
    limit
}

/// Brings the metrics up to what the limit is now.
pub(crate) fn publish(limit: &Handle, upstream: &[Label]) {
    let (stats, labels) = (limit.stats(), || upstream.to_vec());
    gauge!("gateway_limit", labels()).set(stats.limit);
    gauge!("gateway_limit_in_flight", labels()).set(stats.in_flight);
    gauge!("gateway_limit_waiting", labels()).set(stats.waiting as f64);
    counter!("gateway_limit_admitted_total", labels()).absolute(stats.admitted);
    counter!("gateway_limit_refused_total", labels()).absolute(stats.refused);
    // Absent until something is believed: 0 would be a value.
    if let Some(baseline) = stats.baseline {
        gauge!("gateway_limit_baseline_seconds", labels()).set(baseline);
    }
    if let Some(queue) = stats.queue {
        gauge!("gateway_limit_queue", labels()).set(queue);
    }
}
