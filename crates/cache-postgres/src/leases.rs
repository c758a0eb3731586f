use std::{sync::Arc, time::Duration};

use dashpot_cache::{Acquired, Entry, Lease, Leases, Place, Released, StoreError};
use tokio::try_join;

use crate::{
    PostgresStore,
    connection::Values,
    store::{Bytes, decoded},
};

impl Leases for PostgresStore {
    async fn acquire(
        &self,
        place: Place,
        time: Duration,
    ) -> Result<(Acquired, Option<Arc<Entry>>), StoreError> {
        let lease = Lease::draw(place)?;
        let connection = self.shared.pool.connection()?;
        let (Bytes { key, partition }, token) = (Bytes::of(&place), lease.token.to_be_bytes());
        let (token, time) = (&token[..], millis(time));
        let values: Values<'_> = &[&key, &partition, &token, &time];
        // Both go out together, and the second is begun when the first has ended.
        let taken = connection.client.execute(&connection.statements.acquire, values);
        let kept = connection.client.query_one(&connection.statements.acquired, &values[..2]);
        let (taken, row) = connection.ask(async { try_join!(taken, kept) }).await?;
        let barren: Option<bool> = row.try_get(0).map_err(StoreError::new)?;
        let data: Option<&[u8]> = row.try_get(1).map_err(StoreError::new)?;
        let acquired = match (taken, barren) {
            (1.., _) => Acquired::Ours(lease),
            (0, Some(true)) => Acquired::Nothing,
            // One that has just ended is asked for again.
            (0, _) => Acquired::Theirs,
        };
        Ok((acquired, data.and_then(|data| decoded(place, data))))
    }

    async fn renew(&self, lease: Lease, time: Duration) -> Result<bool, StoreError> {
        let connection = self.shared.pool.connection()?;
        let (Bytes { key, partition }, token) = (Bytes::of(&lease.place), lease.token.to_be_bytes());
        let (token, time) = (&token[..], millis(time));
        let renew = &connection.statements.renew;
        Ok(connection.execute(renew, &[&key, &partition, &token, &time]).await? > 0)
    }

    async fn release(&self, lease: Lease, outcome: Released) -> Result<(), StoreError> {
        let connection = self.shared.pool.connection()?;
        let (Bytes { key, partition }, token) = (Bytes::of(&lease.place), lease.token.to_be_bytes());
        let (token, statements) = (&token[..], &connection.statements);
        let ended = match outcome {
            Released::Kept => connection.execute(&statements.release, &[&key, &partition, &token]).await,
            Released::NotKept(time) => {
                let time = millis(time);
                connection.execute(&statements.release_barren, &[&key, &partition, &token, &time]).await
            }
        };
        ended.map(drop)
    }
}

/// A lease that is never given back ends after a day at the latest.
fn millis(time: Duration) -> f64 {
    time.min(Duration::from_secs(86_400)).as_secs_f64() * 1e3
}
