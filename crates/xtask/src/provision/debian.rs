use std::process::Command;

use crate::workspace::{output, run, which};

/// Installs Debian packages where we may; elsewhere the reason says what to install.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if which("apt-get").is_none() || !is_root() {
        return Err(by_hand);
    }
    let done = run(apt().arg("update"))
        .and_then(|()| run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages)));
    done.map_err(|reason| format!("{by_hand}: {reason}"))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    // Another apt-get may be running, as on a machine that has just started: wait instead of failing.
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-o", "DPkg::Lock::Timeout=300"]);
    command
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}
