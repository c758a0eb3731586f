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

/// The first so many exact hits are not counted.
const FIRST: usize = EXACT / 10;

/// What is asked for, as the cache does.
const MOST: usize = 4;

/// Nearer than this, in cosines, two are equally near: what is written has two bytes for each number.
const EQUAL: f32 = 2e-4;

type Failure = Box<dyn Error>;

/// Loads all entries, and prints a row.
#[allow(clippy::print_stdout, reason = "the report of a bench")]
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
    let exact = exact(name, entries, store).await?;
    // The first time, nothing is at hand.
    nearest(name, entries, store, index).await?;
    let nearest = nearest(name, entries, store, index).await?;
    println!("{name:26} {exact} {nearest}   {each:8.0}   {:8.1}", loaded.as_secs_f64());
    Ok(())
}

/// Prints a row of what is loaded already, and was looked up before: what is similar alone.
#[allow(clippy::print_stdout, reason = "the report of a bench")]
pub(crate) async fn again(
    name: &str,
    entries: &Entries,
    store: &impl Store,
    index: &impl Index,
) -> Result<(), Failure> {
    let nearest = nearest(name, entries, store, index).await?;
    println!("{name:26} {:>6} {:>6} {nearest}", "", "");
    Ok(())
}

/// How long exact hits take.
async fn exact(name: &str, entries: &Entries, store: &impl Store) -> Result<String, Failure> {
    let mut random = StdRng::seed_from_u64(1);
    let mut exact = Vec::with_capacity(EXACT);
    for n in 0..FIRST + EXACT {
        let entry = &entries.kept[random.random_range(0..entries.kept.len())];
        let start = now();
        let found = store.get(entry.place()).await?;
        let took = now() - start;
        assert!(found.is_some_and(|found| found.answer == entry.answer), "{name} has lost an entry");
        if n >= FIRST {
            exact.push(took);
        }
    }
    let times = Times::new(exact);
    Ok(format!("{:6.0} {:6.0}", times.at(0.5), times.at(0.99)))
}

/// How long semantic hits take, and how often the nearest is among what they find.
async fn nearest(
    name: &str,
    entries: &Entries,
    store: &impl Store,
    index: &impl Index,
) -> Result<String, Failure> {
    let (mut times, mut first, mut in_four) = (Vec::new(), 0, 0);
    for (n, lookup) in entries.lookups.iter().enumerate() {
        let key: [u8; 32] = std::array::from_fn(|byte| (n >> (8 * (byte % 8))) as u8 ^ 0x5a);
        let start = now();
        let near = ask(store, index, lookup, key.into()).await?;
        times.push(now() - start);
        assert!(near.iter().all(|entry| entry.partition == lookup.partition), "{name} mixes partitions");
        let is_nearest = |entry: &Arc<Entry>| score(entry, &lookup.embedding) >= lookup.nearest - EQUAL;
        first += usize::from(near.first().is_some_and(is_nearest));
        in_four += usize::from(near.iter().any(is_nearest));
    }
    let share = |count: usize| 100.0 * count as f64 / entries.lookups.len() as f64;
    let (times, first, in_four) = (Times::new(times), share(first), share(in_four));
    Ok(format!("  {:6.0}   {:6.0}    {first:6.1}   {in_four:6.1}", times.at(0.5), times.at(0.99)))
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
