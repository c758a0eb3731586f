use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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

/// Downloads a package, and none that it needs, into a folder.
pub(crate) fn download(
    workspace: &Workspace,
    package: &str,
    args: &[&str],
    folder: &Path,
) -> Result<(), String> {
    let mut pip = workspace.command(any_interpreter(workspace));
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    run(pip.args(["--only-binary", ":all:", package]).args(args).arg("--dest").arg(folder))
}

/// Compares the files of a folder with the SHA-256 that a list has of them.
pub(crate) fn check(folder: &Path, sums: &Path) -> Result<(), String> {
    run(Command::new("sha256sum").args(["--check", "--quiet", "--strict"]).arg(sums).current_dir(folder))
}

/// Takes a package apart.
pub(crate) fn extract(workspace: &Workspace, package: &Path, folder: &Path) -> Result<(), String> {
    let mut zipfile = workspace.command(any_interpreter(workspace));
    run(zipfile.args(["-m", "zipfile", "--extract"]).args([package, folder]))
}

/// The tests' own, or without it the system's.
fn any_interpreter(workspace: &Workspace) -> PathBuf {
    if is_here(workspace) { interpreter(workspace) } else { "python3".into() }
}

fn stamp(workspace: &Workspace) -> PathBuf {
    workspace.target.join("venv/requirements.stamp")
}
