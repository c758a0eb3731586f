use std::path::Path;

use crate::workspace::{self, Workspace};

/// Runs all benches, or one, with the crates that they compare ours with.
pub(crate) fn run(workspace: &Workspace, name: Option<&str>) -> Result<(), String> {
    let names = workspace.targets(Path::new("benches"));
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--locked", "--features", "peers"]);
    match name {
        None => cargo.arg("--benches"),
        Some(name) if names.iter().any(|known| known == name) => cargo.args(["--bench", name]),
        Some(name) => return Err(format!("there is no bench {name}; there are {}", names.join(", "))),
    };
    workspace::run(&mut cargo)
}
