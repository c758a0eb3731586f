//! A store of another kind: one that is asked over a network, and answers later.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
};

use dashpot_sse::resume::{
    Found, Memory, MemoryFollower, MemoryRecorder, MemoryStore, ResumeLayer, Store, StreamKey,
};
use dashpot_testkit::body::Scripted;
use http::Request;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{SECOND, event, events, get, numbered, rest, script};

#[derive(Clone)]
struct Remote(MemoryStore);

impl Store for Remote {
    type Recorder = MemoryRecorder;
    type Follower = MemoryFollower;
    type Find = Pin<Box<dyn Future<Output = Found<MemoryFollower>> + Send + Sync>>;

    fn record(&self, key: StreamKey) -> Option<MemoryRecorder> {
        self.0.record(key)
    }

    fn find(&self, key: StreamKey, after: u64) -> Self::Find {
        let store = self.0.clone();
        Box::pin(async move {
            sleep(SECOND).await;
            store.find(key, after).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_waits_for_a_store_that_takes_its_time() {
    let store = Remote(MemoryStore::try_new(Memory::default()).unwrap());
    let layer = ResumeLayer::with_store(store, 1000);
    let body = Arc::new(Mutex::new(Some(script(numbered(1..=2)).wait(5 * SECOND).data("data: 3\n\n"))));
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let body: Scripted = body.lock().unwrap().take().expect("it is asked once");
        async { Ok::<_, Infallible>(events(body)) }
    }));
    let mut cut = service.clone().oneshot(get(&[])).await.unwrap().into_body();
    let (id, _) = event(&mut cut).await;
    drop(cut);

    let back = || service.clone().oneshot(get(&[("last-event-id", &id)]));
    assert!(timeout(SECOND / 2, back()).await.is_err(), "and may leave meanwhile");
    let start = Instant::now();
    let answer = back().await.unwrap();
    assert_eq!(Instant::now() - start, SECOND);
    assert_eq!(rest(answer.into_body()).await, "data: 2\n\ndata: 3\n\n");
    assert_eq!((layer.handle().stats().resumed, layer.handle().stats().abandoned), (1, 0));
}
