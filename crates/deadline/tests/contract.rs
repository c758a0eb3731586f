//! What every layer must do right, and that an upstream is let go when it is late.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    convert::Infallible,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use dashpot_core::Deadline;
use dashpot_deadline::{DeadlineLayer, PassOnLayer};
use dashpot_testkit::{body::Scripted, conformance::Conformance};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn it_keeps_the_contract_of_services() {
    let layer = DeadlineLayer::new().total(100 * SECOND).first_content(50 * SECOND).gap(50 * SECOND);
    Conformance::new(|inner| layer.layer(inner)).check().await;
}

#[tokio::test]
async fn so_does_what_passes_it_on() {
    let layer = PassOnLayer::new();
    Conformance::new(|inner| layer.layer(inner)).check().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_upstream_is_let_go_before_anything_is_said() {
    let held = Arc::new(());
    let weak: Weak<()> = Arc::downgrade(&held);
    let upstream = service_fn(move |_: Request<Empty<Bytes>>| {
        let held = held.clone();
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok::<_, Infallible>(Response::new(Scripted::new()))
        }
    });
    let late = DeadlineLayer::new().total(SECOND).layer(upstream).oneshot(Request::default());
    let mut late = std::pin::pin!(late);
    let answer = (&mut late).await.unwrap();
    // The service is still there, and held only by itself.
    assert_eq!(weak.strong_count(), 0, "the future and the service are gone, though the answer is not");
    drop(answer);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_passed_on() {
    let (tell, told) = std::sync::mpsc::channel();
    let upstream = service_fn(move |request: Request<Empty<Bytes>>| {
        tell.send(request.headers().clone()).unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(Scripted::new())))
    });
    let name = HeaderName::from_static("x-timeout");
    let layer = PassOnLayer::new().header(name.clone());
    let ask = async |grpc: bool, deadline: bool| {
        let mut request = Request::new(Empty::<Bytes>::new());
        if grpc {
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        }
        if deadline {
            request.extensions_mut().insert(Deadline::after(Instant::now().into_std(), 5 * SECOND).unwrap());
        }
        sleep(2 * SECOND).await;
        let answer = layer.layer(upstream.clone()).oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
        let headers = told.recv().unwrap();
        (headers.get(&name).cloned(), headers.get("grpc-timeout").cloned())
    };
    assert_eq!(ask(false, true).await, (Some(HeaderValue::from_static("3.000")), None));
    let (plain, grpc) = ask(true, true).await;
    assert_eq!(plain, None);
    assert_eq!(grpc, Some(HeaderValue::from_static("3000000u")));
    assert_eq!(ask(false, false).await, (None, None));
}
