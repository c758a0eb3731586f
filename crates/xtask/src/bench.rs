use std::path::Path;

use crate::{
    provision::Provision,
    workspace::{self, Workspace},
};

/// It compares programs, which are set up for it alone.
const GATEWAY: &str = "gateway";

/// Runs all benches, or one, beside the crates that ours are compared with: first for times, then for allocations, as
/// a counting allocator would slow the times down.
pub(crate) fn run(workspace: &Workspace, name: Option<&str>, left_out: &[Provision]) -> Result<(), String> {
    let names = workspace.targets(Path::new("benches"));
    let all = || names.iter().map(String::as_str).filter(|known| *known != GATEWAY);
    let selection = match name {
        None => all().flat_map(|known| ["--bench", known]).collect(),
        Some(GATEWAY) => return gateway(workspace, left_out),
        Some(name) if names.iter().any(|known| known == name) => vec!["--bench", name],
        Some(name) => return Err(format!("there is no bench {name}; there are: {}", names.join(", "))),
    };
    // What only one of them needs takes minutes to build, and a C++ compiler.
    let peers = if name == Some("index") { "usearch" } else { "peers" };
    for features in [peers.to_owned(), format!("{peers},allocations")] {
        let mut cargo = workspace.cargo();
        workspace::run(cargo.args(["bench", "--locked", "--features", &features]).args(&selection))?;
    }
    Ok(())
}

/// It counts no allocations, and is told what was not set up for it.
fn gateway(workspace: &Workspace, left_out: &[Provision]) -> Result<(), String> {
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--locked", "--features", "peers", "--bench", GATEWAY, "--"]);
    workspace::run(cargo.args(left_out.iter().flat_map(|provision| ["--without", provision.name()])))
}
