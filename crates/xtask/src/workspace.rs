use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the sources and the build's files are.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned);
        // This program is TARGET/PROFILE/xtask, whatever the configuration or the environment says of TARGET.
        let exe =
            env::current_exe().map_err(|error| format!("cannot find this program's own file: {error}"))?;
        let target = exe.ancestors().nth(2).map(Path::to_owned);
        match (root, target) {
            (Some(root), Some(target)) if root.join("Cargo.lock").is_file() => Ok(Self { root, target }),
            _ => {
                Err("the sources that this program was built from are gone: run it with `cargo xtask`".into())
            }
        }
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The names of all test files, of the crates too.
    pub(crate) fn tests(&self) -> Vec<String> {
        let crates = self.root.join("crates").read_dir().into_iter().flatten().flatten();
        let folders = crates.map(|entry| entry.path().join("tests")).chain([PathBuf::from("tests")]);
        let mut names: Vec<_> = folders.flat_map(|folder| self.targets(&folder)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The names of cargo's targets in `folder`: files, and folders with a `main.rs`.
    pub(crate) fn targets(&self, folder: &Path) -> Vec<String> {
        let entries = self.root.join(folder).read_dir().into_iter().flatten().flatten();
        let is_target = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file()
        };
        let paths = entries.map(|entry| entry.path()).filter(is_target);
        let mut names: Vec<_> =
            paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
        names.sort();
        names
    }
}

/// Shows a command, runs it, and lets what it prints through.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = line(command);
    eprintln!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed ({status})")),
        Err(error) => Err(format!("`{line}` cannot be run: {error}")),
    }
}

/// Runs a command in silence, for what it prints; `None` if it cannot be run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program on the PATH.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_else(|| command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        assert_eq!(line(Command::new("/opt/bin/cargo").args(["test", "--doc"])), "cargo test --doc");
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error, "`sh -c exit 3` failed (exit status: 3)");
        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.starts_with("`no-such-program` cannot be run"), "{error}");
    }
}
