//! Every order in which threads can meet at the atomic word, tried by loom.
//!
//! The very file of the crate is compiled with loom's atomics, so that no second build of everything is needed.
#![allow(clippy::unwrap_used, reason = "a test")]

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
#[allow(dead_code, clippy::duplicate_mod, reason = "the crate's own module, of which this uses a part")]
#[path = "../src/budgets.rs"]
mod budgets;
#[allow(dead_code, clippy::duplicate_mod, reason = "as above")]
#[path = "../src/partitions.rs"]
mod partitions;
#[allow(dead_code, clippy::duplicate_mod, reason = "as above")]
#[path = "../src/tokens.rs"]
mod tokens;
#[allow(dead_code, clippy::duplicate_mod, reason = "as above")]
#[path = "../src/word.rs"]
mod word;

use budgets::{Budgets, Claim};
use loom::{sync::Arc, thread};
use partitions::Partitions;
use tokens::Tokens;
use word::Word;

/// Writes down that it waits, and looks again, as a request does that found no room.
fn wait(word: &Word) -> bool {
    word.somebody_waits();
    word.acquire_for_waiter().is_some()
}

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
        let took = wait(&word);
        let knows = releasing.join().unwrap();
        assert!(took || knows, "a wake-up was lost");
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
        let took = wait(&word);
        let knows = raising.join().unwrap();
        assert!(took || knows, "a wake-up was lost");
    });
}

/// A limit, with 10 tokens and a partition that is sure of one slot.
struct Limit {
    word: Word,
    budgets: Budgets,
}

impl Limit {
    fn new(limit: u32) -> Arc<Self> {
        let partitions = Partitions::new(&[("a".into(), 0.1)], limit);
        let budgets = Budgets { partitions, tokens: Some(Tokens::new(10)) };
        Arc::new(Self { word: Word::new(limit), budgets })
    }

    fn admit(&self, claim: Claim) -> bool {
        self.budgets.admit(&self.word, claim, Word::acquire).is_ok()
    }

    fn release(&self, claim: Claim) -> bool {
        self.budgets.give_back(claim);
        self.word.release()
    }

    fn counts(&self) -> (u32, u32, u32) {
        let tokens = self.budgets.tokens.as_ref().unwrap().in_flight();
        (self.word.load().in_flight, self.budgets.partitions.as_slice()[0].in_flight(), tokens)
    }
}

fn costs(cost: u32) -> Claim {
    Claim { partition: None, cost: Some(cost) }
}

const SURE: Claim = Claim { partition: Some(0), cost: None };

#[test]
fn no_more_tokens_are_given_than_there_are_and_what_is_undone_leaves_nothing() {
    loom::model(|| {
        let limit = Limit::new(2);
        let take = |limit: Arc<Limit>| move || limit.admit(costs(6));
        let other = thread::spawn(take(limit.clone()));
        let mine = take(limit.clone())();
        let theirs = other.join().unwrap();
        assert!(mine != theirs, "one of them fits, and one comes first");
        assert_eq!((limit.counts(), limit.word.load().departed), ((1, 0, 6), 0));
        limit.release(costs(6));
        assert_eq!(limit.counts(), (0, 0, 0));
    });
}

#[test]
fn a_partition_is_given_its_share_beyond_the_limit_and_once() {
    loom::model(|| {
        let limit = Limit::new(1);
        assert!(limit.admit(Claim::default()));
        let take = |limit: Arc<Limit>| move || limit.admit(SURE);
        let other = thread::spawn(take(limit.clone()));
        let mine = take(limit.clone())();
        let theirs = other.join().unwrap();
        assert!(mine != theirs);
        assert_eq!(limit.counts(), (2, 1, 0));
        limit.release(SURE);
        limit.release(Claim::default());
        assert_eq!(limit.counts(), (0, 0, 0));
    });
}

#[test]
fn whoever_waits_for_tokens_or_a_share_finds_them_or_is_known_to_who_gives_them_back() {
    for claim in [costs(6), SURE] {
        loom::model(move || {
            let limit = Limit::new(1);
            assert!(limit.admit(claim));
            let releasing = thread::spawn({
                let limit = limit.clone();
                move || limit.release(claim)
            });
            limit.word.somebody_waits();
            let took = limit.budgets.admit(&limit.word, claim, Word::acquire_for_waiter).is_ok();
            let knows = releasing.join().unwrap();
            assert!(took || knows, "a wake-up was lost");
        });
    }
}

#[test]
fn whoever_waits_because_of_a_slot_that_is_undone_is_known_then() {
    loom::model(|| {
        // Of three slots and 10 tokens 4 are taken. Another 6 fit once; whose do not may take the last slot for a moment.
        let limit = Limit::new(3);
        assert!(limit.admit(costs(4)));
        let undoing = thread::spawn({
            let limit = limit.clone();
            move || limit.budgets.admit(&limit.word, costs(6), Word::acquire)
        });
        let came_first = limit.admit(costs(6));
        // Somebody without a cost, who needs that slot.
        limit.word.somebody_waits();
        let took = limit.budgets.admit(&limit.word, Claim::default(), Word::acquire_for_waiter).is_ok();
        let theirs = undoing.join().unwrap();
        if came_first {
            assert!(took || theirs.unwrap_err().wakes, "a wake-up was lost");
        }
    });
}
