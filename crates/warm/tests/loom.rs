//! Every order in which threads can meet at the atomic word, tried by loom.
//!
//! The very file of the crate is compiled with loom's atomics, so that no second build of everything is needed.
#![allow(clippy::unwrap_used, reason = "a test")]

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}
#[allow(dead_code, clippy::duplicate_mod, reason = "the crate's own module, of which this uses a part")]
#[path = "../src/word.rs"]
mod word;

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};
use word::Word;

/// What the lock guards, as the upstream's machine has it.
struct Locked {
    is_warm: bool,
    in_use: bool,
    stopped: bool,
}

struct Upstream {
    word: Word,
    locked: Mutex<Locked>,
    /// Whether it has been stopped: a request that passes must never see that.
    gone: AtomicBool,
}

impl Upstream {
    fn warm() -> Arc<Self> {
        let word = Word::new();
        word.open(1);
        let locked = Mutex::new(Locked { is_warm: true, in_use: true, stopped: false });
        Arc::new(Self { word, locked, gone: AtomicBool::new(false) })
    }

    /// As whatever happens under the lock: closes, decides, and opens again if it may.
    fn happens(&self, event: impl FnOnce(&mut Locked, u32)) {
        let mut locked = self.locked.lock().unwrap();
        self.word.close();
        let in_flight = self.word.load().in_flight;
        event(&mut locked, in_flight);
        let in_flight = self.word.load().in_flight;
        if in_flight == 0 {
            locked.in_use = false;
        }
        if !locked.is_warm && in_flight == 0 && !locked.stopped {
            locked.stopped = true;
            self.gone.store(true, Relaxed);
        }
        if locked.is_warm && locked.in_use {
            self.word.open(1);
        }
    }

    /// A request from its begin to its end; whether it passed.
    fn request(&self) -> bool {
        let mut passes = self.word.enter().is_some();
        if !passes {
            self.happens(|locked, _| {
                if locked.is_warm {
                    locked.in_use = true;
                    self.word.admit(false);
                    passes = true;
                }
            });
        }
        if passes {
            assert!(!self.gone.load(Relaxed), "it was stopped under a live body");
            if !self.word.leave().is_open {
                self.happens(|_, _| ());
            }
        }
        passes
    }

    fn stop(&self) {
        self.happens(|locked, _| locked.is_warm = false);
    }

    /// As the driver looks now and then.
    fn look(&self) {
        self.happens(|_, _| ());
    }
}

#[test]
fn no_request_is_under_way_when_it_stops_and_the_stop_comes() {
    loom::model(|| {
        let upstream = Upstream::warm();
        let other = thread::spawn({
            let upstream = upstream.clone();
            move || upstream.request()
        });
        upstream.stop();
        other.join().unwrap();
        assert!(upstream.gone.load(Relaxed), "the last one did not say so");
        assert_eq!(upstream.word.load().in_flight, 0);
        assert!(!upstream.request());
    });
}

#[test]
fn requests_at_once_are_all_counted_and_all_leave() {
    loom::model(|| {
        let upstream = Upstream::warm();
        let other = thread::spawn({
            let upstream = upstream.clone();
            move || upstream.request()
        });
        assert!(upstream.request());
        assert!(other.join().unwrap());
        let seen = upstream.word.load();
        assert_eq!((seen.in_flight, seen.begun), (0, 2));
    });
}

#[test]
fn a_request_that_meets_a_look_is_neither_lost_nor_seen_as_idle() {
    loom::model(|| {
        let upstream = Upstream::warm();
        let other = thread::spawn({
            let upstream = upstream.clone();
            move || upstream.look()
        });
        assert!(upstream.request());
        other.join().unwrap();
        upstream.look();
        let seen = upstream.word.load();
        assert_eq!(
            (seen.in_flight, seen.begun, seen.is_open),
            (0, 1, false),
            "it is idle, and shut until somebody comes"
        );
        assert!(upstream.request());
    });
}

#[test]
fn whoever_passes_sees_what_was_done_before_it_opened() {
    loom::model(|| {
        let upstream = Arc::new((Word::new(), AtomicBool::new(false)));
        let other = thread::spawn({
            let upstream = upstream.clone();
            move || {
                upstream.1.store(true, Relaxed);
                upstream.0.open(3);
            }
        });
        if let Some(generation) = upstream.0.enter() {
            assert_eq!(generation, 3);
            assert!(upstream.1.load(Relaxed));
        }
        other.join().unwrap();
    });
}
