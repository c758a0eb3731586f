//! Streams that a client who was cut off can read on.

use dashpot::sse::resume::{InvalidMemory, MemoryStore, ResumeHandle, ResumeLayer};
use metrics::{counter, gauge};

use crate::config;

/// The layer, its store, and what became of the streams.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    pub(crate) layer: ResumeLayer,
    store: MemoryStore,
    handle: ResumeHandle,
}

/// `None` if it is off.
pub(crate) fn new(config: &config::Sse) -> Result<Option<Resume>, InvalidMemory> {
    let Some(bounds) = config.resume() else { return Ok(None) };
    let store = MemoryStore::try_new(bounds)?;
    let layer = ResumeLayer::new(store.clone());
    Ok(Some(Resume { handle: layer.handle(), layer, store }))
}

/// Brings the metrics up to what is kept now.
pub(crate) fn publish(resume: &Resume) {
    let stats = resume.handle.stats();
    gauge!("gateway_resume_streams_active").set(stats.active as f64);
    gauge!("gateway_resume_streams_kept").set(resume.store.streams() as f64);
    gauge!("gateway_resume_bytes").set(resume.store.bytes() as f64);
    for (what, count) in [
        ("recorded", stats.recorded),
        ("ended", stats.ended),
        ("abandoned", stats.abandoned),
        ("failed", stats.failed),
        ("no_room", stats.no_room),
        ("own_ids", stats.own_ids),
        ("too_long", stats.too_long),
    ] {
        counter!("gateway_resume_streams_total", "what" => what).absolute(count);
    }
    for (answer, count) in [("resumed", stats.resumed), ("over", stats.over), ("refused", stats.refused)] {
        counter!("gateway_resume_requests_total", "answer" => answer).absolute(count);
    }
}
