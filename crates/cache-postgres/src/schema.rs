//! The tables, which are made and changed by whoever comes first.

use std::{error::Error, fmt};

use tokio_postgres::{Client, error::SqlState};

use crate::statements::{LOCK, in_schema};

/// What makes each version out of the one before it.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// Brings the schema to the version that is known here. Three processes may start at once: one migrates, the others wait for
/// it and find nothing to do; those that wait for too long come again.
pub(crate) async fn migrate(client: &Client, schema: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let sql = format!(
        "BEGIN; SELECT pg_advisory_xact_lock({LOCK}); SET LOCAL statement_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = '1min';
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

/// Whether there is nothing to do. Most times there is not; and it may be a replica.
pub(crate) async fn is_current(client: &Client, schema: &str) -> Result<bool, tokio_postgres::Error> {
    Ok(version(client, schema).await? == MIGRATIONS.len())
}

/// Whether large partitions can be searched: the scans that go on until there are enough came with pgvector 0.8.
pub(crate) async fn check_extension(client: &Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    let row = client.query_one("SELECT extversion FROM pg_extension WHERE extname = 'vector'", &[]).await?;
    let version: &str = row.try_get(0)?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    let version_is = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if version_is < (0, 8) {
        return Err(format!("pgvector is {version}, and has to be 0.8 or later").into());
    }
    Ok(())
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
