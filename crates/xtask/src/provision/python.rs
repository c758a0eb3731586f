use std::{fs, path::PathBuf, process::Command};

use super::debian;
use crate::workspace::{Workspace, output, run};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// The interpreter of the virtual environment that the tests use.
pub(crate) fn interpreter(workspace: &Workspace) -> PathBuf {
    workspace.target.join("venv/bin/python")
}

/// Whether the environment was made from the requirements as they are now, and its interpreter still runs.
pub(crate) fn is_here(workspace: &Workspace) -> bool {
    let wanted = fs::read(workspace.root.join(REQUIREMENTS)).ok();
    let stamp = fs::read(stamp(workspace)).ok();
    wanted.is_some()
        && wanted == stamp
        && output(Command::new(interpreter(workspace)).arg("--version")).is_some()
}

pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    // Debian keeps `ensurepip` in a package of its own.
    if output(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_none() {
        debian::install(&["python3", "python3-venv"])?;
    }
    run(workspace.command("python3").args(["-m", "venv", "--clear"]).arg(workspace.target.join("venv")))?;
    run(workspace.command(interpreter(workspace)).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        REQUIREMENTS,
    ]))?;
    // Last, so that an install that broke off is begun again.
    fs::copy(workspace.root.join(REQUIREMENTS), stamp(workspace))
        .map(drop)
        .map_err(|error| format!("{}: {error}", stamp(workspace).display()))
}

fn stamp(workspace: &Workspace) -> PathBuf {
    workspace.target.join("venv/requirements.stamp")
}
