//! Answers that were given before, given again to the same caller.

mod similar;
mod store;

use std::{io, path::Path};

use dashpot::{
    cache::{CacheLayer, FlatIndex, Handle, MemoryStore, RestoreError},
    core::Tenant,
};
use http::HeaderMap;
use metrics::gauge;
use sha2::{Digest, Sha256};

pub(crate) use self::store::AnyStore;
use crate::config::Config;

/// Where clients put their credentials, by the APIs' own names.
const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// `None` if it is off. With the answers that there are, if nothing but times and bounds has changed.
pub(crate) fn layer(
    config: &Config,
    before: Option<(&Config, &CacheLayer<AnyStore>)>,
) -> Result<Option<CacheLayer<AnyStore>>, String> {
    let (upstream, config) = (&config.upstream, &config.cache);
    let as_before = |old: &Config| old.cache.keeps_what_there_is(config) && old.upstream == *upstream;
    let shares = config.share_without_credential;
    let layer = match before {
        Some((old, layer)) if as_before(old) => layer.clone(),
        _ => {
            let Some(store) = AnyStore::new(config)? else { return Ok(None) };
            let layer = CacheLayer::new(store.clone(), move |head| tenant(&head.headers, shares));
            let layer = match before {
                Some((_, old)) => layer.in_place_of(old),
                None => layer,
            };
            let layer = if config.finish_alone { layer.finish_alone() } else { layer };
            let similar = &config.similar;
            match store {
                AnyStore::Memory(_) => {
                    similar::add(layer, FlatIndex::new(similar.max_entries), similar, upstream)?
                }
                AnyStore::Postgres(store) => {
                    similar::add(layer.leases(store.clone()), store, similar, upstream)?
                }
                AnyStore::Redis(store) => {
                    similar::add(layer.leases(store.clone()), store, similar, upstream)?
                }
            }
        }
    };
    let layer = layer
        .budget(config.budget())
        .lease_wait(config.lease_wait())
        .stream_lease_wait(config.stream_lease_wait())
        .ttl(config.ttl())
        .stale_while_revalidate(config.stale_while_revalidate())
        .stale_if_error(config.stale_if_error())
        .max_temperature(config.max_temperature)
        .max_request_bytes(config.max_request_bytes)
        .max_answer_bytes(config.max_answer_bytes)
        .pace(config.pace());
    Ok(Some(layer))
}

/// Whoever has the same credentials; all that a request has, since which of them counts, the upstream decides. Not the
/// credentials themselves, which may be longer than a name may be, and are not to be kept.
pub(crate) fn tenant(headers: &HeaderMap, shares: bool) -> Option<Tenant> {
    let (mut hash, mut has_some) = (Sha256::new(), false);
    for name in CREDENTIAL_HEADERS {
        let lines = headers.get_all(name);
        hash.update((lines.iter().count() as u64).to_be_bytes());
        for line in &lines {
            has_some = true;
            hash.update((line.len() as u64).to_be_bytes());
            hash.update(line.as_bytes());
        }
    }
    if !has_some && !shares {
        return None;
    }
    let mut digits = String::with_capacity(64);
    for byte in hash.finalize() {
        digits
            .extend([byte >> 4, byte & 0xf].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    Tenant::new(&digits)
}

/// What the last run has left; what cannot be read is a warning, and the cache starts without it.
pub(crate) async fn restore(handle: &Handle<AnyStore>, path: &Path) {
    match handle.restore(path).await {
        Ok(entries) => tracing::info!(entries, "answers that were kept are there again"),
        Err(RestoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cache.state_file cannot be read to its end");
        }
    }
}

/// Leaves the answers to the next run.
pub(crate) fn save(store: &MemoryStore, path: &Path) {
    if let Err(error) = store.save(path) {
        tracing::warn!(path = %path.display(), %error, "cache.state_file cannot be written");
    }
}

/// Brings the metrics up to what the cache is now.
pub(crate) fn publish(handle: &Handle<AnyStore>) {
    handle.publish();
    if let Some(store) = handle.store().memory() {
        gauge!("gateway_cache_entries").set(store.len() as f64);
        gauge!("gateway_cache_bytes").set(store.bytes() as f64);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(headers: &[(&str, &str)]) -> Option<Tenant> {
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        tenant(request.body(()).unwrap().headers(), false)
    }

    #[test]
    fn whoever_has_other_credentials_is_another() {
        let all = [
            of(&[("authorization", "a")]),
            of(&[("authorization", "b")]),
            of(&[("authorization", "A")]),
            of(&[("x-api-key", "a")]),
            of(&[("authorization", "a"), ("x-api-key", "a")]),
            of(&[("authorization", "a"), ("authorization", "a")]),
            of(&[("authorization", "aa")]),
            of(&[("authorization", "a"), ("x-api-key", "")]),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(one.is_some() && all.iter().filter(|other| *other == one).count() == 1, "{n}");
        }
        assert_eq!(of(&[("cookie", "a")]), None);
        assert_eq!(of(&[("authorization", &"x".repeat(5000))]), of(&[("authorization", &"x".repeat(5000))]));
    }
}
