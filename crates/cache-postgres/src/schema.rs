//! The tables, which are made and changed by whoever comes first.

use std::{error::Error, fmt};

use tokio_postgres::{Client, error::SqlState};

use crate::statements::{LOCK, in_schema};

/// What makes each version out of the one before it.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// Brings the schema to the version that is known here. Three processes may start at once: one migrates, the others wait for
/// it and find nothing to do.
pub(crate) async fn migrate(client: &Client, schema: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Most times, this is all; and it may be a replica.
    let current = version(client, schema).await?;
    if current == MIGRATIONS.len() {
        return Ok(());
    }
    let sql = format!(
        "BEGIN; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({LOCK});
        DO $$ BEGIN
            IF to_regnamespace('{schema}') IS NULL THEN CREATE SCHEMA {schema}; END IF;
        END $$;
        CREATE TABLE IF NOT EXISTS {schema}.version (number integer NOT NULL)"
    );
    client.batch_execute(&sql).await?;
    let current = version(client, schema).await?;
    let Some(missing) = MIGRATIONS.get(current..) else { return Err(Box::new(Newer(current))) };
    if missing.is_empty() {
        // Another has done it meanwhile.
        return Ok(client.batch_execute("COMMIT").await?);
    }
    for migration in missing {
        client.batch_execute(&in_schema(migration, schema)).await?;
    }
    let number = MIGRATIONS.len();
    let sql = format!("DELETE FROM {schema}.version; INSERT INTO {schema}.version VALUES ({number}); COMMIT");
    Ok(client.batch_execute(&sql).await?)
}

/// Of a database that was never migrated, 0.
async fn version(client: &Client, schema: &str) -> Result<usize, tokio_postgres::Error> {
    let sql = format!("SELECT max(number) FROM {schema}.version");
    match client.query_one(&sql, &[]).await {
        Ok(row) => {
            let number: Option<i32> = row.try_get(0)?;
            Ok(number.and_then(|number| usize::try_from(number).ok()).unwrap_or_default())
        }
        Err(error)
            if [&SqlState::UNDEFINED_TABLE, &SqlState::INVALID_SCHEMA_NAME]
                .map(Some)
                .contains(&error.code()) =>
        {
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

/// The tables are those of a later release.
#[derive(Debug)]
struct Newer(usize);

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        write!(f, "the schema has version {number}, and what is known here is {}", MIGRATIONS.len())
    }
}

impl Error for Newer {}
