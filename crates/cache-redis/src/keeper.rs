//! The connection, which comes back by itself. No request waits for it to be made: without one, it is told so at once.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dashpot_cache::StoreError;
use redis::cmd;
use rustls::ClientConfig;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{interval, sleep, timeout},
};

use crate::{
    Config, ConfigError, Semantic,
    connection::Connection,
    dial::{dial, system},
};

/// The waits between attempts to connect: twice as long after each, and up to half of it less, by chance.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Keeps a connection. It ends with this.
pub(crate) struct Keeper {
    slot: Arc<Slot>,
    connected: watch::Receiver<bool>,
    task: AbortHandle,
}

/// The place for a connection.
#[derive(Default)]
struct Slot(Mutex<Option<Arc<Connection>>>);

impl Slot {
    fn connection(&self) -> Option<Arc<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, connection: Option<Arc<Connection>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

impl Keeper {
    /// Begins to connect; within a tokio runtime.
    pub(crate) fn start(config: &Config) -> Result<Self, ConfigError> {
        let tls = match &config.tls {
            _ if !config.uses_tls => None,
            Some(tls) => Some(tls.clone()),
            None => Some(system().map_err(ConfigError::new)?),
        };
        let (sender, connected) = watch::channel(false);
        let slot = Arc::<Slot>::default();
        let work = Work { config: config.clone(), tls, slot: slot.clone(), connected: sender };
        Ok(Self { slot, connected, task: tokio::spawn(work.run()).abort_handle() })
    }

    pub(crate) fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        self.slot.connection().ok_or_else(|| StoreError::new("Redis is not connected"))
    }

    /// Waits until there is a connection.
    pub(crate) async fn connected(&self) {
        // The sender lives in the task, and that as long as this.
        let _ = self.connected.clone().wait_for(|connected| *connected).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("is_connected", &self.slot.connection().is_some()).finish()
    }
}

/// What fills the slot, again and again.
struct Work {
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    slot: Arc<Slot>,
    connected: watch::Sender<bool>,
}

impl Work {
    async fn run(self) {
        let (mut wait, mut known) = (FIRST_WAIT, None);
        loop {
            let mut was_connected = false;
            let Err(error) = self.keep(&mut was_connected).await;
            self.slot.set(None);
            self.connected.send_replace(false);
            if was_connected {
                (wait, known) = (FIRST_WAIT, None);
            }
            // Said once, until it has worked again, or fails for another reason.
            let reason = Some(error.to_string());
            if reason != known {
                tracing::warn!(error = &*error, "the cache's Redis is not connected");
                known = reason;
            }
            sleep(wait.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    /// Connects, and drives the connection until it ends.
    async fn keep(&self, was_connected: &mut bool) -> Result<Never, Box<dyn Error + Send + Sync>> {
        let within = self.config.connect_timeout;
        let dialled = timeout(within, dial(&self.config, self.tls.as_ref())).await;
        let (line, mut driver) = dialled.map_err(|_| "it takes too long")??;
        let ready = timeout(within, Connection::prepare(line, &self.config));
        let connection = tokio::select! {
            ready = ready => Arc::new(ready.map_err(|_| "to prepare it takes too long")??),
            () = &mut driver => return Err("it was closed".into()),
        };
        *was_connected = true;
        self.slot.set(Some(connection.clone()));
        self.connected.send_replace(true);
        if connection.semantic == Semantic::None {
            tracing::warn!("the cache's Redis has no vectors: answers are found by the same question only");
        }
        tracing::debug!(semantic = ?connection.semantic, "the cache's Redis is connected");
        tokio::select! {
            () = driver => Err("it was closed".into()),
            () = silence(&connection, self.config.timeout) => Err("it has not answered for too long".into()),
        }
    }
}

/// There is none.
enum Never {}

/// Waits until a connection that was asked something has not answered for `time`. The last that was asked may have been
/// answered when nobody waited any more: before it is given up, it is asked for nothing.
async fn silence(connection: &Connection, time: Duration) {
    if connection.is_cluster() {
        // One node that is silent is not to take the others away.
        return std::future::pending().await;
    }
    let (mut ticks, mut before) = (interval((time / 2).max(Duration::from_millis(1))), None);
    loop {
        ticks.tick().await;
        let answered = connection.answered();
        let is_silent = connection.unanswered() > 0 && before == Some(answered);
        if is_silent && connection.ask_anyway(&cmd("PING")).await.is_err() {
            return;
        }
        before = Some(connection.answered());
    }
}
