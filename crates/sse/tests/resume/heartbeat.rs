//! With heartbeats around them.

use dashpot_sse::HeartbeatLayer;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{SECOND, Upstream, events, get, numbered, script};

/// OpenAI's Python library takes any blank line for an event once it has seen an id.
#[tokio::test(start_paused = true)]
async fn beside_ids_a_heartbeat_has_no_blank_line_and_is_not_kept() {
    let upstream = Upstream::new([script(numbered(1..=1)).wait(40 * SECOND).data("data: 2\n\n")]);
    let beating = HeartbeatLayer::new(15 * SECOND);
    let handle = beating.handle();
    let inner = service_fn(async |request| Ok::<_, std::convert::Infallible>(upstream.send(request).await));
    let service = beating.layer(inner);

    let first = service.oneshot(get(&[])).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let text = str::from_utf8(&first).unwrap();
    let parts: Vec<_> = text.split(": keep-alive\n").collect();
    let [one, "", two] = parts[..] else { panic!("{text}") };
    assert!(one.starts_with("id: dp-") && one.ends_with(":1\ndata: 1\n\n"), "{text}");
    assert!(two.starts_with("id: dp-") && two.ends_with(":2\ndata: 2\n\n"), "{text}");
    assert_eq!(handle.sent(), 2);

    let id = one.strip_prefix("id: ").unwrap().lines().next().unwrap();
    let back = upstream.back(id).await.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(back, two);
}

#[tokio::test(start_paused = true)]
async fn elsewhere_it_has_one() {
    let inner = service_fn(async |_: http::Request<()>| {
        let body = script(numbered(1..=1)).wait(20 * SECOND).data("data: 2\n\n");
        Ok::<_, std::convert::Infallible>(events(body))
    });
    let service = HeartbeatLayer::new(15 * SECOND).layer(inner);
    let all = service.oneshot(get(&[])).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(all, "data: 1\n\n: keep-alive\n\ndata: 2\n\n");
}
