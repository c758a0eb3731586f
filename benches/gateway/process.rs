//! What is measured, as a process.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{client::Target, support};

/// Who has not answered by then never will.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A server as a program, until it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Its configuration, and what it says.
    folder: TempDir,
}

impl Process {
    /// Starts it, with its words in a file of `folder`.
    pub(crate) fn start(command: &mut Command, folder: TempDir) -> Result<Self, String> {
        let failed = |error| format!("{}: {error}", command.get_program().display());
        let said = File::create(folder.path().join("said")).map_err(failed)?;
        let also = said.try_clone().map_err(failed)?;
        let program = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stdout(said).stderr(also).spawn();
        let child = child.map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Self { child, folder })
    }

    /// Asks until it answers, and says for how long that was.
    pub(crate) async fn answers(&mut self, target: &Target) -> Result<Duration, String> {
        let begun = Instant::now();
        loop {
            let why = match target.ask_once().await {
                Ok(()) => return Ok(Instant::now() - begun),
                Err(why) => why,
            };
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() - begun > START_TIMEOUT {
                let said = fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
                return Err(format!(
                    "{}does not answer: {why}\n{said}",
                    if ended { "has ended, " } else { "" }
                ));
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// How much memory it and what it started has in use, in bytes.
    pub(crate) fn rss(&self) -> u64 {
        rss(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The simulated model server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _output: BufReader<std::process::ChildStdout>,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Result<Self, String> {
        let mut child = Command::new(support::model_server())
            .args(["--listen", "127.0.0.1:0", "--ttft-ms", "0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the model server: {error}"))?;
        let mut output = BufReader::new(child.stdout.take().ok_or("the model server has no output")?);
        let mut line = String::new();
        output.read_line(&mut line).map_err(|error| error.to_string())?;
        let address = line.trim_end().strip_prefix("model server listening on http://").map(str::to_owned);
        let address = address.ok_or_else(|| format!("the model server said {line:?}"))?;
        Ok(Self { child, address, _output: output })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the machine does beside, as the kernel counts it.
pub(crate) fn load() -> String {
    let said = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    said.split(' ').next().unwrap_or_default().to_owned()
}

fn rss(process: u32) -> u64 {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let threads = fs::read_dir(folder.join("task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let below: u64 = children
        .flat_map(|list| list.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>())
        .map(rss)
        .sum();
    kib.unwrap_or(0u64) * 1024 + below
}
