//! nginx and HAProxy in front of the gateway, each way of setting them up at a socket of its own.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    HaProxy,
}

/// A proxy as a program, until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    process: Child,
    folder: TempDir,
}

impl Proxy {
    /// Starts one in front of `upstream`, which is `http://` and an address, and waits until it listens.
    pub(crate) fn start(kind: Kind, upstream: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let address = upstream.strip_prefix("http://").expect("it is an address of HTTP");
        let (template, program) = match kind {
            Kind::Nginx => (include_str!("nginx.conf"), "nginx"),
            Kind::HaProxy => (include_str!("haproxy.cfg"), "haproxy"),
        };
        let place = folder.path().to_str().expect("it is text");
        let file = folder.path().join("config");
        fs::write(&file, template.replace("FOLDER", place).replace("UPSTREAM", address))
            .expect("the folder is ours");
        let mut command = Command::new(installed(program));
        match kind {
            Kind::Nginx => command.args(["-e", "stderr", "-c"]),
            Kind::HaProxy => command.args(["-db", "-f"]),
        };
        let process = command.arg(file).stdin(Stdio::null()).spawn().expect("it can be run");
        let proxy = Self { process, folder };
        proxy.wait();
        proxy
    }

    /// Where this way of setting it up listens.
    pub(crate) fn socket(&self, setup: &str) -> PathBuf {
        self.folder.path().join(setup)
    }

    fn wait(&self) {
        for _ in 0..1000 {
            if UnixStream::connect(self.socket("plain")).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the proxy does not listen; its reason stands above");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program's file. Debian keeps servers where only root looks for programs.
fn installed(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/local/sbin".into(), "/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|file: &PathBuf| Path::is_file(file));
    found.unwrap_or_else(|| panic!("{program} is missing: run cargo xtask setup"))
}
