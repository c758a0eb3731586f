use std::{
    fmt, fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread::sleep,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// How often it is asked whether the server is ready, and how many times at most.
const POLL: Duration = Duration::from_millis(20);
const POLLS: u32 = 1_500;

/// Ends the server and removes its folder once our end of the pipe is closed, as the kernel does when we are gone. In a group
/// of its own: what is sent to ours is not for it. Processes of the server may still write while they end.
const GUARD: &str = r#"trap "" INT TERM HUP; read -r _
pid=$(cat "$1/pid" 2>/dev/null) && kill -s "$2" "$pid" 2>/dev/null && sleep 1 && kill -KILL "$pid" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9; do rm -rf "$1" 2>/dev/null && break; sleep 1; done"#;

/// A server's process and its folder.
pub(super) struct Process {
    name: &'static str,
    pub(super) folder: PathBuf,
    pub(super) port: u16,
    /// What ends it in an orderly way, at once.
    end: Signal,
    child: Option<Child>,
    guard: Child,
}

impl Process {
    /// A folder for a server that is not started yet.
    pub(super) fn new(name: &'static str, end: Signal) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let folder = std::env::temp_dir().join(format!("dashpot-{name}-{}-{number}", std::process::id()));
        // Of a process with our number, long ago.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let signal = if end == Signal::QUIT { "QUIT" } else { "KILL" };
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&folder)
            .arg(signal)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        Self { name, folder, port: 0, end, child: None, guard }
    }

    /// Starts it on a free port, or on the one that it had, and waits until it is ready.
    pub(super) fn start(&mut self, command: impl Fn(u16, &Path) -> Command, ready: impl Fn(u16) -> bool) {
        // Another may have taken the port in between, and what was killed may not have let go of its files yet.
        for _ in 0..5 {
            let port = if self.port == 0 { free_port() } else { self.port };
            if self.try_start(command(port, &self.folder), || ready(port)) {
                self.port = port;
                return;
            }
            sleep(10 * POLL);
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        panic!("{} does not start: {log}", self.name);
    }

    fn try_start(&mut self, mut command: Command, ready: impl Fn() -> bool) -> bool {
        let log = fs::File::create(self.log()).expect("the folder is ours");
        let errors = log.try_clone().expect("a file");
        command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        fs::write(self.folder.join("pid"), child.id().to_string()).expect("the folder is ours");
        for _ in 0..POLLS {
            if child.try_wait().expect("a child").is_some() {
                return false;
            }
            if ready() {
                self.child = Some(child);
                return true;
            }
            sleep(POLL);
        }
        self.child = Some(child);
        self.kill();
        false
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Kills it, as a machine does that has run out of memory.
    pub(super) fn kill(&mut self) {
        self.end_by(Signal::KILL);
    }

    /// Sends it a signal, if it runs.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    fn end_by(&mut self, signal: Signal) {
        // Stopped, it would wait with its end until it goes on.
        self.signal(Signal::CONT);
        self.signal(signal);
        if let Some(mut child) = self.child.take() {
            // First, as its number may be another's once we have waited for it.
            let _ = fs::remove_file(self.folder.join("pid"));
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_by(self.end);
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name).field("port", &self.port).field("runs", &self.child.is_some()).finish()
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    listener.local_addr().expect("it is bound").port()
}
