use std::{fs, path::Path};

use crate::{
    provision::{Provision, cargo_tool},
    workspace::{self, Workspace},
};

/// The quickest check first. `--locked` throughout: a manifest that `Cargo.lock` does not agree with is an error too.
pub(crate) fn run(workspace: &Workspace, provisions: &[Provision]) -> Result<(), String> {
    let cargo = |args: &str| {
        let mut cargo = workspace.cargo();
        cargo.args(args.split(' '));
        cargo
    };
    workspace::run(&mut cargo("fmt --all --check"))?;
    // The root package by itself: with all its features it would need a C++ compiler.
    let crates = "--locked --workspace --exclude dashpot-workspace --all-features";
    workspace::run(&mut cargo(&format!("clippy {crates} --all-targets -- -D warnings")))?;
    workspace::run(&mut cargo("clippy --locked --all-targets --features peers,allocations -- -D warnings"))?;
    // As `cargo xtask bench` builds them to measure times.
    workspace::run(&mut cargo("clippy --locked --benches --features peers -- -D warnings"))?;
    // Each by itself: beside the others, a crate can use a feature of a dependency that only they have turned on.
    for package in published(workspace) {
        workspace::run(&mut cargo(&format!("clippy --locked --package {package} -- -D warnings")))?;
    }
    let mut doc = cargo(&format!("doc {crates} --no-deps"));
    workspace::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    if provisions.contains(&Provision::CargoDeny) {
        let program = cargo_tool::DENY.program(workspace).ok_or("cargo-deny is gone")?;
        workspace::run(
            workspace.command(program).args(["--locked", "check", "bans", "licenses", "sources"]),
        )?;
    }
    Ok(())
}

/// The names of the crates that are for others to use.
fn published(workspace: &Workspace) -> Vec<String> {
    let folders = workspace.root.join("crates").read_dir().into_iter().flatten().flatten();
    let mut names: Vec<_> = folders.filter_map(|folder| published_name(&folder.path())).collect();
    names.sort();
    names
}

fn published_name(folder: &Path) -> Option<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let value = |key: &str| manifest.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    match value("publish") {
        Some("false") => None,
        _ => Some(value("name")?.trim_matches('"').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_crates_are_found_and_the_others_are_not() {
        let published = published(&Workspace::find().unwrap());
        let has = |name: &str| published.iter().any(|known| known == name);
        assert!(has("dashpot") && has("dashpot-core"), "{published:?}");
        assert!(!has("xtask") && !has("dashpot-testkit"), "{published:?}");
    }
}
