use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::{HeaderMap, Method};
use tokio::{sync::Notify, time::Instant};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was sent that was to be sent.
    Complete,
    /// The client left, or the server was shut down.
    Aborted,
    /// A fault ended it: an error answer, an error event, a truncation or a reset.
    Fault,
}

impl End {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Aborted => "aborted",
            Self::Fault => "fault",
        }
    }
}

/// One exchange as the server saw it, up to the moment it was asked.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Counts from 0 in the order of arrival.
    pub number: u64,
    /// The request's method.
    pub method: Method,
    /// The request's path.
    pub path: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// Which API was spoken: `openai-chat`, `openai-responses`, `openai-completions`, `openai-embeddings`,
    /// `anthropic-messages`; `None` for anything else.
    pub dialect: Option<&'static str>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The fault that was chosen for it, by name; whether it came to pass, [`end`](Self::end) says.
    pub fault: Option<&'static str>,
    /// When the head of the request was read.
    pub start: Instant,
    /// When it was given a slot, and the model was loaded.
    pub admitted: Option<Instant>,
    /// When the head of the answer was sent.
    pub head: Option<Instant>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Events sent; an answer that is not a stream counts as one.
    pub events: u64,
    /// Bytes of the body sent.
    pub bytes: u64,
    /// How it ended, and when; `None` while it goes on.
    pub end: Option<(End, Instant)>,
}

impl Exchange {
    /// Whether it ended this way.
    #[must_use]
    pub fn ended(&self, how: End) -> bool {
        self.end.is_some_and(|(end, _)| end == how)
    }
}

/// The newest exchanges, and counts of all.
#[derive(Debug)]
pub(super) struct Log {
    ring: Mutex<VecDeque<Arc<Record>>>,
    capacity: usize,
    pub(super) changed: Notify,
    received: AtomicU64,
    ended: [AtomicU64; 3],
}

impl Log {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            ring: Mutex::default(),
            capacity,
            changed: Notify::new(),
            received: AtomicU64::new(0),
            ended: Default::default(),
        }
    }

    pub(super) fn snapshot(&self) -> Vec<Exchange> {
        let records: Vec<_> = lock(&self.ring).iter().cloned().collect();
        records.iter().map(|record| record.snapshot()).collect()
    }

    /// Received, and ended in each way of [`End`].
    pub(super) fn counts(&self) -> [u64; 4] {
        let [complete, aborted, fault] = &self.ended;
        [&self.received, complete, aborted, fault].map(|count| count.load(Relaxed))
    }

    /// Begins an exchange; it ends with the [`Entry`].
    pub(super) fn begin(self: &Arc<Self>, method: Method, path: String, headers: HeaderMap) -> Entry {
        let number = self.received.fetch_add(1, Relaxed);
        let progress = Exchange {
            number,
            method,
            path,
            headers,
            dialect: None,
            stream: false,
            fault: None,
            start: Instant::now(),
            admitted: None,
            head: None,
            status: None,
            events: 0,
            bytes: 0,
            end: None,
        };
        let record = Arc::new(Record {
            progress: Mutex::new(progress),
            events: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let mut ring = lock(&self.ring);
        if ring.len() >= self.capacity {
            ring.pop_front();
        }
        ring.push_back(record.clone());
        drop(ring);
        self.changed.notify_waiters();
        Entry { log: self.clone(), record, number, over: false }
    }
}

#[derive(Debug)]
struct Record {
    progress: Mutex<Exchange>,
    // Apart from the rest, as they change with every event.
    events: AtomicU64,
    bytes: AtomicU64,
}

impl Record {
    fn snapshot(&self) -> Exchange {
        let mut exchange = lock(&self.progress).clone();
        exchange.events = self.events.load(Relaxed);
        exchange.bytes = self.bytes.load(Relaxed);
        exchange
    }
}

/// One exchange that goes on: held by the handler, then by the body. Dropped without [`end`](Self::end), it was aborted.
#[derive(Debug)]
pub(super) struct Entry {
    log: Arc<Log>,
    record: Arc<Record>,
    pub(super) number: u64,
    over: bool,
}

impl Entry {
    pub(super) fn note(&self, change: impl FnOnce(&mut Exchange)) {
        change(&mut lock(&self.record.progress));
        self.log.changed.notify_waiters();
    }

    pub(super) fn sent(&self, bytes: usize, whole_event: bool) {
        self.record.bytes.fetch_add(bytes as u64, Relaxed);
        self.record.events.fetch_add(whole_event.into(), Relaxed);
    }

    pub(super) fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.log.ended[end as usize].fetch_add(1, Relaxed);
        self.note(|exchange| exchange.end = Some((end, Instant::now())));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(End::Aborted);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_the_newest_and_counts_all() {
        let log = Arc::new(Log::new(2));
        let begin = |path: &str| log.begin(Method::GET, path.into(), HeaderMap::new());
        begin("/a").end(End::Complete);
        drop(begin("/b"));
        let going_on = begin("/c");
        going_on.sent(5, true);
        let kept = log.snapshot();
        assert_eq!(
            kept.iter().map(|e| (e.path.as_str(), e.number)).collect::<Vec<_>>(),
            [("/b", 1), ("/c", 2)]
        );
        assert!(kept[0].ended(End::Aborted));
        assert_eq!((kept[1].end, kept[1].events, kept[1].bytes), (None, 1, 5));
        assert_eq!(log.counts(), [3, 1, 1, 0]);
    }
}
