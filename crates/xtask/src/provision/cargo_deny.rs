use std::{path::PathBuf, process::Command};

use crate::workspace::{Workspace, output, run, which};

/// The version that `deny.toml` is written for; a newer one will do.
const VERSION: &str = "0.20.2";

/// The program, new enough: on the PATH, or installed by us.
pub(crate) fn program(workspace: &Workspace) -> Option<PathBuf> {
    let ours = workspace.target.join("tools/bin/cargo-deny");
    which("cargo-deny").into_iter().chain([ours]).find(|program| {
        let said = output(Command::new(program).arg("--version"));
        said.and_then(|said| version(&said)) >= version(VERSION)
    })
}

pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    eprintln!("cargo-deny {VERSION} is built from source, once; this takes some minutes");
    run(workspace
        .cargo()
        .args(["install", "cargo-deny", "--locked", "--quiet", "--no-default-features", "--version", VERSION])
        .arg("--root")
        .arg(workspace.target.join("tools")))
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
        assert!(version("cargo-deny 0.100.0") > version(VERSION));
        assert!(version("cargo-deny 0.9.10") < version(VERSION));
        assert!(version("") < version(VERSION), "no version is too old");
    }
}
