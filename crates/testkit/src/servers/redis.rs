use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use super::{find, installed, process::Process};

/// A Redis 8, with vector sets, that keeps nothing on a disk.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    args: Vec<String>,
}

impl Redis {
    /// Starts a server; `args` are its own, such as `["--maxmemory", "5mb"]`, `["--requirepass", "secret"]` or
    /// `["--replicaof", "127.0.0.1", "6379"]`.
    ///
    /// # Panics
    ///
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let mut redis = Self { process: Process::new("redis", Signal::KILL), args };
        redis.restart();
        redis
    }

    /// The same with the module RediSearch, which Redis Stack has.
    ///
    /// # Panics
    ///
    /// If one of them is not installed, or does not start.
    #[must_use]
    pub fn with_search(args: &[&str]) -> Self {
        let module = installed("DASHPOT_REDISEARCH", "redisearch").join("redisearch.so");
        let module = module.to_str().expect("a path that is text");
        Self::start(&[&["--loadmodule", module], args].concat())
    }

    /// Whether it is installed.
    #[must_use]
    pub fn is_installed() -> bool {
        find("DASHPOT_REDIS", "redis").is_some()
    }

    /// A server that is there already: the one that `DASHPOT_TEST_REDIS_URL` names.
    #[must_use]
    pub fn existing() -> Option<String> {
        env::var("DASHPOT_TEST_REDIS_URL").ok()
    }

    /// Starts it again on the same port, empty.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.process.kill();
        let program = program();
        let command = |port: u16, folder: &std::path::Path| {
            let mut command = Command::new(&program);
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(folder);
            command.args(["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]);
            command.args(&self.args);
            command
        };
        self.process.start(command, is_ready);
    }

    /// Where it is, with the password where it wants one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The same by another port, that of a [`Proxy`](super::Proxy).
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        let password = self.args.iter().skip_while(|arg| *arg != "--requirepass").nth(1);
        let password = password.map_or_else(String::new, |password| format!(":{password}@"));
        format!("redis://{password}127.0.0.1:{port}")
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Lets it hang: connections stay, and nothing is answered.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }
}

fn program() -> PathBuf {
    installed("DASHPOT_REDIS", "redis").join("redis-server")
}

/// Whether it answers: that a password is missing will do, that it is still loading will not.
fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        connection.write_all(b"PING\r\n")?;
        let mut answer = [0; 64];
        let len = connection.read(&mut answer)?;
        Ok([&b"+PONG"[..], b"-NOAUTH"].iter().any(|ready| answer[..len].starts_with(ready)))
    };
    ask().unwrap_or(false)
}
