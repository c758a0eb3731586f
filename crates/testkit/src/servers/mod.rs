//! Real servers for tests, on free ports of this machine and with data that goes with them: [`Redis`], [`Postgres`], and a
//! [`Proxy`] that does to their connections what networks do.
//!
//! `cargo xtask setup` installs the programs. A server ends with its handle, and with the test's process however that ends.
//! Starting, stopping and killing block the thread: half a second or so, and thirty where something is wrong.

mod postgres;
mod process;
mod proxy;
mod redis;

use std::{
    env,
    path::{Path, PathBuf},
};

pub use self::{postgres::Postgres, proxy::Proxy, redis::Redis};

/// Whether this folder is one that `cargo xtask setup` made.
fn is_complete(folder: &Path) -> bool {
    folder.join("SHA256SUMS").is_file()
}

/// The folder that `variable` names, or the one of this name beside the test's program, where `cargo xtask setup` puts it.
fn installed(variable: &str, name: &str) -> PathBuf {
    find(variable, name).unwrap_or_else(|| {
        panic!(
            "{name} is not where {variable} says, or beside the build's files: `cargo xtask setup` installs it"
        )
    })
}

fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(variable) {
        return Some(PathBuf::from(folder)).filter(|folder| is_complete(folder));
    }
    let here = env::current_exe().expect("a program has a path");
    here.ancestors().skip(1).map(|folder| folder.join(name)).find(|folder| is_complete(folder))
}
