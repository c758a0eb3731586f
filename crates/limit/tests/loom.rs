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

use loom::{sync::Arc, thread};
use word::Word;

#[test]
fn no_slot_is_given_twice_and_none_is_lost() {
    loom::model(|| {
        let word = Arc::new(Word::new(1));
        let take = |word: Arc<Word>| {
            move || {
                let taken = word.acquire();
                if let Some(state) = taken {
                    assert_eq!(state.in_flight, 1);
                    assert!(!word.release());
                }
                u32::from(taken.is_some())
            }
        };
        let other = thread::spawn(take(word.clone()));
        let mine = take(word.clone())();
        let taken = mine + other.join().unwrap();
        assert!(taken >= 1, "one at least comes first");
        let state = word.load();
        assert_eq!((state.in_flight, state.departed), (0, taken));
    });
}

#[test]
fn a_new_limit_keeps_the_counts() {
    loom::model(|| {
        let word = Arc::new(Word::new(1));
        let other = thread::spawn({
            let word = word.clone();
            move || word.set_limit(2)
        });
        assert!(word.acquire().is_some());
        let second = word.acquire();
        assert!(!other.join().unwrap());
        let state = word.load();
        assert_eq!((state.limit, state.in_flight), (2, 1 + u32::from(second.is_some())));
    });
}

#[test]
fn who_waits_either_has_the_slot_or_is_known_to_whoever_gives_it_back() {
    loom::model(|| {
        let word = Arc::new(Word::new(1));
        assert!(word.acquire().is_some());
        let releasing = thread::spawn({
            let word = word.clone();
            move || word.release()
        });
        let took = word.acquire_or_wait().is_some();
        let knows = releasing.join().unwrap();
        assert!(took != knows, "a wake-up was lost, or two were made of one");
    });
}

#[test]
fn who_waits_either_has_the_slot_or_is_known_to_whoever_raises_the_limit() {
    loom::model(|| {
        let word = Arc::new(Word::new(1));
        assert!(word.acquire().is_some());
        let raising = thread::spawn({
            let word = word.clone();
            move || word.set_limit(2)
        });
        let took = word.acquire_or_wait().is_some();
        let knows = raising.join().unwrap();
        assert!(took != knows, "a wake-up was lost, or two were made of one");
    });
}
