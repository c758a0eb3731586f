use std::{
    collections::HashMap,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use super::{StartError, Starter, Step};

/// An upstream that is a child process, with all that it starts itself.
///
/// Each runs in a process group of its own, which is told to end (`SIGTERM`) when the upstream is stopped, and killed when
/// that takes too long, when the child ends by itself, and when this is dropped. Who is killed without a word (`SIGKILL`)
/// cannot do that: where it matters, start the command by `setpriv --pdeathsig KILL`, or in a container.
///
/// How to ask whether it is up, and for a first inference, another starter knows: mostly [`Http`](super::Http).
///
/// Unix only: elsewhere nothing is known of groups.
pub struct Process<A> {
    command: Arc<dyn Fn(&str) -> Command + Send + Sync>,
    asks: A,
    grace: Duration,
    children: Mutex<HashMap<Box<str>, Group>>,
}

/// A child that runs, and what it has started.
struct Group {
    pid: Pid,
    /// Ends with the child; its task owns the child.
    ended: watch::Receiver<bool>,
}

impl<A: Starter> Process<A> {
    /// Starts this command for a key, and lets `asks` probe and prime it.
    #[must_use]
    pub fn new(command: impl Fn(&str) -> Command + Send + Sync + 'static, asks: A) -> Self {
        Self { command: Arc::new(command), asks, grace: Duration::from_secs(10), children: Mutex::default() }
    }

    /// How long it may take to end when it is told to, before it is killed. Default: 10 seconds.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The process of a key, if it runs.
    #[must_use]
    pub fn pid(&self, key: &str) -> Option<u32> {
        let children = self.children();
        let group = children.get(key).filter(|group| !*group.ended.borrow())?;
        u32::try_from(group.pid.as_raw_nonzero().get()).ok()
    }

    fn spawn(&self, key: &str) -> Result<(), StartError> {
        let mut children = self.children();
        // After a loss it may still run: then it is asked whether it is well.
        if children.get(key).is_some_and(|group| !*group.ended.borrow()) {
            return Ok(());
        }
        let child = (self.command)(key).process_group(0).kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.ok_or("it has ended already")?;
        let (end, ended) = watch::channel(false);
        tokio::spawn(supervise(child, Leader(pid), end));
        children.insert(key.into(), Group { pid, ended });
        Ok(())
    }

    fn ended_of(&self, key: &str) -> Option<watch::Receiver<bool>> {
        self.children().get(key).map(|group| group.ended.clone())
    }

    fn children(&self) -> MutexGuard<'_, HashMap<Box<str>, Group>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills its group when it goes: with the task of its child, whatever ends that.
struct Leader(Pid);

impl Drop for Leader {
    fn drop(&mut self) {
        signal(self.0, Signal::KILL);
    }
}

async fn supervise(mut child: Child, leader: Leader, end: watch::Sender<bool>) {
    match child.wait().await {
        Ok(status) => {
            tracing::info!(pid = leader.0.as_raw_nonzero().get(), %status, "an upstream's process ended");
        }
        Err(error) => tracing::warn!(%error, "an upstream's process cannot be waited for"),
    }
    // What the child has started and left behind.
    drop(leader);
    end.send_replace(true);
}

fn signal(group: Pid, signal: Signal) {
    // That there is no such group any more is what is wanted.
    let _: rustix::io::Result<()> = kill_process_group(group, signal);
}

impl<A: Starter> Starter for Process<A> {
    fn start<'a>(&'a self, key: &'a str) -> Step<'a> {
        Box::pin(async move { self.spawn(key) })
    }

    fn probe<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.asks.probe(key)
    }

    fn prime<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.asks.prime(key)
    }

    fn sleep<'a>(&'a self, key: &'a str) -> Step<'a> {
        self.asks.sleep(key)
    }

    fn wake<'a>(&'a self, key: &'a str) -> Step<'a> {
        Box::pin(async move {
            self.spawn(key)?;
            self.asks.wake(key).await
        })
    }

    fn stop<'a>(&'a self, key: &'a str) -> Step<'a> {
        Box::pin(async move {
            let Some((pid, mut ended)) =
                self.children().get(key).map(|group| (group.pid, group.ended.clone()))
            else {
                return Ok(());
            };
            if !*ended.borrow() {
                signal(pid, Signal::TERM);
                if timeout(self.grace, ended.wait_for(|ended| *ended)).await.is_err() {
                    signal(pid, Signal::KILL);
                    ended.wait_for(|ended| *ended).await.map_err(io::Error::other)?;
                }
            }
            self.children().remove(key);
            Ok(())
        })
    }

    fn ended<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            match self.ended_of(key) {
                // An error is an end too: its task has gone.
                Some(mut ended) => drop(ended.wait_for(|ended| *ended).await),
                None => std::future::pending().await,
            }
        })
    }
}

/// Its children go with it.
impl<A> Drop for Process<A> {
    fn drop(&mut self) {
        for group in self.children.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            if !*group.ended.borrow() {
                signal(group.pid, Signal::KILL);
            }
        }
    }
}

impl<A> fmt::Debug for Process<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("grace", &self.grace).finish_non_exhaustive()
    }
}
