use std::{
    collections::HashMap,
    fmt,
    future::{pending, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{self, AsyncRead},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use super::{StartError, Starter, Step};

/// An upstream that is a child process, with all that it starts itself.
///
/// Each runs in a process group of its own, which is told to end (`SIGTERM`) when the upstream is stopped, and killed when
/// that takes too long or nobody waits for it, when the child ends by itself, and when this is dropped. Who is killed without
/// a word (`SIGKILL`) cannot do that: where it matters, start the command by `setpriv --pdeathsig KILL`, or in a container.
///
/// What a command says into pipes nobody reads: it is thrown away, so that it does not have to wait for a reader.
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
#[derive(Clone)]
struct Group {
    pid: Pid,
    /// Whether it has ended.
    ended: watch::Receiver<bool>,
}

impl Group {
    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    async fn end(&mut self) {
        // An error is an end too: its task has gone.
        drop(self.ended.wait_for(|ended| *ended).await);
    }

    /// Unless it has ended: its number may be another's by now.
    fn signal(&self, to: Signal) {
        if !self.has_ended() {
            signal(self.pid, to);
        }
    }
}

/// Is killed if nobody waits for its end any more.
struct Doomed(Group);

impl Drop for Doomed {
    fn drop(&mut self) {
        self.0.signal(Signal::KILL);
    }
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
        let group = children.get(key).filter(|group| !group.has_ended())?;
        u32::try_from(group.pid.as_raw_nonzero().get()).ok()
    }

    fn spawn(&self, key: &str) -> Result<(), StartError> {
        // After a loss it may still run: then it is asked whether it is well.
        if self.pid(key).is_some() {
            return Ok(());
        }
        let child = (self.command)(key).process_group(0).kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.ok_or("it has ended already")?;
        let (end, ended) = watch::channel(false);
        tokio::spawn(supervise(child, Leader { pid, end }));
        let mut children = self.children();
        children.retain(|_, group| !group.has_ended());
        children.insert(key.into(), Group { pid, ended });
        Ok(())
    }

    fn group(&self, key: &str) -> Option<Group> {
        self.children().get(key).cloned()
    }
}

impl<A> Process<A> {
    fn children(&self) -> MutexGuard<'_, HashMap<Box<str>, Group>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills its group when it goes, and says so: with the task of its child, whatever ends that.
struct Leader {
    pid: Pid,
    end: watch::Sender<bool>,
}

impl Drop for Leader {
    fn drop(&mut self) {
        signal(self.pid, Signal::KILL);
        self.end.send_replace(true);
    }
}

async fn supervise(mut child: Child, leader: Leader) {
    let (mut out, mut errors) = (pin!(spill(child.stdout.take())), pin!(spill(child.stderr.take())));
    let status = {
        let mut ended = pin!(child.wait());
        poll_fn(|cx| {
            let (_, _) = (out.as_mut().poll(cx), errors.as_mut().poll(cx));
            ended.as_mut().poll(cx)
        })
        .await
    };
    match status {
        Ok(status) => {
            tracing::info!(pid = leader.pid.as_raw_nonzero().get(), %status, "an upstream's process ended");
        }
        Err(error) => tracing::warn!(%error, "an upstream's process cannot be waited for"),
    }
    // And with it goes what the child has started and left behind.
    drop(leader);
}

/// Throws away what nobody reads, if there is a pipe for it. It never ends.
async fn spill(from: Option<impl AsyncRead + Unpin>) {
    if let Some(mut from) = from {
        let _: io::Result<u64> = io::copy(&mut from, &mut io::sink()).await;
    }
    pending::<()>().await;
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
            let Some(group) = self.group(key) else { return Ok(()) };
            let mut group = Doomed(group);
            group.0.signal(Signal::TERM);
            if timeout(self.grace, group.0.end()).await.is_err() {
                group.0.signal(Signal::KILL);
                group.0.end().await;
            }
            self.children().remove(key);
            Ok(())
        })
    }

    fn ended<'a>(&'a self, key: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // If there is none, it has.
            if let Some(mut group) = self.group(key) {
                group.end().await;
            }
        })
    }
}

/// Its children go with it.
impl<A> Drop for Process<A> {
    fn drop(&mut self) {
        for group in self.children.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            group.signal(Signal::KILL);
        }
    }
}

impl<A> fmt::Debug for Process<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("grace", &self.grace)
            .field("processes", &self.children().len())
            .finish_non_exhaustive()
    }
}
