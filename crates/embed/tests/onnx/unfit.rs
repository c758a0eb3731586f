//! What is not a library, or not a model, is an error that says so, and no more than that.

use std::{env, fs, path::Path, process::Command, sync::Arc};

use dashpot_embed::{Model, OnnxMiniLm, OnnxRuntime};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    RUNTIME,
    file::{F32, I64, Step, model},
    library,
};

const GATHER: Step = Step::Gather { rows: 5, columns: 3 };

/// A folder with a tokenizer of five tokens and a window of eight.
fn folder() -> TempDir {
    let vocabulary: Value = ["[UNK]", "[CLS]", "[SEP]", "hello", "##s"]
        .iter()
        .zip(0..)
        .map(|(word, id)| (word.to_string(), json!(id)))
        .collect();
    let tokenizer = json!({
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    });
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
    write("tokenizer.json", tokenizer.to_string().as_bytes());
    write("sentence_bert_config.json", br#"{"max_seq_length": 8}"#);
    write("model.onnx", &model("input_ids", I64, GATHER));
    folder
}

fn load(folder: &Path) -> Result<OnnxMiniLm, dashpot_embed::LoadError> {
    OnnxMiniLm::load(&RUNTIME, folder.join("model.onnx"), folder)
}

/// What loading says when this file has that content, after the file's path.
fn said(name: &str, content: impl AsRef<[u8]>) -> String {
    let folder = folder();
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    let error = load(folder.path()).unwrap_err();
    assert_eq!(error.file(), file);
    error.to_string().strip_prefix(&format!("cannot load {}: ", file.display())).unwrap().to_owned()
}

#[test]
fn files_as_they_should_be_are_a_model() {
    let model = load(folder().path()).unwrap();
    assert_eq!((model.window(), model.dimensions()), (6, 3));
    let texts: [Arc<str>; 2] = ["Hellos!".into(), "hello ".repeat(7).into()];
    let embeddings = model.embed(&texts);
    let tokens: Vec<_> = embeddings[0].as_ref().unwrap().tokens().unwrap().iter().map(|(at, _)| at).collect();
    assert_eq!(tokens, [0..5, 5..6, 6..7]);
    assert!(embeddings[1].is_none());
}

#[test]
fn a_missing_file_is_named() {
    for name in ["model.onnx", "tokenizer.json", "sentence_bert_config.json"] {
        let folder = folder();
        let file = folder.path().join(name);
        fs::remove_file(&file).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert_eq!(error.file(), file);
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}

#[test]
fn a_model_that_was_cut_off_is_an_error_wherever_it_was() {
    let whole = model("input_ids", I64, GATHER);
    for length in 0..whole.len() {
        said("model.onnx", &whole[..length]);
    }
}

#[test]
fn a_model_that_asks_or_makes_something_else_is_said() {
    for (input, numbers, step, expected) in [
        ("pixels", I64, GATHER, "it asks for pixels, which is not known"),
        ("attention_mask", I64, GATHER, "it does not ask for input_ids"),
        (
            "input_ids",
            F32,
            Step::Cast,
            "input_ids is Tensor<f32>(any0, any1), and two dimensions of i64 were expected",
        ),
        (
            "input_ids",
            I64,
            Step::Cast,
            "it makes no states of tokens, three dimensions of f32, but states Tensor<f32>(any0, any1)",
        ),
    ] {
        assert_eq!(said("model.onnx", model(input, numbers, step)), expected);
    }
}

/// They would be no part of its id.
#[test]
fn weights_in_another_file_are_not_read() {
    let error = said("model.onnx", model("input_ids", I64, Step::GatherFrom { file: "README.md" }));
    println!("{error}");
    assert!(error.contains("README.md"), "{error}");
}

#[test]
fn what_does_not_go_together_is_said() {
    let error = said("model.onnx", model("input_ids", I64, Step::Gather { rows: 4, columns: 3 }));
    assert!(error.starts_with("it does not take 8 tokens up to 4: ") && error.contains("out of"), "{error}");
    for length in [0, 1, 1 << 20] {
        let error = said("sentence_bert_config.json", format!(r#"{{"max_seq_length": {length}}}"#));
        assert_eq!(error, format!("max_seq_length is {length}, and is to be 2 to 131074"));
    }
}

/// In processes of their own, since the loader of the system ends some that load a part of a library.
#[test]
fn what_is_not_the_library_is_an_error_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(library()).unwrap();
    let mut files = vec![(folder.path().join("none"), "No such file")];
    let mut file = |name: String, content: &[u8], expected| {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        files.push((file, expected));
    };
    file("text".into(), &[b'x'; 100], "invalid ELF header");
    for length in [0, 60, 1_000, whole.len() / 2, whole.len() - 10_000] {
        file(format!("cut-off-{length}"), &whole[..length], "it was cut off");
    }
    // A library, but another: this program's own, of which there is always one.
    files.push((loaded("libc.so"), "does not export `OrtGetApiBase`"));
    for (file, expected) in files {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "unfit::says_what_is_wrong_with_a_library", "--nocapture"])
            .env("DASHPOT_UNFIT", &file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {}", file.display(), output.status);
        assert!(
            said.contains(&format!("cannot load {}: ", file.display())) && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
#[ignore = "what_is_not_the_library_is_an_error_and_ends_nothing runs it"]
fn says_what_is_wrong_with_a_library() {
    let Some(file) = env::var_os("DASHPOT_UNFIT") else { return };
    println!("{}", OnnxRuntime::load(&file).unwrap_err());
    // It did not stay: the right one can be loaded afterwards.
    OnnxRuntime::load(library()).unwrap();
}

/// The file of a library that this process has.
fn loaded(name: &str) -> std::path::PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path =
        maps.lines().find_map(|line| line.split_whitespace().last().filter(|path| path.contains(name)));
    path.unwrap().into()
}
