mod install;

use std::{env, path::Path, process::Command};

use rustix::process::Signal;

use self::install::Install;
use super::{find, process::Process};

/// The name and the password of who may do everything.
const USER: &str = "postgres";
const PASSWORD: &str = "secret";

/// A PostgreSQL 18 with pgvector. It waits for no disk.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    install: Install,
    settings: Vec<String>,
}

impl Postgres {
    /// Starts a server with these settings, such as `["max_connections=20"]`, and a data directory of its own.
    ///
    /// # Panics
    ///
    /// If it is not installed, or does not start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        let mut postgres = Self::new(settings);
        let data = postgres.process.folder.join("data");
        let template = postgres.install.template();
        postgres.install.run(Command::new("cp").arg("-R").arg(template).arg(data));
        postgres.restart();
        postgres
    }

    /// Starts a replica of another, which can only be read.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn replica_of(primary: &Self) -> Self {
        let mut replica = Self::new(&[]);
        let mut backup = Command::new(replica.install.program("pg_basebackup"));
        backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"]);
        backup.arg(replica.process.folder.join("data")).arg("--dbname").arg(primary.url());
        replica.install.run(&mut backup);
        replica.restart();
        replica
    }

    /// Whether it is installed.
    #[must_use]
    pub fn is_installed() -> bool {
        find("DASHPOT_POSTGRES", "postgres").is_some()
    }

    /// A server that is there already: the one that `DASHPOT_TEST_POSTGRES_URL` names.
    #[must_use]
    pub fn existing() -> Option<String> {
        env::var("DASHPOT_TEST_POSTGRES_URL").ok()
    }

    fn new(settings: &[&str]) -> Self {
        let process = Process::new("postgres", Signal::QUIT);
        let install = Install::find();
        install.hand_over(&process.folder);
        Self { process, install, settings: settings.iter().map(|&setting| setting.to_owned()).collect() }
    }

    /// Starts it again on the same port, with the data that it had.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.process.kill();
        let command = |port: u16, folder: &Path| {
            let mut command = Command::new(self.install.program("postgres"));
            command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
            let ours = ["unix_socket_directories=", "fsync=off"];
            for setting in ours.into_iter().chain(self.settings.iter().map(String::as_str)) {
                command.args(["-c", setting]);
            }
            self.install.as_user(&mut command);
            command
        };
        let is_ready = |port: u16| {
            let mut ask = Command::new(self.install.program("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            ask.status().is_ok_and(|status| status.success())
        };
        self.process.start(command, is_ready);
    }

    /// Where its database is, with the name and the password of who may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The same by another port, that of a [`Proxy`](super::Proxy).
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres")
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// Kills it: the server that was listening, on which the others end too.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
