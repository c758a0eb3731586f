use std::time::Duration;

use dashpot_cache::Leases;

use crate::support::{Fixture, place};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_leases_of_who_is_gone_are_cleared_away() {
    let fixture = Fixture::start().await;
    for number in 0..20 {
        fixture.store.acquire(place(1, number), Duration::ZERO).await.unwrap();
    }
    for number in 20..26 {
        fixture.store.acquire(place(1, number), LONG).await.unwrap();
    }
    assert_eq!(fixture.number("SELECT count(*) FROM {}.lease").await, 6);
}
