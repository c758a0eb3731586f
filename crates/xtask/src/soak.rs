use crate::workspace::{self, Workspace};

/// The soak test for so many minutes, with everything built as it is used.
pub(crate) fn run(workspace: &Workspace, minutes: u32) -> Result<(), String> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--locked", "--release", "--test", "soak", "--", "--nocapture"]);
    cargo.env("DASHPOT_SOAK_SECONDS", (u64::from(minutes) * 60).to_string());
    // Those of another build would be taken for it.
    cargo.env_remove("DASHPOT_EXAMPLES");
    workspace::run(&mut cargo)
}
