//! `/health`, and `/_control/`: what a test asks of the server and not of the model.

use bytes::Bytes;
use http::{Method, Response, request};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Exchange, Fault, FaultRule, Shared,
    body::ReplyBody,
    http::{read, respond},
    script::Script,
};

pub(super) async fn handle(shared: &Shared, head: &request::Parts, body: Incoming) -> Response<ReplyBody> {
    let (status, answer) = match (&head.method, head.uri.path()) {
        (&Method::GET, "/health") => (200, json!({"status": "ok", "loaded": shared.gate.is_loaded()})),
        (&Method::GET, "/_control/stats") => (200, stats(shared)),
        (&Method::GET, "/_control/log") => {
            let log = shared.log.snapshot();
            (
                200,
                json!({"exchanges": log.iter().map(|one| exchange(one, shared.started)).collect::<Vec<_>>()}),
            )
        }
        (&Method::GET, "/_control/faults") => (200, rules(&shared.faults())),
        (&Method::POST, "/_control/faults") => match set_faults(shared, read(body, 1 << 20).await) {
            Ok(()) => (200, rules(&shared.faults())),
            Err(what) => (400, json!({"error": {"message": what}})),
        },
        (_, "/health" | "/_control/stats" | "/_control/log" | "/_control/faults") => {
            (405, json!({"error": {"message": "not with this method"}}))
        }
        _ => (404, json!({"error": {"message": "no such path"}})),
    };
    respond(status, Script::json(&answer), ReplyBody::plain)
}

fn set_faults(shared: &Shared, body: Result<Option<Bytes>, hyper::Error>) -> Result<(), String> {
    let body = body.map_err(|e| e.to_string())?.ok_or("the body is too long")?;
    let list: Vec<Value> =
        serde_json::from_slice(&body).map_err(|e| format!("a JSON array is wanted: {e}"))?;
    let rules: Result<Vec<FaultRule>, String> = list.iter().map(rule).collect();
    shared.set_faults(rules?);
    Ok(())
}

/// `"name;options"`, or an object with `fault` and perhaps `rate` and `times`.
fn rule(value: &Value) -> Result<FaultRule, String> {
    let name = value.as_str().or(value["fault"].as_str()).ok_or("fault: a string is required")?;
    let fault: Fault = name.parse().map_err(|bad| format!("fault: {bad}"))?;
    let rate = match &value["rate"] {
        Value::Null => 1.0,
        rate => rate.as_f64().filter(|rate| (0.0..=1.0).contains(rate)).ok_or("rate: from 0 to 1")?,
    };
    let times = match &value["times"] {
        Value::Null => None,
        times => Some(times.as_u64().ok_or("times: a whole number")?),
    };
    Ok(FaultRule { fault, rate, times })
}

fn rules(rules: &[FaultRule]) -> Value {
    let rule =
        |rule: &FaultRule| json!({"fault": rule.fault.to_string(), "rate": rule.rate, "times": rule.times});
    rules.iter().map(rule).collect()
}

fn stats(shared: &Shared) -> Value {
    let stats = shared.stats();
    json!({
        "connections": stats.connections, "queued": stats.queued, "in_flight": stats.in_flight, "peak": stats.peak,
        "loads": stats.loads, "received": stats.received, "served": stats.served, "aborted": stats.aborted,
        "faulted": stats.faulted,
    })
}

/// Times in milliseconds since the server started. Without the request's headers, which hold keys.
fn exchange(exchange: &Exchange, started: Instant) -> Value {
    let ms = |at: Instant| at.saturating_duration_since(started).as_secs_f64() * 1000.0;
    json!({
        "number": exchange.number, "method": exchange.method.as_str(), "path": exchange.path,
        "dialect": exchange.dialect, "stream": exchange.stream, "fault": exchange.fault, "status": exchange.status,
        "events": exchange.events, "bytes": exchange.bytes, "start_ms": ms(exchange.start),
        "admitted_ms": exchange.admitted.map(ms), "head_ms": exchange.head.map(ms),
        "end": exchange.end.map(|(end, _)| end.name()), "end_ms": exchange.end.map(|(_, at)| ms(at)),
    })
}
