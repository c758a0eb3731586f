use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use dashpot_core::Embedding;
use tokio::sync::oneshot;

use super::EmbedderError;

pub(super) type Answer = Result<Vec<Option<Embedding>>, EmbedderError>;

/// The texts of one call, and where the answer goes.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) texts: Vec<Arc<str>>,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// The calls that wait for a thread, in turn.
#[derive(Debug)]
pub(super) struct Queue {
    /// How many texts may wait.
    room: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Of all jobs.
    texts: usize,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(room: usize) -> Self {
        Self { room, waiting: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().texts
    }

    /// Puts a job at the end, if there is room for its texts.
    pub(super) fn push(&self, job: Job) -> Result<(), EmbedderError> {
        let mut waiting = self.lock();
        if waiting.texts + job.texts.len() > self.room {
            waiting.forget_abandoned();
        }
        if waiting.texts + job.texts.len() > self.room {
            return Err(EmbedderError::Full);
        }
        waiting.texts += job.texts.len();
        waiting.jobs.push_back(job);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// The jobs that waited longest, as many as have about so many texts together but at least one; waits for it. `None`
    /// once the queue is closed and empty.
    pub(super) fn take(&self, texts: usize) -> Option<Vec<Job>> {
        let mut waiting = self.lock();
        loop {
            waiting.forget_abandoned();
            let taken = waiting.take(texts);
            if !taken.is_empty() {
                return Some(taken);
            }
            if waiting.is_closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the threads go once all jobs are done.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Drops the jobs whose callers are gone.
    fn forget_abandoned(&mut self) {
        self.jobs.retain(|job| !job.reply.is_closed());
        self.texts = self.jobs.iter().map(|job| job.texts.len()).sum();
    }

    fn take(&mut self, texts: usize) -> Vec<Job> {
        let (mut taken, mut of_taken) = (Vec::new(), 0);
        while let Some(job) = self.jobs.front()
            && (taken.is_empty() || of_taken + job.texts.len() <= texts)
        {
            of_taken += job.texts.len();
            taken.extend(self.jobs.pop_front());
        }
        self.texts -= of_taken;
        taken
    }
}
