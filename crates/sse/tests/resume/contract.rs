//! What every layer must do right.

use bytes::Bytes;
use dashpot_sse::resume::{
    Memory, MemoryFollower, MemoryRecorder, MemoryStore, Resume, ResumeBody, ResumeFuture, ResumeHandle,
    ResumeLayer, Store, StreamKey,
};
use dashpot_testkit::{body::Scripted, conformance::Conformance};
use http_body_util::Full;
use tower::Layer;

/// Where nothing is kept: streams that are change their bytes, and outlive their clients, by design.
#[tokio::test(start_paused = true)]
async fn a_layer_without_room_passes_the_conformance_checks() {
    let stream_bytes = 1 << 10;
    let max_bytes = stream_bytes + Memory::PER_STREAM;
    let bounds = Memory { stream_bytes, max_bytes, ..Memory::default() };
    let store = MemoryStore::try_new(bounds).unwrap();
    let _all = store.record(StreamKey { stream: 0, owner: Box::default() }).unwrap();
    let layer = ResumeLayer::new(store);
    let handle = layer.handle();
    Conformance::new(|inner| layer.layer(inner)).in_flight(move || handle.stats().active).check().await;
    assert!(layer.handle().stats().no_room > 0);
}

#[test]
fn auto_traits_are_those_of_what_is_inside() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<MemoryStore>();
    check::<MemoryRecorder>();
    check::<MemoryFollower>();
    check::<ResumeLayer>();
    check::<ResumeHandle>();
    check::<Resume<()>>();
    check::<ResumeFuture<std::future::Ready<()>, MemoryStore>>();
    check::<ResumeBody<Full<Bytes>, MemoryStore>>();
    check::<ResumeBody<Scripted, MemoryStore>>();
}
