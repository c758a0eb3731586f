//! Counts allocations.
//!
//! With the feature `alloc` the program's allocator is a counting one, so only tests and benches that count turn it on.

/// Runs `run`, and says how many allocations this thread made meanwhile, reallocations included.
///
/// Other threads do not count. Run it once before, where the first run makes something that stays, such as a
/// thread-local.
///
/// ```
/// assert_eq!(dashpot_testkit::alloc::count(|| drop(Box::new(1))), 1);
/// assert_eq!(dashpot_testkit::alloc::count(|| ()), 0);
/// ```
pub fn count(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}
