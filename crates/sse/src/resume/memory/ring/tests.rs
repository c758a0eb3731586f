use std::time::Duration;

use super::*;

const GRACE: Duration = Duration::from_secs(30);

fn ring(events: u64) -> Ring {
    let mut ring = Ring::new(4 * (Memory::PER_EVENT + 10));
    for event in 1..=events {
        ring.append(Some(event), Bytes::from_static(b"0123456789"));
    }
    ring
}

fn read(ring: &mut Ring, follower: u64) -> usize {
    let mut count = 0;
    while let Some(Next::Bytes(_)) = ring.read(follower) {
        count += 1;
    }
    count
}

#[test]
fn what_the_fastest_has_read_makes_room() {
    let mut ring = ring(0);
    let (fast, slow) = (ring.follow(), ring.follow());
    for event in 1..=10 {
        ring.append(Some(event), Bytes::from_static(b"0123456789"));
        assert_eq!(read(&mut ring, fast), 1);
    }
    assert!(matches!(ring.read(slow), Some(Next::Overtaken)));
    assert_eq!(ring.join(5), Join::Gone);
    assert!(matches!(ring.join(6), Join::Follower(_)));
    assert_eq!(ring.join(11), Join::Gone, "it has not been");
}

#[test]
fn nothing_is_lost_while_nobody_is_there() {
    let mut ring = ring(4);
    let now = crate::watch::now();
    let follower = ring.follow();
    assert_eq!(read(&mut ring, follower), 4);
    ring.leave(follower, now);
    assert_eq!(ring.wanted(GRACE), Wanted::Until(now + GRACE, false), "it is full");
    // What came with the last frame.
    ring.append(Some(5), Bytes::from_static(b"0123456789"));
    let Join::Follower(back) = ring.join(0) else { panic!("it is all there") };
    assert_eq!(ring.wanted(GRACE), Wanted::No, "it is full of what is still to be read");
    assert_eq!(read(&mut ring, back), 5);
    assert_eq!(ring.wanted(GRACE), Wanted::Yes);
}

#[test]
fn the_upstream_waits_for_the_fastest() {
    let mut ring = Ring::new(1 << 20);
    assert_eq!(ring.wanted(GRACE), Wanted::Yes);
    let (one, _stuck) = (ring.follow(), ring.follow());
    ring.append(Some(1), vec![b'x'; AHEAD as usize].into());
    assert_eq!(ring.wanted(GRACE), Wanted::No);
    assert_eq!(read(&mut ring, one), 1);
    assert_eq!(ring.wanted(GRACE), Wanted::Yes);
    ring.leave(one, crate::watch::now());
    assert_eq!(ring.wanted(GRACE), Wanted::No);
}

#[test]
fn who_comes_back_gets_what_it_has_not_seen_and_no_event_twice() {
    let mut ring = Ring::new(1 << 20);
    for (event, bytes) in [(None, ": a"), (Some(1), "1"), (None, ": b"), (Some(2), "2"), (None, ": c")] {
        ring.append(event, bytes.into());
    }
    for (after, expected) in
        [(0, &[": a", "1", ": b", "2", ": c"][..]), (1, &[": b", "2", ": c"]), (2, &[": c"])]
    {
        let Join::Follower(follower) = ring.join(after) else { panic!("it is there") };
        for bytes in expected {
            let Some(Next::Bytes(read)) = ring.read(follower) else { panic!("{bytes} is there") };
            assert_eq!(read, *bytes);
        }
        assert!(ring.read(follower).is_none());
    }
}

#[test]
fn who_has_seen_all_of_what_is_over_need_not_follow() {
    for (end, expected) in [
        (End::Complete(None), Join::Over),
        (End::Broken, Join::Broken),
        (End::Complete(Some(http::HeaderMap::new())), Join::Follower(0)),
    ] {
        let mut ring = ring(2);
        ring.end(end);
        assert_eq!(ring.join(2), expected);
        assert!(matches!(ring.join(1), Join::Follower(_)));
    }
}

#[test]
fn nobody_comes_back_to_what_was_given_up() {
    let mut ring = ring(2);
    let follower = ring.follow();
    ring.give_up();
    assert_eq!((ring.join(1), ring.wanted(GRACE)), (Join::Gone, Wanted::Yes));
    ring.leave(follower, crate::watch::now());
    assert_eq!(ring.wanted(GRACE), Wanted::Never);
}

#[test]
fn a_comment_that_is_no_longer_kept_is_no_event_that_is_missed() {
    let mut ring = ring(0);
    let follower = ring.follow();
    for event in 1..=3 {
        ring.append(None, Bytes::from_static(b": comment\n"));
        ring.append(Some(event), Bytes::from_static(b"0123456789"));
        read(&mut ring, follower);
    }
    // The comment before the second is the last that fell out.
    ring.append(None, Bytes::from_static(b": comment\n"));
    let Join::Follower(back) = ring.join(1) else { panic!("events 2 and 3 are there") };
    assert_eq!(read(&mut ring, back), 4);
    assert_eq!(ring.join(0), Join::Gone);
}

#[test]
fn who_had_to_make_place_and_leaves_last_does_not_stop_the_clock() {
    let mut ring = ring(1);
    let now = crate::watch::now();
    let oldest = ring.follow();
    let others: Vec<_> = (0..FOLLOWERS).map(|_| ring.follow()).collect();
    assert!(matches!(ring.read(oldest), Some(Next::Overtaken)));
    others.into_iter().for_each(|other| ring.leave(other, now));
    ring.leave(oldest, now + GRACE);
    assert_eq!(ring.wanted(GRACE), Wanted::Until(now + GRACE, true));
}
