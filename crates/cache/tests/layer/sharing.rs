//! Who shares a call, and what of its answer is told to one only.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use dashpot_cache::{Cache, MemoryStore, RequestBody};
use dashpot_core::Rejection;
use dashpot_testkit::body::Scripted;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Asking, SECOND, chat, completion, layer, text, whole, with};

type Asked = Request<RequestBody<Full<Bytes>>>;

/// A cache in front of a model that answers each request after a second by what its head says.
fn cache(
    answer: impl Fn(&Asked) -> Response<Scripted> + Clone + Send + Sync + 'static,
) -> Cache<
    impl Service<Asked, Response = Response<Scripted>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    MemoryStore,
> {
    layer().layer(service_fn(move |request: Asked| {
        let answer = answer(&request);
        async move {
            sleep(SECOND).await;
            Ok(answer)
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn a_call_is_shared_only_by_who_sends_the_same_credentials_and_reads_the_same_codings() {
    for name in ["accept-encoding", "api-key", "authorization", "cookie", "x-api-key", "x-goog-api-key"] {
        let cache = cache(move |request| {
            let said = request.headers().get(name).map_or("none", |value| value.to_str().unwrap());
            whole(&completion(said))
        });
        let asking = ["one", "other", "one"].map(|value| with(chat("Why?", false), name, value));
        let asking = asking.into_iter().chain([chat("Why?", false)]);
        let answers =
            join_all(asking.map(async |request| text(cache.clone().oneshot(request).await.unwrap()).await));
        for (heard, said) in answers.await.iter().zip(["one", "other", "one", "none"]) {
            assert!(heard.contains(&format!("\"{said}\"")), "{name}: {said} has heard {heard}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_is_told_to_who_began_the_call_only() {
    let cache = cache(|_| {
        let mut answer = whole(&completion("Hi"));
        answer.headers_mut().insert("set-cookie", "session=1".parse().unwrap());
        answer.headers_mut().insert("x-request-id", "1".parse().unwrap());
        answer
    });
    let answers = join_all((0..3).map(|_| cache.clone().oneshot(chat("Why?", false)))).await;
    let told: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().unwrap().headers().contains_key("set-cookie")).collect();
    assert_eq!(told, [true, false, false]);
}

/// A layer further in turns down a call for its deadline, or its place: that says nothing of others who ask the same.
#[tokio::test(start_paused = true)]
async fn what_a_layer_refuses_to_one_is_not_refused_to_the_others() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let cache = cache(move |request| {
        counted.fetch_add(1, Relaxed);
        let mut answer = whole(&completion("Hi"));
        if request.extensions().get::<Hurry>().is_some() {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer.extensions_mut().insert(Rejection::new("queue", "the deadline is too near"));
        }
        answer
    });
    let hurried = |mut request: Asking| {
        request.extensions_mut().insert(Hurry);
        request
    };
    let asking = [hurried(chat("Why?", false)), chat("Why?", false), hurried(chat("Why?", false))];
    let answers = join_all(asking.map(|request| cache.clone().oneshot(request))).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap().status().as_u16()).collect();
    assert_eq!((statuses, calls.load(Relaxed)), (vec![503, 200, 503], 3));
}

#[derive(Clone, Debug)]
struct Hurry;

/// The end of the call before it, which nobody new had come to since, is no end of the new one.
#[tokio::test(start_paused = true)]
async fn a_new_call_that_was_wished_for_is_the_one_that_others_join() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let cache = cache(move |_| whole(&completion(&counted.fetch_add(1, Relaxed).to_string())));
    let ask = |cache_control: &'static str| {
        let asking = cache.clone().oneshot(with(chat("Why?", false), "cache-control", cache_control));
        tokio::spawn(async move { text(asking.await.unwrap()).await })
    };
    let first = ask("max-age=9");
    sleep(SECOND / 4).await;
    let new = ask("no-cache");
    sleep(SECOND / 4).await;
    first.abort();
    sleep(SECOND / 4).await;
    let joined = ask("max-age=9");
    for heard in [new, joined] {
        assert!(heard.await.unwrap().contains("\"1\""));
    }
    assert_eq!(calls.load(Relaxed), 2);
}
