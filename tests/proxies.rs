//! nginx and HAProxy in front of the gateway: what its headers do there, and what passes them both ways.
//!
//! The upstream's stream is in the test's hand. It says one event and is silent until the test goes on, so an event that
//! a proxy holds back is not late but missing.
#![allow(clippy::print_stdout, reason = "the times are worth reading")]

#[path = "proxies/curl.rs"]
mod curl;
#[path = "proxies/proxy.rs"]
mod proxy;
mod support;

use std::{path::Path, time::Duration};

use curl::Curl;
use proxy::{Kind, Proxy};
use support::{Gateway, scripted::Scripted};

const EVENT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const LAST: &str = "data: [DONE]\n\n";
const BEAT: &str = ": keep-alive\n\n";

/// How soon after it was sent the first event must be at the client.
const AT_ONCE: Duration = Duration::from_millis(50);

const HEARTBEAT: Duration = Duration::from_millis(200);

/// How soon a client that leaves must be felt.
const FELT: Duration = Duration::from_millis(100);

/// What passes is there in a hundredth of this; what is held back never comes.
const LONG: Duration = Duration::from_secs(2);

const STREAMS: usize = 10;

/// A way to set up a proxy, and what it does by itself.
struct Setup {
    kind: Kind,
    name: &'static str,
    /// Holds events back, or the end of each, when nothing in the head says not to.
    holds: bool,
    /// Ends the exchange as soon as the client has left, and not when it has something to write to it.
    aborts: bool,
}

const SETUPS: [Setup; 6] = [
    Setup { kind: Kind::Nginx, name: "plain", holds: true, aborts: true },
    Setup { kind: Kind::Nginx, name: "http11", holds: false, aborts: true },
    Setup { kind: Kind::Nginx, name: "gzip", holds: true, aborts: true },
    Setup { kind: Kind::HaProxy, name: "plain", holds: false, aborts: false },
    Setup { kind: Kind::HaProxy, name: "abort", holds: false, aborts: true },
    Setup { kind: Kind::HaProxy, name: "gzip", holds: true, aborts: true },
];

fn setups(kind: Kind) -> impl Iterator<Item = Setup> {
    SETUPS.into_iter().filter(move |setup| setup.kind == kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_event_passes_proxies_at_once_for_what_its_head_says() {
    println!(
        "{:8} {:6} {:24} its headers: median, worst of {STREAMS} streams",
        "proxy", "set-up", "bare head"
    );
    let mut upstream = Scripted::start().await;
    let bare = Gateway::with(upstream.url(), &[("DASHPOT_GATEWAY_SSE__HARDEN_HEADERS", "false")]);
    let hardened = Gateway::start(upstream.url());
    for kind in [Kind::Nginx, Kind::HaProxy] {
        let control = Proxy::start(kind, bare.url());
        let proxy = Proxy::start(kind, hardened.url());
        for Setup { name: setup, holds, .. } in setups(kind) {
            let passed = first_event(&mut upstream, &control.socket(setup)).await;
            assert_eq!(passed.is_none(), holds, "{kind:?}, {setup}, without the headers: {passed:?}");
            let without = passed.map_or("held back".into(), |after| format!("{after:.1?}"));

            let mut times = Vec::new();
            for _ in 0..STREAMS {
                let after = first_event(&mut upstream, &proxy.socket(setup)).await;
                times.push(after.unwrap_or_else(|| panic!("{kind:?}, {setup}: held back")));
            }
            times.sort();
            let (median, worst) = (times[STREAMS / 2], times[STREAMS - 1]);
            println!("{:8} {setup:6} {without:24} {median:.1?}, {worst:.1?}", format!("{kind:?}"));
            assert!(median < AT_ONCE, "{kind:?}, {setup}: {times:?}");
        }
    }
}

/// How long the first event is on its way, while nothing comes after it; `None` if it is held back.
async fn first_event(upstream: &mut Scripted, socket: &Path) -> Option<Duration> {
    let mut client = Curl::ask(socket);
    let stream = upstream.stream().await;
    let sent = stream.say(EVENT);
    let seen = client.sees(EVENT, LONG).await;
    // Then it goes on, and what was held back must come after all.
    stream.say(LAST);
    drop(stream);
    client.sees(LAST, LONG).await.expect("the stream arrives whole in the end");
    Some(seen?.saturating_duration_since(sent))
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_pass_proxies_and_so_does_the_end_of_a_client() {
    let mut upstream = Scripted::start().await;
    let ms = HEARTBEAT.as_millis().to_string();
    let gateway = Gateway::with(upstream.url(), &[("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", &ms)]);
    for kind in [Kind::Nginx, Kind::HaProxy] {
        let proxy = Proxy::start(kind, gateway.url());
        for Setup { name: setup, aborts, .. } in setups(kind) {
            let mut client = Curl::ask(&proxy.socket(setup));
            let stream = upstream.stream().await;
            stream.say(EVENT);
            client.sees(EVENT, LONG).await.expect("the event passes");
            client.sees(BEAT, LONG).await.unwrap_or_else(|| panic!("{kind:?}, {setup}: no heartbeat"));
            let left = client.kill();
            let after = stream.left().await.saturating_duration_since(left);
            println!("{kind:?}, {setup}: the upstream felt that the client left after {after:.1?}");
            // One that does not abort finds out when it cannot write the next heartbeat, or the one after it.
            let felt = if aborts { FELT } else { FELT + 2 * HEARTBEAT };
            assert!(after < felt, "{kind:?}, {setup}: {after:?}");
        }
    }
}
