//! The connections, which come back by themselves. No request waits for one to be made: without one, it is told so at once.

use std::{
    error::Error,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dashpot_cache::StoreError;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{interval, sleep, timeout},
};

use crate::{Config, ConfigError, connection::Connection, tls};

/// The waits between attempts to connect: twice as long after each, and up to half of it less, by chance.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// All connections. They end with this.
#[derive(Debug)]
pub(crate) struct Pool {
    slots: Vec<Arc<Slot>>,
    tasks: Vec<AbortHandle>,
    connected: watch::Receiver<bool>,
}

/// A place for a connection.
#[derive(Debug, Default)]
struct Slot(Mutex<Option<Arc<Connection>>>);

impl Slot {
    fn connection(&self) -> Option<Arc<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, connection: Option<Arc<Connection>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

impl Pool {
    /// Begins to connect; within a tokio runtime.
    pub(crate) fn start(config: &Config) -> Result<Self, ConfigError> {
        let (server, tls) = config.finished()?;
        let (sender, connected) = watch::channel(false);
        let slots: Vec<Arc<Slot>> = std::iter::repeat_with(<_>::default).take(config.connections).collect();
        let task = |(number, slot): (usize, &Arc<Slot>)| {
            let keeper = Keeper {
                config: config.clone(),
                server: server.clone(),
                tls: tls.clone(),
                slot: slot.clone(),
                connected: sender.clone(),
                is_first: number == 0,
            };
            tokio::spawn(keeper.run()).abort_handle()
        };
        let tasks = slots.iter().enumerate().map(task).collect();
        Ok(Self { slots, tasks, connected })
    }

    /// The one that has the least to do; of equals always the same, whose server process has everything at hand.
    pub(crate) fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        let connections = self.slots.iter().filter_map(|slot| slot.connection());
        let idlest = connections.min_by_key(|connection| connection.unanswered());
        idlest.ok_or_else(|| StoreError::new("the database is not connected"))
    }

    /// Waits until there is a connection.
    pub(crate) async fn connected(&self) {
        // The sender lives in the tasks, and those as long as this.
        let _ = self.connected.clone().wait_for(|connected| *connected).await;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What fills one slot, again and again.
struct Keeper {
    config: Config,
    server: tokio_postgres::Config,
    tls: tls::Connect,
    slot: Arc<Slot>,
    connected: watch::Sender<bool>,
    /// Who speaks for all: they fail together.
    is_first: bool,
}

impl Keeper {
    async fn run(self) {
        let (mut wait, mut known) = (FIRST_WAIT, None);
        loop {
            let mut was_connected = false;
            let Err(error) = self.keep(&mut was_connected).await;
            self.slot.set(None);
            if was_connected {
                (wait, known) = (FIRST_WAIT, None);
            }
            // Said once, until it has worked again, or fails for another reason.
            let reason = Some(reason(&*error));
            if self.is_first && reason != known {
                tracing::warn!(error = &*error, "the cache's database is not connected");
                known = reason;
            }
            sleep(wait.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    /// Connects, and drives the connection until it ends.
    async fn keep(&self, was_connected: &mut bool) -> Result<Never, Box<dyn Error + Send + Sync>> {
        let (mut server, tls) = (self.server.clone(), self.tls.clone());
        server.connect_timeout(self.config.connect_timeout);
        let within = self.config.connect_timeout;
        let (client, driver) =
            timeout(within, server.connect(tls)).await.map_err(|_| "it takes too long")??;
        let mut driver = pin!(driver);
        let ready = Connection::prepare(client, &self.config);
        let connection = tokio::select! {
            ready = ready => Arc::new(ready?),
            end = &mut driver => return Err(ended(end)),
        };
        *was_connected = true;
        self.slot.set(Some(connection.clone()));
        self.connected.send_replace(true);
        if self.is_first {
            tracing::debug!("the cache's database is connected");
        }
        tokio::select! {
            end = driver => Err(ended(end)),
            () = connection.gone.notified() => Err("its tables, or what was prepared, are gone".into()),
            () = silence(&connection, self.config.timeout) => Err("it has not answered for too long".into()),
        }
    }
}

/// There is none.
enum Never {}

/// With what is behind it: by itself it is only some error of the database.
fn reason(error: &(dyn Error + 'static)) -> String {
    let (mut reason, mut behind) = (error.to_string(), error.source());
    while let Some(error) = behind {
        reason = format!("{reason}: {error}");
        behind = error.source();
    }
    reason
}

fn ended(end: Result<(), tokio_postgres::Error>) -> Box<dyn Error + Send + Sync> {
    match end {
        Ok(()) => "it was closed".into(),
        Err(error) => error.into(),
    }
}

/// Waits until a connection that was asked something has not answered for `time`. The last that was asked may have been
/// answered when nobody waited any more: before it is given up, it is asked for nothing.
async fn silence(connection: &Connection, time: Duration) {
    let (mut ticks, mut before) = (interval((time / 2).max(Duration::from_millis(1))), None);
    loop {
        ticks.tick().await;
        let answered = connection.answered();
        let is_silent = connection.unanswered() > 0 && before == Some(answered);
        if is_silent && connection.ask_anyway(connection.client.simple_query("")).await.is_err() {
            return;
        }
        before = Some(connection.answered());
    }
}
