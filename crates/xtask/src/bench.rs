use std::path::Path;

use crate::workspace::{self, Workspace};

/// Runs all benches, or one, beside the crates that ours are compared with: first for times, then for allocations, as
/// a counting allocator would slow the times down.
pub(crate) fn run(workspace: &Workspace, name: Option<&str>) -> Result<(), String> {
    let names = workspace.targets(Path::new("benches"));
    let selection = match name {
        None => vec!["--benches"],
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
