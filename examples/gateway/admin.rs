//! What administrators see and change, on an address of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dashpot::{
    cache::{MemoryStore, Removal},
    core::Tenant,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::{app::App, cache, reload::Reload, upstreams::Upstream};

const HELP: &str = "\
GET  /state                      everything, as JSON
POST /reload                     reads the configuration again, and applies it if it is right
POST /upstreams/NAME/limit       {\"limit\": 50}, {\"frozen\": true}, or both; the one without a name is \"default\"
POST /upstreams/NAME/breaker     {\"do\": \"trip\", \"seconds\": 60}, or \"open\", \"close\", \"reset\"
POST /upstreams/NAME/warm        {\"do\": \"warm\"}, or \"cool\", \"follow-policy\"; with \"model\" if there are several
POST /cache/purge                {\"headers\": {\"authorization\": \"Bearer ...\"}}: what is kept for those credentials; with \"key\", as
                                 Cache-Status has it, one answer
";

/// The longest request that is read, in bytes.
const LONGEST: usize = 64 << 10;

#[derive(Clone)]
struct Admin {
    token: Arc<[u8]>,
    app: App,
    reload: Reload,
}

/// Serves as long as the process does.
pub(crate) async fn serve(listener: TcpListener, token: String, app: App, reload: Reload) {
    let admin = Admin { token: digest(token.as_bytes()), app, reload };
    let router = Router::new()
        .route("/", get(async || HELP))
        .route("/state", get(state))
        .route("/reload", post(reload_now))
        .route("/upstreams/{name}/limit", post(limit))
        .route("/upstreams/{name}/breaker", post(breaker))
        .route("/upstreams/{name}/warm", post(warm))
        .route("/cache/purge", post(purge))
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(middleware::from_fn_with_state(admin.clone(), with_token))
        .with_state(admin);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "administrators are not served any more");
    }
}

/// Two of them take as long to compare wherever they differ, and nobody can choose where.
fn digest(token: &[u8]) -> Arc<[u8]> {
    Sha256::digest(token).as_slice().into()
}

async fn with_token(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let shown = shown.and_then(|shown| shown.strip_prefix(b"Bearer ")).map(digest);
    if shown != Some(admin.token) {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, "who asks has to show the token\n").into_response();
    }
    next.run(request).await
}

/// What went wrong, with its status.
type Failed = (StatusCode, String);

fn wrong(why: impl Into<String>) -> Failed {
    (StatusCode::BAD_REQUEST, why.into() + "\n")
}

async fn reload_now(State(admin): State<Admin>) -> Result<&'static str, Failed> {
    admin.reload.now().await.map(|()| "applied\n").map_err(|reason| (StatusCode::CONFLICT, reason + "\n"))
}

async fn state(State(admin): State<Admin>) -> Json<Value> {
    let version = admin.app.version();
    let upstreams: serde_json::Map<_, _> = version
        .upstreams
        .iter()
        .map(|upstream| (upstream.shown_name().to_owned(), upstream_state(upstream)))
        .collect();
    let cache = version.cache().map(|handle| {
        let (stats, memory) = (handle.stats(), handle.store().memory());
        json!({
            "entries": memory.map(MemoryStore::len), "bytes": memory.map(MemoryStore::bytes), "exact": stats.exact, "similar": stats.similar,
            "stale": stats.stale, "misses": stats.misses, "collapsed": stats.collapsed, "bypassed": stats.bypassed,
            "stored": stats.stored, "refused": stats.refused, "unasked": stats.unasked,
            "failures": stats.store_failures + stats.similar_failures + stats.verifier_failures,
        })
    });
    Json(json!({ "upstreams": upstreams, "cache": cache }))
}

fn upstream_state(upstream: &Upstream) -> Value {
    let limit = upstream.around.limit.handle().stats();
    let breaker = upstream.around.breaker.handle().stats();
    let warm = upstream.around.warm.iter().flat_map(|models| models.handles()).map(|(model, handle)| {
        let stats = handle.stats();
        json!({
            "model": model, "state": stats.state.to_string(), "in_flight": stats.in_flight, "waiting": stats.waiting,
            "starts": stats.starts, "failed": stats.failed, "lost": stats.lost, "refused": stats.refused,
        })
    });
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    json!({
        "limit": {
            "limit": limit.limit, "in_flight": limit.in_flight, "waiting": limit.waiting, "admitted": limit.admitted,
            "refused": limit.refused, "frozen": limit.frozen, "queue": limit.queue,
            "baseline_seconds": seconds(limit.baseline),
        },
        "breaker": {
            "state": breaker.state.name(), "control": format!("{:?}", breaker.control), "calls": breaker.calls,
            "failed": breaker.failed, "slow": breaker.slow, "opened": breaker.opened, "refused": breaker.refused,
            "open_for_seconds": seconds(breaker.open_for),
        },
        "warm": warm.collect::<Vec<_>>(),
    })
}

fn upstream(admin: &Admin, name: &str) -> Result<Upstream, Failed> {
    let version = admin.app.version();
    let upstream = version.upstreams.iter().find(|upstream| upstream.shown_name() == name);
    upstream.cloned().ok_or_else(|| (StatusCode::NOT_FOUND, format!("there is no upstream {name:?}\n")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetLimit {
    limit: Option<u32>,
    frozen: Option<bool>,
}

async fn limit(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Json(set): Json<SetLimit>,
) -> Result<Json<Value>, Failed> {
    let upstream = upstream(&admin, &name)?;
    let handle = upstream.around.limit.handle();
    if set.limit.is_none() && set.frozen.is_none() {
        return Err(wrong("limit or frozen is missing"));
    }
    if let Some(limit) = set.limit {
        handle.set_limit(limit);
    }
    match set.frozen {
        Some(true) => handle.freeze(),
        Some(false) => handle.resume(),
        None => {}
    }
    tracing::info!(
        upstream = name,
        limit = set.limit,
        frozen = set.frozen,
        "an administrator has set the limit"
    );
    Ok(Json(upstream_state(&upstream)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    #[serde(rename = "do")]
    what: String,
    seconds: Option<u64>,
    model: Option<String>,
}

async fn breaker(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Json(act): Json<Act>,
) -> Result<Json<Value>, Failed> {
    let upstream = upstream(&admin, &name)?;
    let handle = upstream.around.breaker.handle();
    match (&*act.what, act.seconds) {
        ("trip", Some(seconds)) if seconds > 0 => {
            let until =
                now().checked_add(Duration::from_secs(seconds)).ok_or_else(|| wrong("seconds: too many"))?;
            handle.trip("an administrator", until);
        }
        ("trip", _) => return Err(wrong("seconds: for how long is missing")),
        ("open", None) => handle.force_open(),
        ("close", None) => handle.force_closed(),
        ("reset", None) => handle.reset(),
        _ => return Err(wrong("do: must be trip with seconds, open, close or reset")),
    }
    tracing::info!(upstream = name, what = act.what, "an administrator has taken the breaker");
    Ok(Json(upstream_state(&upstream)))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn warm(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Json(act): Json<Act>,
) -> Result<Json<Value>, Failed> {
    let upstream = upstream(&admin, &name)?;
    let models = upstream.around.warm.as_ref().ok_or_else(|| wrong("it is always there"))?;
    let mut handles =
        models.handles().filter(|(model, _)| act.model.is_none() || *model == act.model.as_deref());
    let (Some((_, handle)), None) = (handles.next(), handles.next()) else {
        return Err(wrong("model: must name one of its models"));
    };
    match &*act.what {
        "warm" => handle.warm(),
        "cool" => handle.cool(),
        "follow-policy" => handle.follow_policy(),
        _ => return Err(wrong("do: must be warm, cool or follow-policy")),
    }
    tracing::info!(upstream = name, what = act.what, "an administrator has asked for it");
    Ok(Json(upstream_state(&upstream)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    headers: std::collections::BTreeMap<String, String>,
    key: Option<String>,
}

async fn purge(State(admin): State<Admin>, Json(purge): Json<Purge>) -> Result<&'static str, Failed> {
    let version = admin.app.version();
    let handle = version.cache().ok_or_else(|| wrong("there is no cache"))?;
    let tenant = tenant(&purge.headers, version.config.cache.share_without_credential)?;
    let what = match &purge.key {
        Some(key) => Removal::Entry(tenant, key.parse().map_err(|_| wrong("key: is none"))?),
        None => Removal::Tenant(tenant),
    };
    let removed = handle.remove(what).await;
    removed.map(|()| "removed\n").map_err(|error| (StatusCode::BAD_GATEWAY, format!("{error}\n")))
}

fn tenant(headers: &std::collections::BTreeMap<String, String>, shares: bool) -> Result<Tenant, Failed> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| wrong("headers: one has no name"))?;
        map.append(name, value.parse().map_err(|_| wrong("headers: one has no value"))?);
    }
    cache::tenant(&map, shares).ok_or_else(|| wrong("headers: show no credential"))
}
