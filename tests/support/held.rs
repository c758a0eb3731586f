//! What a gateway holds, which must be no more after the last stream than before the first.

use std::{fs, time::Duration};

use tokio::time::sleep;

use super::Gateway;

/// What the gateway holds, the connection that asks for it included.
#[derive(Debug)]
pub(crate) struct Held {
    exchanges: u64,
    /// Slots of the limit.
    slots: u64,
    tasks: u64,
    files: usize,
}

impl Held {
    pub(crate) fn by(gateway: &Gateway) -> Self {
        let files = fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("it runs").count();
        Self {
            exchanges: gateway.metric("gateway_exchanges_in_flight"),
            slots: gateway.metric("gateway_limit_in_flight"),
            tasks: gateway.metric("gateway_tasks"),
            files,
        }
    }

    /// Waits until nobody is being answered, and no slot of the limit is taken: what is held then.
    ///
    /// # Panics
    ///
    /// If somebody or something still is after ten seconds.
    pub(crate) async fn by_idle(gateway: &Gateway) -> Self {
        for _ in 0..100 {
            let held = Self::by(gateway);
            if held.exchanges == 0 && held.slots == 0 {
                return held;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody asks, and it is not idle: {:?}", Self::by(gateway));
    }

    /// Waits until the gateway holds no more than this.
    ///
    /// # Panics
    ///
    /// If it still does after ten seconds.
    pub(crate) async fn is_all_that_stays(&self, gateway: &Gateway) {
        let mut after = Self::by(gateway);
        for _ in 0..100 {
            if after.is_within(self) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            after = Self::by(gateway);
        }
        panic!("something stayed behind: {after:?}, before {self:?}");
    }

    fn is_within(&self, other: &Self) -> bool {
        self.exchanges <= other.exchanges
            && self.slots <= other.slots
            && self.tasks <= other.tasks
            && self.files <= other.files
    }
}
