use std::{
    fs,
    path::{Path, PathBuf},
};

use super::debian;
use crate::workspace::{Workspace, run, which};

/// The package, and with it all that it needs, each with its hash.
const FOLDER: &str = "benches/gateway/portkey";
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Where the gateway is.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("portkey")
}

/// Whether all packages were installed from the lists as they are now, and there is something to run them.
pub(crate) fn is_here(workspace: &Workspace) -> bool {
    which("node").is_some() && is_complete(&workspace.root.join(FOLDER), &folder(workspace))
}

fn is_complete(lists: &Path, folder: &Path) -> bool {
    FILES.iter().all(|file| {
        let [wanted, done] = [lists, folder].map(|folder| fs::read(folder.join(file)).ok());
        wanted.is_some() && wanted == done
    })
}

/// Installs into a folder of its own, so that what broke off is never found.
pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    if which("node").is_none() || which("npm").is_none() {
        debian::install(&["nodejs", "npm"])?;
    }
    let (done, new) = (folder(workspace), workspace.target.join("portkey.new"));
    let failed = |error: std::io::Error| format!("{}: {error}", new.display());
    let _ = fs::remove_dir_all(&new);
    fs::create_dir_all(&new).map_err(failed)?;
    for file in FILES {
        fs::copy(workspace.root.join(FOLDER).join(file), new.join(file)).map_err(failed)?;
    }
    // None of the packages' own scripts are run.
    let args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"];
    run(workspace.command("npm").args(args).current_dir(&new))?;
    let _ = fs::remove_dir_all(&done);
    fs::rename(&new, &done).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_here_once_it_was_installed_from_these_lists() {
        let folder = std::env::temp_dir().join(format!("dashpot-xtask-portkey-{}", std::process::id()));
        let lists = folder.join("lists");
        fs::create_dir_all(&lists).unwrap();
        for file in FILES {
            assert!(!is_complete(&lists, &folder));
            fs::write(lists.join(file), file).unwrap();
            fs::write(folder.join(file), file).unwrap();
        }
        assert!(is_complete(&lists, &folder));
        fs::write(folder.join(FILES[1]), "of another version").unwrap();
        assert!(!is_complete(&lists, &folder));
        fs::remove_dir_all(&folder).unwrap();
    }
}
