use crate::{
    provision::{Provision, model, onnx, postgres, python, redis},
    workspace::{self, Workspace, output},
};

/// Every test and doc test, but for the files that need a provision that was left out.
pub(crate) fn run(workspace: &Workspace, provisions: &[Provision]) -> Result<(), String> {
    // The features must be the same in every step, or dependencies are built again in between. Those that tests need
    // and no dev-dependency turns on stand here; `peers` are for the benches.
    let features = "dashpot-embed/ort,dashpot-testkit/alloc,dashpot-testkit/load,dashpot-testkit/servers";
    let cargo = |command: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo.args(command).args(["--locked", "--workspace", "--features", features]);
        cargo
    };
    // Tests start the examples as programs. Built by a test, with features of their own, they would take a second build.
    workspace::run(cargo(&["build"]).args(["--bins", "--examples"]))?;

    let nextest = output(workspace.cargo().args(["nextest", "--version"])).is_some();
    if !nextest {
        eprintln!(
            "cargo-nextest is not installed: cargo test runs the tests instead, one file after the other"
        );
    }
    let mut tests = cargo(if nextest { &["nextest", "run"] } else { &["test"] });
    tests.arg("--no-fail-fast").args(selection(workspace, provisions));
    tests.env("DASHPOT_EXAMPLES", workspace.target.join("debug/examples"));
    tests.env("DASHPOT_MINILM", model::folder(workspace));
    tests.env("DASHPOT_ONNX", onnx::folder(workspace));
    tests.env("DASHPOT_POSTGRES", postgres::folder(workspace));
    tests.env("DASHPOT_PYTHON", python::TESTS.interpreter(workspace));
    tests.env("DASHPOT_REDIS", redis::folder(workspace));
    tests.env("DASHPOT_REDISEARCH", redis::module_folder(workspace));
    workspace::run(&mut tests)?;

    workspace::run(cargo(&["test"]).arg("--doc"))
}

/// All targets that have tests; by name if some are left out, as cargo has no option to exclude one.
fn selection(workspace: &Workspace, provisions: &[Provision]) -> Vec<String> {
    let left_out = Provision::ALL.into_iter().filter(|provision| !provisions.contains(provision));
    let cannot_run: Vec<_> = left_out.flat_map(Provision::tests).copied().collect();
    if cannot_run.is_empty() {
        return vec!["--tests".into()];
    }
    let names = workspace.tests().into_iter().filter(|name| !cannot_run.contains(&name.as_str()));
    let tests = names.flat_map(|name| ["--test".to_owned(), name]);
    ["--lib", "--bins", "--examples"].into_iter().map(str::to_owned).chain(tests).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_everything_there_nothing_is_selected_by_name() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(selection(&workspace, &Provision::ALL), ["--tests"]);
    }

    #[test]
    fn what_cannot_run_is_not_selected_and_the_rest_is() {
        let workspace = Workspace::find().unwrap();
        let selection = selection(&workspace, &[Provision::Curl, Provision::Python]);
        let selects = |name: &str| selection.windows(2).any(|pair| pair == ["--test", name]);
        assert!(selects("dependencies") && selects("sdk") && !selects("browser"), "{selection:?}");
    }
}
