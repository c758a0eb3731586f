use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
    thread,
};

use dashpot_core::Embedding;
use tokio::sync::oneshot;
use tower_service::Service;

pub use error::EmbedderError;
pub use future::EmbedderFuture;
use queue::{Job, Queue};

use crate::Model;

mod error;
mod future;
mod queue;
mod worker;

/// Embeds texts on threads of its own, so that none of an async runtime waits for it.
///
/// What waits is bounded, and what does not find room is refused at once. A thread that becomes free takes several calls
/// together. Clones share the threads, which end when the last clone is dropped and what waited is done.
///
/// # Cancel safety
///
/// A call whose future is dropped before a thread has taken it is never begun.
pub struct Embedder {
    handle: Arc<Handle>,
}

/// Closes the queue with the last clone.
struct Handle {
    queue: Arc<Queue>,
    id: Arc<str>,
}

impl Embedder {
    /// One thread for this model, and room for 32 texts that wait.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub fn spawn(model: impl Model) -> io::Result<Self> {
        Self::builder().spawn(model)
    }

    /// Other numbers than those.
    pub fn builder() -> EmbedderBuilder {
        EmbedderBuilder { threads: 1, waiting: 32 }
    }

    /// The [`id`](Model::id) of its model.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.handle.id
    }

    /// How many texts wait for a thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.handle.queue.waiting()
    }
}

/// How many threads an [`Embedder`] has, and how much may wait for them.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct EmbedderBuilder {
    threads: usize,
    waiting: usize,
}

impl EmbedderBuilder {
    /// So many threads; by default one. Each adds as much throughput as it has of a core for itself.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn threads(self, threads: usize) -> Self {
        assert!(threads > 0, "without a thread nothing is ever embedded");
        Self { threads, ..self }
    }

    /// Room for so many texts that wait for a thread; by default 32, some 80 ms of short questions. A call with more
    /// texts than that is always refused.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn waiting(self, texts: usize) -> Self {
        assert!(texts > 0, "every text waits for a moment");
        Self { waiting: texts, ..self }
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// If one cannot be started.
    pub fn spawn(self, model: impl Model) -> io::Result<Embedder> {
        let model = Arc::new(model);
        let queue = Arc::new(Queue::new(self.waiting));
        // Made first: if a later thread does not start, its drop ends those that did.
        let embedder = Embedder { handle: Arc::new(Handle { queue: queue.clone(), id: model.id().into() }) };
        for index in 0..self.threads {
            let (model, queue) = (model.clone(), queue.clone());
            let thread = thread::Builder::new().name(format!("embedder-{index}"));
            thread.spawn(move || worker::run(&*model, &queue))?;
        }
        Ok(embedder)
    }
}

impl Service<Vec<Arc<str>>> for Embedder {
    type Response = Vec<Option<Embedding>>;
    type Error = EmbedderError;
    type Future = EmbedderFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EmbedderError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, texts: Vec<Arc<str>>) -> EmbedderFuture {
        let (reply, answer) = oneshot::channel();
        match self.handle.queue.push(Job { texts, reply }) {
            Ok(()) => EmbedderFuture::waiting(answer),
            Err(error) => {
                tracing::debug!("{error}");
                EmbedderFuture::refused(error)
            }
        }
    }
}

impl Clone for Embedder {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone() }
    }
}

impl fmt::Debug for Embedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedder").field("id", &self.id()).field("waiting", &self.waiting()).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}
