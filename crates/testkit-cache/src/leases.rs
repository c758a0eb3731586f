//! Checks of leases.

use std::time::Duration;

use dashpot_cache::{Acquired, Lease, Leases, Place, Released, Store};
use futures_util::future::join_all;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use crate::{
    Made, Subject,
    made::{key, unique},
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

fn place() -> Place {
    Place { partition: key(), key: key() }
}

async fn ask<L: Leases>(leases: &L, place: Place, time: Duration) -> Acquired {
    leases.acquire(place, time).await.unwrap().0
}

async fn take<L: Leases>(leases: &L, place: Place, time: Duration) -> Lease {
    match ask(leases, place, time).await {
        Acquired::Ours(lease) => {
            assert_eq!(lease.place, place);
            lease
        }
        other => panic!("{other:?}"),
    }
}

/// Waits until the lease can be taken, or ten seconds are over.
async fn taken_in_time<L: Leases>(leases: &L, place: Place) -> Lease {
    for _ in 0..400 {
        if let Acquired::Ours(lease) = ask(leases, place, LONG).await {
            return lease;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("after ten seconds it is still another's");
}

/// And the next one when it is given back.
pub async fn of_many_who_ask_one_has_the_lease<St, Ix, L: Leases, G>(
    Subject { leases, .. }: &Subject<St, Ix, L, G>,
) {
    let place = place();
    for _ in 0..3 {
        let all = join_all((0..50).map(|_| ask(leases, place, LONG))).await;
        let ours: Vec<_> =
            all.iter().filter_map(|a| if let Acquired::Ours(l) = a { Some(*l) } else { None }).collect();
        assert_eq!((ours.len(), all.iter().filter(|a| **a == Acquired::Theirs).count()), (1, 49));
        leases.release(ours[0], Released::Kept).await.unwrap();
    }
}

/// While it is renewed nobody else has it.
pub async fn a_lease_is_held_while_it_is_renewed_and_ends_by_itself<St, Ix, L: Leases, G>(
    Subject { leases, .. }: &Subject<St, Ix, L, G>,
) {
    let place = place();
    let lease = take(leases, place, LONG).await;
    // Not for longer than was said last.
    assert!(leases.renew(lease, 5 * SHORT).await.unwrap());
    let start = Instant::now();
    while Instant::now() - start < SHORT {
        assert_eq!(ask(leases, place, LONG).await, Acquired::Theirs);
        sleep(SHORT / 8).await;
    }
    let next = taken_in_time(leases, place).await;
    assert_ne!(next.token, lease.token);
    assert!(!leases.renew(lease, LONG).await.unwrap());
}

/// The next one has it, and what the first one writes does not count.
pub async fn who_lost_a_lease_can_neither_write_nor_give_it_back<St: Store, Ix, L: Leases, G>(
    Subject { store, leases, .. }: &Subject<St, Ix, L, G>,
) {
    let acme = unique("acme");
    let made = Made::new(&acme, key());
    let [old, new] = ["old", "new"].map(|answer| made.clone().answer(answer).done());
    let place = old.place();
    let first = take(leases, place, SHORT).await;
    let second = taken_in_time(leases, place).await;
    leases.release(first, Released::Kept).await.unwrap();
    leases.release(first, Released::NotKept(LONG)).await.unwrap();
    assert_eq!(ask(leases, place, LONG).await, Acquired::Theirs);
    assert!(!store.put(old.clone(), Some(first)).await.unwrap());
    assert!(store.get(place).await.unwrap().is_none());
    assert!(store.put(new.clone(), Some(second)).await.unwrap());
    assert!(!store.put(old.clone(), Some(first)).await.unwrap());
    leases.release(second, Released::Kept).await.unwrap();
    // When nobody has it any more, too.
    assert!(!store.put(old.clone(), Some(first)).await.unwrap());
    assert!(!store.put(old.clone(), Some(second)).await.unwrap());
    assert_eq!(store.get(place).await.unwrap().unwrap().answer, "new");
    // Who asks for no lease needs none.
    assert!(store.put(old, None).await.unwrap());
    assert_eq!(store.get(place).await.unwrap().unwrap().answer, "old");
    // One for another place is none for this.
    let other = take(leases, self::place(), LONG).await;
    assert!(!store.put(new, Some(other)).await.unwrap());
}

/// So that a call which ended just before is not made again, and that one look is enough for who waits.
pub async fn who_asks_is_told_what_is_kept<St: Store, Ix, L: Leases, G>(
    Subject { store, leases, .. }: &Subject<St, Ix, L, G>,
) {
    let entry = Made::new(&unique("acme"), key()).done();
    let kept = || async { leases.acquire(entry.place(), LONG).await.unwrap() };
    let (Acquired::Ours(lease), None) = kept().await else { panic!("there is nothing yet") };
    assert!(matches!(kept().await, (Acquired::Theirs, None)));
    assert!(store.put(entry.clone(), Some(lease)).await.unwrap());
    let (acquired, found) = kept().await;
    assert_eq!((acquired, found.unwrap().key), (Acquired::Theirs, entry.key));
    leases.release(lease, Released::Kept).await.unwrap();
    let (acquired, found) = kept().await;
    assert!(matches!(acquired, Acquired::Ours(_)));
    assert_eq!(found.unwrap().key, entry.key);
}

/// For so long as was said.
pub async fn nobody_waits_for_what_was_not_kept<St, Ix, L: Leases, G>(
    Subject { leases, .. }: &Subject<St, Ix, L, G>,
) {
    let place = place();
    let lease = take(leases, place, LONG).await;
    leases.release(lease, Released::NotKept(5 * SHORT)).await.unwrap();
    let all = join_all((0..20).map(|_| ask(leases, place, LONG))).await;
    assert!(all.iter().all(|acquired| *acquired == Acquired::Nothing), "{all:?}");
    assert!(!leases.renew(lease, LONG).await.unwrap());
    let lease = taken_in_time(leases, place).await;
    // Or not at all: but an engine may know no shorter time than a millisecond.
    leases.release(lease, Released::NotKept(Duration::ZERO)).await.unwrap();
    sleep(Duration::from_millis(5)).await;
    take(leases, place, LONG).await;
}

/// A put that is let through is seen by whoever takes the lease then, whenever it ends; and one that is not is not seen.
pub async fn who_takes_over_finds_what_was_kept<St: Store, Ix, L: Leases, G>(
    Subject { store, leases, .. }: &Subject<St, Ix, L, G>,
) {
    for n in 0..50 {
        let entry = Made::new(&unique("acme"), key()).done();
        let lease = take(leases, entry.place(), Duration::from_millis(2 + n % 3)).await;
        let put = async {
            sleep(Duration::from_millis(1)).await;
            store.put(entry.clone(), Some(lease)).await.unwrap()
        };
        let take = async {
            loop {
                let (acquired, found) = leases.acquire(entry.place(), LONG).await.unwrap();
                if matches!(acquired, Acquired::Ours(_)) {
                    return found.is_some();
                }
                // One that is in memory has others run now.
                yield_now().await;
            }
        };
        let (is_kept, is_found) = tokio::join!(put, take);
        assert_eq!(is_kept, is_found);
    }
}

/// A key in another partition, another key in the same.
pub async fn leases_are_for_one_place<St, Ix, L: Leases, G>(Subject { leases, .. }: &Subject<St, Ix, L, G>) {
    let first = place();
    take(leases, first, LONG).await;
    take(leases, Place { key: key(), ..first }, LONG).await;
    take(leases, Place { partition: key(), ..first }, LONG).await;
    assert_eq!(ask(leases, first, LONG).await, Acquired::Theirs);
}
