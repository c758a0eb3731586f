use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

use super::{PASSWORD, USER};
use crate::servers::installed;

/// Who runs it where root runs the tests: it refuses to be run by root. `nobody` everywhere.
const NOBODY: u32 = 65_534;

/// The programs, and who runs them.
#[derive(Debug)]
pub(super) struct Install {
    folder: PathBuf,
    user: Option<u32>,
}

impl Install {
    pub(super) fn find() -> Self {
        let folder = installed("DASHPOT_POSTGRES", "postgres");
        let user = geteuid().is_root().then_some(NOBODY);
        let folder = if user.is_some() && !is_open(&folder) { copied(&folder) } else { folder };
        Self { folder, user }
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("server/18/bin").join(name)
    }

    /// Lets the command be run by who may.
    pub(super) fn as_user(&self, command: &mut Command) {
        if let Some(user) = self.user {
            command.uid(user).gid(user).current_dir("/");
        }
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, command: &mut Command) {
        self.as_user(command);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
    }

    /// Gives a folder to who runs it.
    pub(super) fn hand_over(&self, folder: &Path) {
        chown(folder, self.user, self.user).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }

    /// A data directory that was never started, to be copied: to make one takes a second or more.
    pub(super) fn template(&self) -> PathBuf {
        let template = self.folder.join(format!("template-{}", geteuid().as_raw()));
        if template.is_dir() {
            return template;
        }
        // In a folder of its own, so that a part of one is never found, and others may do the same meanwhile.
        let new = self.folder.join(format!("template-{}.new", std::process::id()));
        let _ = fs::remove_dir_all(&new);
        fs::create_dir(&new).unwrap_or_else(|error| panic!("{}: {error}", new.display()));
        self.hand_over(&new);
        let password = new.join("password");
        fs::write(&password, PASSWORD).expect("the folder is ours");
        let mut initdb = Command::new(self.program("initdb"));
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale"]);
        initdb.args(["--no-sync", "--wal-segsize", "1", "--pgdata"]).arg(new.join("data"));
        initdb.arg("--pwfile").arg(&password);
        self.run(&mut initdb);
        // Who comes second finds the first one's.
        let _ = fs::rename(new.join("data"), &template);
        let _ = fs::remove_dir_all(&new);
        template
    }
}

/// Whether everybody can run what is in a folder.
fn is_open(folder: &Path) -> bool {
    let everybody =
        |folder: &Path| fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 1 == 1);
    folder.ancestors().all(everybody)
}

/// A copy of the programs where everybody can run them; it stays, for the next test.
fn copied(folder: &Path) -> PathBuf {
    let copy = std::env::temp_dir().join("dashpot-postgres-18");
    let is_ours = |copy: &Path| fs::metadata(copy).is_ok_and(|copy| copy.uid() == geteuid().as_raw());
    if !copy.exists() {
        let new = copy.with_extension(std::process::id().to_string());
        let output = Command::new("cp").arg("-R").args([folder, &new]).output().expect("cp runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if fs::rename(&new, &copy).is_err() {
            let _ = fs::remove_dir_all(&new);
        }
    }
    assert!(is_ours(&copy), "{} is another's", copy.display());
    copy
}
