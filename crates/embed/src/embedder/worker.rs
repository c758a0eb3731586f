use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    EmbedderError,
    queue::{Answer, Job, Queue},
};
use crate::Model;

/// How many texts are embedded together: the first has its answer with the last, and beyond about eight a text becomes no
/// cheaper (the bench `embed`).
const TOGETHER: usize = 8;

/// Embeds what waits until the queue is closed.
pub(super) fn run(model: &impl Model, queue: &Queue) {
    while let Some(jobs) = queue.take(TOGETHER) {
        embed(model, jobs);
    }
}

fn embed(model: &impl Model, mut jobs: Vec<Job>) {
    let texts: Vec<_> = jobs.iter().flat_map(|job| job.texts.iter().cloned()).collect();
    match caught(model, &texts) {
        Ok(embeddings) => {
            let mut embeddings = embeddings.into_iter();
            for Job { texts, reply } in jobs {
                // An error is a caller that has left.
                _ = reply.send(Ok(embeddings.by_ref().take(texts.len()).collect()));
            }
        }
        Err(error) => {
            // One job's text must not fail the others'.
            if jobs.len() > 1 {
                return jobs.into_iter().for_each(|job| embed(model, vec![job]));
            }
            if let Some(Job { reply, .. }) = jobs.pop() {
                tracing::error!(model = model.id(), "{error}");
                _ = reply.send(Err(error));
            }
        }
    }
}

fn caught(model: &impl Model, texts: &[Arc<str>]) -> Answer {
    let embed = || {
        let embeddings = model.embed(texts);
        assert_eq!(embeddings.len(), texts.len(), "an embedding for each text");
        embeddings
    };
    // The model is only read. One that changes within is broken by its own panic, and says so by the next.
    catch_unwind(AssertUnwindSafe(embed)).map_err(|_| EmbedderError::Panicked)
}
