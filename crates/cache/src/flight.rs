//! One call for all who ask the same at the same time.

mod seat;
mod waiters;

use std::{
    any::Any,
    collections::{BTreeMap, HashMap, VecDeque},
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Waker,
};

use bytes::Bytes;
use http::{HeaderMap, Response, response::Parts};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::runtime::Handle;

pub(crate) use self::seat::{Failed, Next, Seat, drain};
use self::waiters::Waiters;
use crate::{Key, key::Mode};

/// What one call answers: the request without its mode is the same, and so is the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    pub(crate) key: Key,
    pub(crate) mode: Mode,
}

/// How a call is joined, or made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) key: FlightKey,
    /// So much of the answer is kept for those who listen.
    pub(crate) max_bytes: usize,
    /// Whether it is to be a new one. Others may join it.
    pub(crate) alone: bool,
    /// Whether it goes on when nobody listens any more.
    pub(crate) finish: bool,
}

/// A call of any inner service, which is not even made before it is polled, and its answer.
pub(crate) type Call = Pin<Box<dyn Future<Output = Result<Response<AnyBody>, Box<dyn Any + Send>>> + Send>>;

/// A body of any inner service.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The calls that are under way.
#[derive(Clone, Default)]
pub(crate) struct Flights {
    calls: Arc<Calls>,
}

type Calls = Mutex<HashMap<FlightKey, Weak<Flight>>>;

/// A call and its answer, which whoever needs more of it drives on: nobody leads, so whoever leaves leaves no one behind.
/// When all have left, it is dropped, and the upstream hears of it.
pub(crate) struct Flight {
    /// Polled by one at a time.
    source: Mutex<Source>,
    record: Mutex<Record>,
    waiters: Arc<Waiters>,
    waker: Waker,
    max_bytes: usize,
    key: FlightKey,
    calls: Weak<Calls>,
    on_end: Mutex<Option<OnEnd>>,
    /// Where it goes on when nobody listens any more.
    finish: Option<Handle>,
}

/// What is done, once, when a call is over, with all of its answer if there is one that can be kept. Until what it is handed last
/// is dropped, others who ask the same hear the answer from here.
pub(crate) type OnEnd = Box<dyn FnOnce(Ended, Option<Recorded>, Box<dyn Send>) + Send>;

enum Source {
    Calling(Call),
    Answering(AnyBody),
    Over,
}

/// What has come so far.
#[derive(Default)]
struct Record {
    head: Option<Arc<Parts>>,
    /// The last of its chunks; all of them, unless they were too many.
    chunks: VecDeque<Bytes>,
    /// How many chunks came before those, and are forgotten.
    forgotten: usize,
    bytes: usize,
    trailers: Option<HeaderMap>,
    /// Unless those who listen have left before that.
    end: Option<Ended>,
    /// At which chunk each of those who listen is.
    places: BTreeMap<u64, usize>,
    seats: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its body ended in order.
    Whole,
    /// It failed, or its body broke off.
    Broken,
    /// Those who listened have left. What has come may be complete for all that.
    Left,
    /// It has not: it goes on, but is too long to be kept.
    TooLong,
}

/// An answer of which all that will come has come.
pub(crate) struct Recorded {
    pub(crate) head: Arc<Parts>,
    pub(crate) chunks: Vec<Bytes>,
}

impl Flights {
    /// Listens to the call that is under way for this key, unless it is to be a call of its own, or else to the one that `begin` makes, which runs nothing yet.
    pub(crate) fn join(&self, plan: Plan, begin: impl FnOnce() -> (Call, OnEnd)) -> (Seat, bool) {
        let Plan { key, max_bytes, alone, finish } = plan;
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is not to be joined is not even looked up: the last to let go of a flight takes this lock.
        let known = if alone { None } else { calls.get(&key).and_then(Weak::upgrade) };
        if let Some(seat) = known.as_ref().and_then(Seat::new) {
            // A flight that is dropped takes this lock.
            drop(calls);
            return (seat, false);
        }
        let (call, on_end) = begin();
        let waiters = Arc::new(Waiters::default());
        let flight = Arc::new(Flight {
            source: Mutex::new(Source::Calling(call)),
            record: Mutex::default(),
            waker: Waker::from(waiters.clone()),
            waiters,
            max_bytes,
            key,
            calls: Arc::downgrade(&self.calls),
            on_end: Mutex::new(Some(on_end)),
            finish: finish.then(Handle::current),
        });
        let seat = Seat::new(&flight).expect("nothing of it is forgotten");
        calls.insert(key, Arc::downgrade(&flight));
        drop(calls);
        (seat, true)
    }

    /// Nobody new comes to any of the calls that are under way.
    pub(crate) fn leave(&self) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Flight {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody new comes to it.
    fn leave_map(&self) {
        let Some(calls) = self.calls.upgrade() else { return };
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        // There may be another by now.
        if calls.get(&self.key).is_some_and(|flight| std::ptr::eq(flight.as_ptr(), self)) {
            calls.remove(&self.key);
        }
    }

    /// Tells once what has come.
    fn ended(&self, how: Ended, keep: Box<dyn Send>) {
        let on_end = self.on_end.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(on_end) = on_end else { return };
        let record = self.record();
        let is_kept = record.forgotten == 0 && record.bytes <= self.max_bytes;
        let head = record.head.clone().filter(|_| is_kept);
        let recorded = head.map(|head| Recorded { head, chunks: record.chunks.iter().cloned().collect() });
        drop(record);
        on_end(how, recorded, keep);
    }
}

impl Record {
    /// Forgets what is too much, and what everybody has heard of an answer that is too long to be kept; whether this is
    /// the first time.
    fn forget(&mut self, max_bytes: usize) -> bool {
        let was_whole = self.forgotten == 0;
        if was_whole && self.bytes <= max_bytes {
            return false;
        }
        let slowest = self.places.values().copied().min().unwrap_or(usize::MAX);
        // Not the last: whoever has asked for it is only now going to hear it.
        while self.chunks.len() > 1 && (self.bytes > max_bytes || self.forgotten < slowest) {
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.bytes -= chunk.len();
            self.forgotten += 1;
        }
        was_whole
    }
}

/// All have left, or it is over.
impl Drop for Flight {
    fn drop(&mut self) {
        self.leave_map();
        self.ended(Ended::Left, Box::new(()));
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Flights").field("calls", &calls).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn plan(alone: bool) -> Plan {
        let key = FlightKey { key: Key::from([0; 32]), mode: Mode { stream: true, include_usage: false } };
        Plan { key, max_bytes: 1, alone, finish: false }
    }

    fn begin() -> (Call, OnEnd) {
        (Box::pin(std::future::pending()), Box::new(|_, _, _| ()))
    }

    /// The last to let go of a call takes the lock under which calls are looked up.
    #[test]
    fn calls_that_begin_and_end_on_several_threads_do_not_lock_each_other_up() {
        let flights = Flights::default();
        thread::scope(|scope| {
            for alone in [false, true, true, false] {
                let flights = &flights;
                scope.spawn(move || (0..20_000).for_each(|_| drop(flights.join(plan(alone), begin))));
            }
        });
        assert_eq!(format!("{flights:?}"), "Flights { calls: 0 }");
    }
}
