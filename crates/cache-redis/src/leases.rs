use std::{sync::Arc, time::Duration};

use dashpot_cache::{Acquired, Entry, Lease, Leases, Place, Released, StoreError};
use redis::Value;

use crate::{
    RedisStore,
    connection::{array, bytes, number, odd},
    names,
    scripts::Script,
    store::{decoded, token},
};

impl RedisStore {
    /// Runs one of the scripts for leases.
    async fn lease(&self, script: Script, lease: Lease, time: &str) -> Result<Value, StoreError> {
        let connection = self.connection()?;
        let (base, name) = (names::base(self.prefix(), lease.place.partition), lease.place.key.to_string());
        let token = token(lease);
        let with: &[&[u8]] = &[base.as_bytes(), name.as_bytes(), token.as_bytes(), time.as_bytes()];
        connection.run(script, base.as_bytes(), with).await.map_err(StoreError::new)
    }
}

impl Leases for RedisStore {
    async fn acquire(
        &self,
        place: Place,
        time: Duration,
    ) -> Result<(Acquired, Option<Arc<Entry>>), StoreError> {
        let lease = Lease::draw(place)?;
        let answer = self.lease(Script::Acquire, lease, &millis(time)).await?;
        let [state, data] =
            array(answer).and_then(|answer| answer.try_into().map_err(|_| odd())).map_err(StoreError::new)?;
        let acquired = match number(&state).map_err(StoreError::new)? {
            1 => Acquired::Ours(lease),
            2 => Acquired::Nothing,
            _ => Acquired::Theirs,
        };
        Ok((acquired, bytes(data).and_then(|data| decoded(place, &data))))
    }

    async fn renew(&self, lease: Lease, time: Duration) -> Result<bool, StoreError> {
        let renewed = self.lease(Script::Renew, lease, &millis(time)).await?;
        Ok(number(&renewed).map_err(StoreError::new)? == 1)
    }

    async fn release(&self, lease: Lease, outcome: Released) -> Result<(), StoreError> {
        let time = match outcome {
            Released::Kept => String::new(),
            Released::NotKept(time) => millis(time),
        };
        self.lease(Script::Release, lease, &time).await.map(drop)
    }
}

/// A lease that is never given back ends after a day at the latest. Redis knows none that has ended before it began.
fn millis(time: Duration) -> String {
    time.min(Duration::from_secs(86_400)).as_millis().max(1).to_string()
}
