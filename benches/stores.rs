//! What a hit takes from each of the cache's stores, exact and semantic, among 100,000 entries in 100 partitions; how often the
//! nearest of a partition is found; and what an entry takes.
//!
//! `cargo xtask bench stores` installs the servers, and fetches the model and the texts of `benches/index.rs`, which are embedded
//! once, in some minutes: each is the question of an entry, and the partitions have 1,000 each. Where one of these is missing, the
//! vectors are made up, around 5,000 centers. Looked up are 600 other wordings, in the partition of the nearest of all, and 1,000
//! others in any; all by one who waits for each before the next, on the same machine and its loopback.
//!
//! An exact hit is one `get`. A semantic one is what the cache asks before it verifies: a `get` that finds nothing, a `search`
//! for four, and a `get` of those that came without their entry. The bytes are the growth of this process, of Redis by its own
//! `INFO memory`, and of PostgreSQL's tables and indexes on the disk. `--count N` takes another number of entries, and
//! `--partitions N` as many partitions.

#[allow(dead_code, reason = "the other half is for benches/index.rs")]
#[path = "index/corpus.rs"]
mod corpus;
#[allow(dead_code, reason = "the other half is for benches/index.rs")]
#[path = "index/data.rs"]
mod data;
#[path = "stores/entries.rs"]
mod entries;
#[path = "stores/measure.rs"]
mod measure;

use std::{env, error::Error, num::NonZeroUsize, path::Path};

use dashpot::{
    cache::{FlatIndex, MemoryStore},
    cache_postgres::{Config, PostgresStore},
    cache_redis::RedisStore,
};
use dashpot_testkit::servers::{Postgres, Redis};
use entries::Entries;
use measure::{HEAD, measure, of_redis, resident};

#[allow(clippy::print_stdout, reason = "the report of a bench")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return Ok(());
    }
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (mut count, mut partitions) = (100_000, 100);
    for pair in arguments.chunks(2) {
        match pair {
            [flag, number] if flag == "--count" => count = number.parse()?,
            [flag, number] if flag == "--partitions" => partitions = number.parse::<NonZeroUsize>()?.get(),
            _ => return Err("usage: cargo bench --bench stores -- [--count N] [--partitions N]".into()),
        }
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("");
    let entries = Entries::new(&target, count, partitions)?;
    println!("{}\n{HEAD}", entries.about());

    let before = resident();
    let (store, index) = (MemoryStore::new(u64::MAX), FlatIndex::new(count));
    measure("memory", &entries, &store, &index, async || resident() - before).await?;
    drop((store, index));
    if Redis::is_installed() {
        let server = Redis::start(&[]);
        let store = RedisStore::new(server.url().parse()?)?;
        store.connected().await;
        measure("Redis", &entries, &store, &store, async || of_redis(server.port())).await?;
    } else {
        println!("Redis: not measured: run `cargo xtask bench stores`");
    }
    if Postgres::is_installed() {
        postgres(&entries).await?;
    } else {
        println!("PostgreSQL: not measured: run `cargo xtask bench stores`");
    }
    Ok(())
}

async fn postgres(entries: &Entries) -> Result<(), Box<dyn Error>> {
    let server = Postgres::start(&["shared_buffers=512MB", "fsync=on", "max_wal_size=4GB"]);
    let config = |exact_up_to: u32| {
        let config: Config = server.url().parse()?;
        Ok::<_, Box<dyn Error>>(config.exact_up_to(exact_up_to))
    };
    let store = PostgresStore::new(config(4_000)?)?;
    store.connected().await;
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let bytes = async || {
        let row = client.query_one("SELECT pg_total_relation_size('dashpot_cache.entry')", &[]).await;
        row.map_or(f64::NAN, |row| row.get::<_, i64>(0) as f64)
    };
    measure("PostgreSQL", entries, &store, &store, bytes).await?;
    // The same, as it is where partitions are large.
    let by_index = PostgresStore::new(config(0)?)?;
    by_index.connected().await;
    measure::again("PostgreSQL, by its index", entries, &by_index, &by_index).await?;
    drop(client);
    connection.await??;
    Ok(())
}
