use std::sync::Arc;

use tokio::sync::watch;

use crate::{Stats, WarmState, upstream::Upstream, upstreams::Upstreams};

/// Shows an upstream, and lets an operator start and stop it. Cheap to clone.
///
/// Its task runs as long as the layer, one of its services or a handle does.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) upstream: Arc<Upstream>,
    /// Its task lives as long as this.
    pub(crate) _alive: Arc<Upstreams>,
}

impl Handle {
    /// Where it is between cold and warm.
    #[must_use]
    pub fn state(&self) -> WarmState {
        self.upstream.state()
    }

    /// Whether requests go to it: what a readiness probe asks.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state().is_ready()
    }

    /// The upstream at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.upstream.stats()
    }

    /// Starts it, if it is not warm: it then stays warm as after a request, a minute at least. Until it works, or
    /// [`cool`](Self::cool). Call it in a runtime.
    pub fn warm(&self) {
        self.upstream.warm();
    }

    /// Stops it as soon as those that are under way are over. The next request starts it again.
    pub fn cool(&self) {
        self.upstream.cool();
    }

    /// Lets the policy begin before anybody has come: [`Always`](crate::policy::Always) starts it now, a
    /// [`Schedule`](crate::policy::Schedule) in time. Call it in a runtime.
    pub fn follow_policy(&self) {
        self.upstream.begin();
    }

    /// Waits for changes of the state.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.upstream.subscribe())
    }
}

/// Waits for changes of an upstream's state; sees the latest, and not each of those that follow each other closely.
#[derive(Clone, Debug)]
pub struct Subscription(watch::Receiver<WarmState>);

impl Subscription {
    /// The state at this moment.
    #[must_use]
    pub fn state(&self) -> WarmState {
        *self.0.borrow()
    }

    /// Waits for a change; `None` if there will be none, since the upstream is forgotten.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it loses no change.
    pub async fn changed(&mut self) -> Option<WarmState> {
        self.0.changed().await.ok()?;
        Some(*self.0.borrow_and_update())
    }

    /// Waits until requests go to the upstream; `false` if that will not be.
    pub async fn ready(&mut self) -> bool {
        self.0.wait_for(|state| state.is_ready()).await.is_ok()
    }
}
