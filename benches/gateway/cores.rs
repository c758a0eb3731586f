//! Who runs where.

use std::{
    fmt,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core for each, as far as there are so many.
#[derive(Debug)]
pub(crate) struct Cores {
    client: usize,
    server: usize,
    contestant: usize,
}

impl Cores {
    /// Of those that this process may use.
    pub(crate) fn find() -> Result<Self, String> {
        let ours = sched_getaffinity(None).map_err(|error| error.to_string())?;
        let ours: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| ours.is_set(core)).collect();
        match ours[..] {
            [client, server, .., contestant] => Ok(Self { client, server, contestant }),
            [both, contestant] => Ok(Self { client: both, server: both, contestant }),
            _ => Err("there must be two cores: the contestant has one to itself".into()),
        }
    }

    /// From now on this thread, and what is started from it, is where the client is to be.
    pub(crate) fn client(&self) {
        pin(self.client);
    }

    /// Starts a model server where it is to be.
    pub(crate) fn server<T>(&self, start: impl FnOnce() -> T) -> T {
        self.at(self.server, start)
    }

    /// Starts a contestant where it is to be.
    pub(crate) fn contestant<T>(&self, start: impl FnOnce() -> T) -> T {
        self.at(self.contestant, start)
    }

    /// A process inherits its place from the thread that starts it, so that it is never anywhere else.
    fn at<T>(&self, core: usize, start: impl FnOnce() -> T) -> T {
        pin(core);
        let started = start();
        self.client();
        started
    }
}

/// Keeps each core awake, until it is dropped, with something that runs only while nothing else is to.
///
/// A core that sleeps is woken by an interrupt, on a virtual machine by its host. That takes longer than most of what is
/// measured here, and whether a core sleeps depends on how long a contestant lets it wait.
#[derive(Debug)]
pub(crate) struct Awake(Vec<Child>);

impl Awake {
    pub(crate) fn new(cores: &Cores) -> Result<Self, String> {
        let mut each = vec![cores.client, cores.server, cores.contestant];
        each.dedup();
        // Ended with us, and without calls of the system, which would take from a contestant what it has in the core's caches.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "chrt", "--idle", "0", "sh", "-c", "while :; do :; done"]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut awake = Self(Vec::new());
        for core in each {
            let child = cores.at(core, || command.spawn());
            let wrong = |error| format!("setpriv, of util-linux, which keeps the cores awake: {error}");
            awake.0.push(child.map_err(wrong)?);
        }
        // Who may not run so, or finds no shell, ends at once.
        thread::sleep(Duration::from_millis(100));
        match awake.0.iter_mut().find_map(|child| child.try_wait().ok().flatten()) {
            Some(status) => {
                Err(format!("the cores cannot be kept awake: setpriv chrt --idle 0 sh: {status}"))
            }
            None => Ok(awake),
        }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // An error means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, server, contestant } = self;
        write!(f, "client on core {client}, model server on core {server}, contestant on core {contestant}")
    }
}

fn pin(core: usize) {
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one).expect("it is one of those that we may use");
}
