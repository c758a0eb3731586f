use std::{path::PathBuf, process::Command};

use crate::workspace::{Workspace, output, run, which};

/// A program that cargo runs as a command of its own, and builds from source.
pub(crate) struct CargoTool {
    name: &'static str,
    /// What the workspace is written for; a newer one will do.
    version: &'static str,
    flags: &'static [&'static str],
}

/// For `deny.toml`.
pub(crate) const DENY: CargoTool =
    CargoTool { name: "cargo-deny", version: "0.20.2", flags: &["--no-default-features"] };

pub(crate) const SEMVER_CHECKS: CargoTool =
    CargoTool { name: "cargo-semver-checks", version: "0.51.0", flags: &[] };

impl CargoTool {
    /// The program, new enough: on the PATH, or installed by us.
    pub(crate) fn program(&self, workspace: &Workspace) -> Option<PathBuf> {
        let ours = workspace.target.join("tools/bin").join(self.name);
        // Both know the words by which cargo would call them, and some understand no others.
        let command = self.name.strip_prefix("cargo-").unwrap_or(self.name);
        which(self.name).into_iter().chain([ours]).find(|program| {
            let said = output(Command::new(program).args([command, "--version"]));
            said.and_then(|said| version(&said)) >= version(self.version)
        })
    }

    pub(crate) fn install(&self, workspace: &Workspace) -> Result<(), String> {
        let Self { name, version, flags } = self;
        eprintln!("{name} {version} is built from source, once; this takes some minutes");
        run(workspace
            .cargo()
            .args(["install", name, "--locked", "--quiet", "--version", version])
            .args(*flags)
            .arg("--root")
            .arg(workspace.target.join("tools")))
    }
}

/// The last word of `cargo-deny 0.20.2`, as numbers.
fn version(said: &str) -> Option<[u64; 3]> {
    let mut numbers = said.split_whitespace().last()?.split(['.', '-']).map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("cargo-deny 0.20.2\n"), Some([0, 20, 2]));
        assert!(version("cargo-deny 0.100.0") > version(DENY.version));
        assert!(version("cargo-deny 0.9.10") < version(DENY.version));
        assert!(version("") < version(DENY.version), "no version is too old");
    }
}
