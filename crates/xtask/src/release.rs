use crate::{
    provision::{Provision, cargo_tool},
    workspace::{self, Workspace, output},
};

/// Packs each crate that is for others and builds it from its package, then compares what they offer with what they
/// offered at `baseline`. Publishes nothing.
pub(crate) fn run(
    workspace: &Workspace,
    provisions: &[Provision],
    baseline: Option<&str>,
) -> Result<(), String> {
    workspace::run(workspace.cargo().args(["publish", "--dry-run", "--workspace", "--locked"]))?;
    if !provisions.contains(&Provision::SemverChecks) {
        return Ok(());
    }
    let Some(baseline) = baseline.map(str::to_owned).or_else(|| newest_tag(workspace)) else {
        eprintln!("nothing has a tag yet: the first release breaks nobody, and is the baseline of the next");
        return Ok(());
    };
    let program = cargo_tool::SEMVER_CHECKS.program(workspace).ok_or("cargo-semver-checks is gone")?;
    let check = ["semver-checks", "--workspace", "--baseline-rev", &baseline];
    workspace::run(workspace.command(program).args(check))
}

fn newest_tag(workspace: &Workspace) -> Option<String> {
    let said = output(workspace.command("git").args(["describe", "--tags", "--abbrev=0", "--match", "v*"]))?;
    Some(said.trim().to_owned())
}
