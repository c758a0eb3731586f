use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::debian;
use crate::workspace::{Workspace, output, run};

/// A virtual environment with packages of its own.
pub(crate) struct Environment {
    /// In the folder of the build's files.
    folder: &'static str,
    /// Where its packages are listed, each pinned.
    requirements: &'static str,
}

/// What the tests use.
pub(crate) const TESTS: Environment =
    Environment { folder: "venv", requirements: "tests/python/requirements.txt" };

/// What `benches/index.rs` compares with.
pub(crate) const FAISS: Environment =
    Environment { folder: "venv-index", requirements: "benches/index/requirements.txt" };

/// A gateway that ours is compared with.
pub(crate) const LITELLM: Environment =
    Environment { folder: "litellm", requirements: "benches/gateway/litellm.txt" };

impl Environment {
    pub(crate) fn interpreter(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join(self.folder).join("bin/python")
    }

    /// Whether it was made from the requirements as they are now, and its interpreter still runs.
    pub(crate) fn is_here(&self, workspace: &Workspace) -> bool {
        let wanted = fs::read(workspace.root.join(self.requirements)).ok();
        let stamp = fs::read(self.stamp(workspace)).ok();
        wanted.is_some()
            && wanted == stamp
            && output(Command::new(self.interpreter(workspace)).arg("--version")).is_some()
    }

    pub(crate) fn install(&self, workspace: &Workspace) -> Result<(), String> {
        // Debian keeps `ensurepip` in a package of its own.
        if output(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_none() {
            debian::install(&["python3", "python3-venv"])?;
        }
        let folder = workspace.target.join(self.folder);
        run(workspace.command("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        run(workspace.command(self.interpreter(workspace)).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            self.requirements,
        ]))?;
        // Last, so that an install that broke off is begun again.
        fs::copy(workspace.root.join(self.requirements), self.stamp(workspace))
            .map(drop)
            .map_err(|error| format!("{}: {error}", self.stamp(workspace).display()))
    }

    fn stamp(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join(self.folder).join("requirements.stamp")
    }
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
    if TESTS.is_here(workspace) { TESTS.interpreter(workspace) } else { "python3".into() }
}
