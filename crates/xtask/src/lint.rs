use crate::{
    provision::{Provision, cargo_deny},
    workspace::{self, Workspace},
};

/// The quickest check first. `--locked` throughout: a manifest that `Cargo.lock` does not agree with is an error too.
pub(crate) fn run(workspace: &Workspace, provisions: &[Provision]) -> Result<(), String> {
    let cargo = |args: &str| {
        let mut cargo = workspace.cargo();
        cargo.args(args.split_whitespace());
        cargo
    };
    workspace::run(&mut cargo("fmt --all --check"))?;
    workspace::run(&mut cargo("clippy --locked --workspace --all-targets -- -D warnings"))?;
    workspace::run(cargo("doc --locked --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"))?;
    if provisions.contains(&Provision::CargoDeny) {
        let program = cargo_deny::program(workspace).ok_or("cargo-deny is gone")?;
        workspace::run(workspace.command(program).args("--locked check bans licenses sources".split(' ')))?;
    }
    Ok(())
}
