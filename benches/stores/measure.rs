use std::{
    error::Error,
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use dashpot::cache::{Entry, Index, Key, Place, Store};
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::entries::{Entries, Lookup, score};

pub(crate) const HEAD: &str = concat!(
    "                          exact hit, us   semantic hit, us   nearest found, %   bytes\n",
    "store                        p50    p99      p50      p99     first  in four   an entry   to load, s"
);

/// So many are put at once.
const AT_ONCE: usize = 16;

const EXACT: usize = 20_000;

/// The lookups are done so many times, the first of which is not measured.
const ROUNDS: usize = 2;

/// What is asked for, as the cache does.
const MOST: usize = 4;

/// Nearer than this, in cosines, two are equally near: what is written has two bytes for each number.
const EQUAL: f32 = 2e-4;

type Failure = Box<dyn Error>;

/// Loads all entries, and prints a row.
pub(crate) async fn measure(
    name: &str,
    entries: &Entries,
    store: &impl Store,
    index: &impl Index,
    bytes: impl AsyncFn() -> f64,
) -> Result<(), Failure> {
    let (before, start) = (bytes().await, now());
    stream::iter(&entries.kept)
        .map(Ok::<_, Failure>)
        .try_for_each_concurrent(AT_ONCE, async |entry| {
            // Of its own: what it takes is not to be shared with what it is compared with.
            let entry = Arc::new(Entry::decode(&entry.encode())?);
            store.put(entry.clone(), None).await?;
            Ok(index.insert(&entry).await?)
        })
        .await?;
    let loaded = now() - start;
    let each = (bytes().await - before) / entries.kept.len() as f64;
    row(name, entries, store, index, &format!("{each:8.0}   {:8.1}", loaded.as_secs_f64())).await
}

/// Prints a row of what is loaded already.
pub(crate) async fn again(
    name: &str,
    entries: &Entries,
    store: &impl Store,
    index: &impl Index,
) -> Result<(), Failure> {
    row(name, entries, store, index, "       -          -").await
}

#[allow(clippy::print_stdout, reason = "the report of a bench")]
async fn row(
    name: &str,
    entries: &Entries,
    store: &impl Store,
    index: &impl Index,
    rest: &str,
) -> Result<(), Failure> {
    let mut random = StdRng::seed_from_u64(1);
    let mut exact = Vec::with_capacity(EXACT);
    for n in 0..EXACT + EXACT / 10 {
        let entry = &entries.kept[random.random_range(0..entries.kept.len())];
        let start = now();
        let found = store.get(entry.place()).await?;
        let took = now() - start;
        assert!(found.is_some_and(|found| found.answer == entry.answer), "{name} has lost an entry");
        if n >= EXACT / 10 {
            exact.push(took);
        }
    }
    let (mut semantic, mut first, mut in_four, mut asked) = (Vec::new(), 0, 0, 0);
    for round in 0..ROUNDS {
        for (n, lookup) in entries.lookups.iter().enumerate() {
            let key: [u8; 32] = std::array::from_fn(|byte| (n >> (8 * (byte % 8))) as u8 ^ 0x5a);
            let start = now();
            let near = ask(store, index, lookup, key.into()).await?;
            let took = now() - start;
            if round == 0 {
                continue;
            }
            semantic.push(took);
            asked += 1;
            assert!(near.iter().all(|entry| entry.partition == lookup.partition), "{name} mixes partitions");
            let is_nearest = |entry: &Arc<Entry>| score(entry, &lookup.embedding) >= lookup.nearest - EQUAL;
            first += usize::from(near.first().is_some_and(is_nearest));
            in_four += usize::from(near.iter().any(is_nearest));
        }
    }
    let share = |count: usize| 100.0 * count as f64 / f64::from(asked);
    let [exact, semantic] = [exact, semantic].map(Times::new);
    println!(
        "{name:26} {:6.0} {:6.0}   {:6.0}   {:6.0}    {:6.1}   {:6.1}   {rest}",
        exact.at(0.5),
        exact.at(0.99),
        semantic.at(0.5),
        semantic.at(0.99),
        share(first),
        share(in_four),
    );
    Ok(())
}

/// What the cache asks before it verifies, of a question that is new.
async fn ask(
    store: &impl Store,
    index: &impl Index,
    lookup: &Lookup,
    key: Key,
) -> Result<Vec<Arc<Entry>>, Failure> {
    let exact = store.get(Place { partition: lookup.partition, key }).await?;
    assert!(exact.is_none(), "a new question");
    let near = index.search(lookup.partition, lookup.embedding.vector(), MOST).await?;
    let missing: Vec<Key> = near.iter().filter(|near| near.entry.is_none()).map(|near| near.key).collect();
    let mut fetched = match &missing[..] {
        [] => Vec::new(),
        keys => store.get_all(lookup.partition, keys).await?,
    }
    .into_iter();
    Ok(near.into_iter().filter_map(|near| near.entry.or_else(|| fetched.next().flatten())).collect())
}

/// In order.
struct Times(Vec<Duration>);

impl Times {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// In microseconds.
    fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    }
}

/// How much memory this process has, in bytes.
pub(crate) fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<f64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

/// How much memory a Redis has in use, in bytes.
pub(crate) fn of_redis(port: u16) -> f64 {
    let mut said = String::new();
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut connection| {
        connection.write_all(b"INFO memory\r\nQUIT\r\n")?;
        connection.read_to_string(&mut said)
    });
    let line = said.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let bytes: Option<f64> = line.and_then(|line| line.trim().parse().ok()).filter(|_| asked.is_ok());
    bytes.unwrap_or(f64::NAN)
}

#[allow(clippy::disallowed_methods, reason = "a bench is about the real time")]
fn now() -> Instant {
    Instant::now()
}
