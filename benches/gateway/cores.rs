//! Who runs where.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
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

/// No core sleeps as long as the file is open, but looks for something to do: Linux lets none into a state that takes more than
/// so many microseconds to leave.
///
/// A core that sleeps is woken by an interrupt, on a virtual machine by its host, and that takes longer than most of what is
/// measured here. Many look for some time before they sleep, so that who answers soon meets a core that is awake, and who
/// takes a little longer one that is not.
pub(crate) fn poll() -> Result<File, String> {
    const LATENCY: &str = "/dev/cpu_dma_latency";
    let open = || {
        let mut file = File::options().write(true).open(LATENCY)?;
        file.write_all(&0_i32.to_ne_bytes())?;
        Ok(file)
    };
    open().map_err(|error: io::Error| format!("--poll wants {LATENCY}, which only root may write: {error}"))
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
