use std::path::PathBuf;

use crate::{
    provision::{Provision, python},
    workspace::{self, Workspace, output},
};

/// Every test and doc test, but for the files that need a provision that was left out.
pub(crate) fn run(workspace: &Workspace, provisions: &[Provision]) -> Result<(), String> {
    // The gateway that the tests start is built here with the features of the whole workspace, as the tests are:
    // built from within a test, for its package alone, every dependency would be built a second time.
    let mut build = workspace.cargo();
    build.args(["build", "--locked", "--workspace", "--bins", "--examples"]);
    workspace::run(&mut build)?;

    let nextest = output(workspace.cargo().args(["nextest", "--version"])).is_some();
    if !nextest {
        eprintln!("cargo-nextest is not installed: cargo test runs the tests, one file after the other");
    }
    let mut tests = workspace.cargo();
    tests.args(if nextest { &["nextest", "run"][..] } else { &["test"] });
    tests.args(["--locked", "--workspace", "--no-fail-fast"]).args(selection(workspace, provisions));
    tests.env("DASHPOT_GATEWAY", workspace.target.join("debug/examples/gateway"));
    tests.env("DASHPOT_PYTHON", python::interpreter(workspace));
    workspace::run(&mut tests)?;

    workspace::run(workspace.cargo().args(["test", "--locked", "--workspace", "--doc"]))
}

/// Nothing, which is what cargo tests by default, or all targets by name but those left out: cargo has no option to
/// exclude one.
fn selection(workspace: &Workspace, provisions: &[Provision]) -> Vec<String> {
    let left_out = Provision::ALL.into_iter().filter(|provision| !provisions.contains(provision));
    let cannot_run: Vec<_> = left_out.flat_map(Provision::tests).copied().collect();
    if cannot_run.is_empty() {
        return Vec::new();
    }
    let crates = workspace.root.join("crates").read_dir().into_iter().flatten().flatten();
    let folders = crates.map(|entry| entry.path().join("tests")).chain([PathBuf::from("tests")]);
    let mut names: Vec<_> = folders.flat_map(|folder| workspace.targets(&folder)).collect();
    names.retain(|name| !cannot_run.contains(&name.as_str()));
    names.sort();
    names.dedup();
    let tests = names.into_iter().flat_map(|name| ["--test".to_owned(), name]);
    ["--lib", "--bins", "--examples"].into_iter().map(str::to_owned).chain(tests).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_everything_there_cargo_selects() {
        let workspace = Workspace::find().unwrap();
        let provisions = [Provision::Chromium, Provision::Curl, Provision::Python];
        assert_eq!(selection(&workspace, &provisions), [""; 0]);
    }

    #[test]
    fn what_cannot_run_is_not_selected_and_the_rest_is() {
        let workspace = Workspace::find().unwrap();
        let selection = selection(&workspace, &[Provision::Curl, Provision::Python]);
        let selects = |name: &str| selection.windows(2).any(|pair| pair == ["--test", name]);
        assert!(selects("dependencies") && selects("sdk") && !selects("browser"), "{selection:?}");
    }
}
