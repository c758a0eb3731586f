use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use super::{ColdStart, Config, config::millis, log::lock};

/// Lets as many requests at the model as it has slots, in the order of their arrival, and only once it is loaded.
#[derive(Debug)]
pub(super) struct Gate {
    slots: Arc<Semaphore>,
    /// How many slots there are to be.
    concurrency: Mutex<usize>,
    /// Slots that go when they are given back.
    surplus: AtomicUsize,
    queue: u64,
    cold: Option<ColdStart>,
    /// `cold.load` in simulated time.
    load: Duration,
    model: Mutex<Model>,
    pub(super) queued: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) peak: AtomicU64,
    pub(super) loads: AtomicU64,
}

#[derive(Debug)]
enum Model {
    Unloaded,
    /// Loaded from then on.
    Loaded {
        at: Instant,
        last_used: Instant,
    },
}

/// Why a request was not let in.
#[derive(Debug)]
pub(super) enum Refusal {
    QueueFull,
    Loading(Duration),
}

impl Gate {
    pub(super) fn new(config: &Config) -> Self {
        let load = config.cold_start.map_or(0.0, |cold| cold.load.as_secs_f64() * 1000.0);
        let concurrency = config.concurrency.unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(concurrency)),
            concurrency: Mutex::new(concurrency),
            surplus: AtomicUsize::new(0),
            queue: config.queue.map_or(u64::MAX, |queue| queue as u64),
            cold: config.cold_start,
            load: millis(load * config.time_scale),
            model: Mutex::new(Model::Unloaded),
            queued: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            loads: AtomicU64::new(0),
        }
    }

    /// Changes the number of slots. Those who hold one that is too many keep it to their end.
    pub(super) fn set_concurrency(&self, concurrency: usize) {
        let mut before = lock(&self.concurrency);
        let more = concurrency.saturating_sub(*before);
        let fewer = before.saturating_sub(concurrency);
        *before = concurrency;
        if more > 0 {
            let surplus =
                self.surplus.fetch_update(Relaxed, Relaxed, |surplus| Some(surplus.saturating_sub(more)));
            self.slots.add_permits(more.saturating_sub(surplus.unwrap_or(0)));
        }
        self.surplus.fetch_add(fewer - self.slots.forget_permits(fewer), Relaxed);
    }

    /// Whether a request would find the model loaded.
    pub(super) fn is_loaded(&self) -> bool {
        let Some(cold) = self.cold else { return true };
        let now = Instant::now();
        match *lock(&self.model) {
            Model::Unloaded => false,
            Model::Loaded { at, last_used } => now >= at && !self.is_idle(cold, last_used, now),
        }
    }

    /// # Cancel safety
    ///
    /// Dropping the future gives back its place in the queue, or its slot. Loading goes on.
    pub(super) async fn admit(self: &Arc<Self>) -> Result<Slot, Refusal> {
        let loaded_at = self.load_model();
        if self.cold.is_some_and(|cold| cold.reject) {
            let left = loaded_at.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(Refusal::Loading(left));
            }
        }
        let permit = match self.slots.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait_in_line().await?,
        };
        let slot = Slot::new(self.clone(), permit);
        // In a slot already, so that loading does not change the order.
        if Instant::now() < loaded_at {
            sleep_until(loaded_at).await;
        }
        Ok(slot)
    }

    async fn wait_in_line(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Place::take(&self.queued);
        if place.1 >= self.queue {
            return Err(Refusal::QueueFull);
        }
        // Nobody closes the semaphore; and if someone did, nobody would be let in.
        self.slots.clone().acquire_owned().await.map_err(|_| Refusal::QueueFull)
    }

    /// When the model is or will be loaded; begins to load it if need be.
    fn load_model(&self) -> Instant {
        let now = Instant::now();
        let Some(cold) = self.cold else { return now };
        let mut model = lock(&self.model);
        match &mut *model {
            Model::Loaded { at, last_used } if !self.is_idle(cold, *last_used, now) => {
                *last_used = now.max(*at);
                *at
            }
            _ => {
                self.loads.fetch_add(1, Relaxed);
                let at = now + self.load;
                *model = Model::Loaded { at, last_used: at };
                at
            }
        }
    }

    fn is_idle(&self, cold: ColdStart, last_used: Instant, now: Instant) -> bool {
        let busy = self.in_flight.load(Relaxed) + self.queued.load(Relaxed) > 0;
        !busy && cold.idle.is_some_and(|idle| now.saturating_duration_since(last_used) > idle)
    }
}

/// The right to be worked on.
#[derive(Debug)]
pub(super) struct Slot {
    gate: Arc<Gate>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    fn new(gate: Arc<Gate>, permit: OwnedSemaphorePermit) -> Self {
        let in_flight = gate.in_flight.fetch_add(1, Relaxed) + 1;
        gate.peak.fetch_max(in_flight, Relaxed);
        Self { gate, permit: Some(permit) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Model::Loaded { at, last_used } = &mut *lock(&self.gate.model) {
            *last_used = Instant::now().max(*at);
        }
        // Before the permit goes, so that the count never passes the number of slots.
        self.gate.in_flight.fetch_sub(1, Relaxed);
        let is_surplus =
            self.gate.surplus.fetch_update(Relaxed, Relaxed, |surplus| surplus.checked_sub(1)).is_ok();
        if let Some(permit) = self.permit.take().filter(|_| is_surplus) {
            permit.forget();
        }
    }
}

/// A place in the queue, and how many were before it.
struct Place<'a>(&'a AtomicU64, u64);

impl<'a> Place<'a> {
    fn take(queued: &'a AtomicU64) -> Self {
        Self(queued, queued.fetch_add(1, Relaxed))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn gate(config: Config) -> Arc<Gate> {
        Arc::new(Gate::new(&config))
    }

    const LOAD: Duration = Duration::from_secs(20);

    fn cold(reject: bool) -> Config {
        let idle = Some(Duration::from_secs(60));
        Config { cold_start: Some(ColdStart { load: LOAD, idle, reject }), ..Config::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_beyond_the_slots_wait_in_order() {
        let gate = gate(Config { concurrency: Some(1), queue: Some(2), ..Config::default() });
        let first = gate.admit().await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = (0..2)
            .map(|n| {
                let (gate, order) = (gate.clone(), order.clone());
                tokio::spawn(async move {
                    let _slot = gate.admit().await.unwrap();
                    lock(&order).push(n);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(gate.queued.load(Relaxed), 2);
        assert!(matches!(gate.admit().await, Err(Refusal::QueueFull)));
        drop(first);
        for waiter in waiting {
            waiter.await.unwrap();
        }
        assert_eq!(*lock(&order), [0, 1]);
        assert_eq!([&gate.queued, &gate.in_flight, &gate.peak].map(|n| n.load(Relaxed)), [0, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn fewer_slots_are_in_force_once_those_too_many_are_given_back() {
        let gate = gate(Config { concurrency: Some(3), ..Config::default() });
        let mut slots = vec![gate.admit().await.unwrap(), gate.admit().await.unwrap()];
        gate.set_concurrency(1);
        assert!(gate.admit().now_or_never().is_none());
        drop(slots.pop());
        assert!(gate.admit().now_or_never().is_none(), "that was one too many");
        drop(slots.pop());
        slots.push(gate.admit().await.unwrap());
        assert!(gate.admit().now_or_never().is_none());
        gate.set_concurrency(2);
        slots.push(gate.admit().await.unwrap());
        assert!(gate.admit().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_in_the_queue_goes_with_its_future() {
        let gate = gate(Config { concurrency: Some(1), ..Config::default() });
        let slot = gate.admit().await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { drop(gate.admit().await) }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        let _ = waiting.await;
        assert_eq!(gate.queued.load(Relaxed), 0);
        drop(slot);
        drop(gate.admit().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_loads_for_all_and_idleness_unloads() {
        let gate = gate(cold(false));
        let start = Instant::now();
        assert!(!gate.is_loaded());
        let (a, b) = tokio::join!(gate.admit(), gate.admit());
        assert_eq!(Instant::now(), start + LOAD);
        assert!(gate.is_loaded());
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(gate.is_loaded(), "in use");
        drop((a, b));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(gate.is_loaded());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!gate.is_loaded());
        gate.admit().await.unwrap();
        assert_eq!(gate.loads.load(Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_model_that_rejects_says_when_it_is_ready() {
        let gate = gate(cold(true));
        assert!(matches!(gate.admit().await, Err(Refusal::Loading(left)) if left == LOAD));
        tokio::time::advance(LOAD).await;
        gate.admit().await.unwrap();
    }
}
