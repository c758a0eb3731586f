//! The page, and what it is fed with. All of it is in the program: nothing is fetched from elsewhere.

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use dashpot::sse::{HeartbeatLayer, SsePassthroughLayer};
use http::{StatusCode, header};

use crate::live::{self, Live};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Whatever a model or a configuration says, nothing of it runs, and nothing goes anywhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const FILES: [(&str, &str, &str); 7] = [
    ("style.css", CSS, include_str!("page/style.css")),
    ("main.js", SCRIPT, include_str!("page/main.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("ask.js", SCRIPT, include_str!("page/ask.js")),
    ("faults.js", SCRIPT, include_str!("page/faults.js")),
    ("live.js", SCRIPT, include_str!("page/live.js")),
    ("chart.js", SCRIPT, include_str!("page/chart.js")),
];

/// The snapshots pass the layers that the answers of models do.
pub(crate) fn routes(live: &Live, heartbeat: &HeartbeatLayer) -> Router {
    let snapshots = Router::new()
        .route("/live", get(live::live).with_state(live.clone()))
        .layer(SsePassthroughLayer::new())
        .layer(heartbeat.clone());
    Router::new()
        .route("/", get(async || file(HTML, include_str!("page/index.html"))))
        .route("/page/{name}", get(part))
        .merge(snapshots)
}

async fn part(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, text)) => file(kind, text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The next gateway may have another one.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
