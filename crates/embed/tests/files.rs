//! Files of a model that are not what they should be: said at loading, with the file's name.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path, sync::Arc};

use dashpot_embed::{MiniLm, Model};
use safetensors::{Dtype, serialize, tensor::TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

const HIDDEN: usize = 32;
const INNER: usize = 48;
const POSITIONS: usize = 8;
const WORDS: [&str; 5] = ["[UNK]", "[CLS]", "[SEP]", "hello", "##s"];

/// The tensors of a BERT of one layer, by name, with their shapes.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".into(), vec![WORDS.len(), HIDDEN]),
        ("embeddings.position_embeddings.weight".into(), vec![POSITIONS, HIDDEN]),
        ("embeddings.token_type_embeddings.weight".into(), vec![2, HIDDEN]),
    ];
    let layer = "encoder.layer.0";
    let norms = [
        "embeddings.LayerNorm",
        "encoder.layer.0.attention.output.LayerNorm",
        "encoder.layer.0.output.LayerNorm",
    ];
    for name in norms {
        shapes.extend(["weight", "bias"].map(|part| (format!("{name}.{part}"), vec![HIDDEN])));
    }
    let linear =
        ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            .map(|name| (name, HIDDEN, HIDDEN));
    for (name, inputs, outputs) in
        linear.into_iter().chain([("intermediate.dense", HIDDEN, INNER), ("output.dense", INNER, HIDDEN)])
    {
        shapes.push((format!("{layer}.{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{layer}.{name}.bias"), vec![outputs]));
    }
    shapes
}

/// As `model.safetensors` has them, with numbers that are none in particular.
fn weights(shapes: &[(String, Vec<usize>)], dtype: Dtype) -> Vec<u8> {
    let numbers = |shape: &[usize]| -> Vec<u8> {
        (0..shape.iter().product()).flat_map(|i: usize| ((i * 37 % 19) as f32 / 19.0).to_le_bytes()).collect()
    };
    let data: Vec<_> = shapes.iter().map(|(_, shape)| numbers(shape)).collect();
    let views = shapes.iter().zip(&data).map(|((name, shape), data)| {
        let bytes = if dtype == Dtype::F32 { &data[..] } else { &data[..data.len() / 2] };
        (name.clone(), TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    serialize(views, None).unwrap()
}

fn config() -> Value {
    json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": HIDDEN, "intermediate_size": INNER,
        "layer_norm_eps": 1e-12, "max_position_embeddings": POSITIONS, "num_attention_heads": 2,
        "num_hidden_layers": 1, "vocab_size": WORDS.len(),
    })
}

fn tokenizer() -> Value {
    let vocabulary: Value =
        WORDS.iter().enumerate().map(|(id, word)| (word.to_string(), json!(id))).collect();
    json!({
        "added_tokens": [{"id": 2, "content": "[SEP]"}],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
}

/// A folder with all files as they should be.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
    write("config.json", config().to_string().as_bytes());
    write("tokenizer.json", tokenizer().to_string().as_bytes());
    write("sentence_bert_config.json", br#"{"max_seq_length": 8}"#);
    write("model.safetensors", &weights(&shapes(), Dtype::F32));
    folder
}

/// What loading says when this file has that content, after the file's path.
fn said(name: &str, content: impl AsRef<[u8]>) -> String {
    let folder = folder();
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    let error = MiniLm::load(folder.path()).unwrap_err();
    assert_eq!(error.file(), file);
    reason(&error.to_string(), &file)
}

fn reason(error: &str, file: &Path) -> String {
    error.strip_prefix(&format!("cannot load {}: ", file.display())).unwrap().to_owned()
}

#[test]
fn files_as_they_should_be_are_a_model() {
    let model = MiniLm::load(folder()).unwrap();
    assert_eq!((model.window(), model.dimensions()), (6, HIDDEN));
    let texts: [Arc<str>; 3] = ["Hellos, hello!".into(), "hello ".repeat(7).into(), "".into()];
    let embeddings = model.embed(&texts);
    assert_eq!(embeddings.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let tokens: Vec<_> = embeddings[0].as_ref().unwrap().tokens().unwrap().iter().map(|(at, _)| at).collect();
    assert_eq!(tokens, [0..5, 5..6, 6..7, 8..13, 13..14]);
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "tokenizer.json", "sentence_bert_config.json", "model.safetensors"] {
        let folder = folder();
        let file = folder.path().join(name);
        fs::remove_file(&file).unwrap();
        let error = MiniLm::load(folder.path()).unwrap_err();
        assert_eq!(error.file(), file);
        assert!(reason(&error.to_string(), &file).contains("No such file"), "{error}");
    }
}

#[test]
fn a_file_that_was_cut_off_is_an_error_wherever_it_was() {
    let whole = weights(&shapes(), Dtype::F32);
    for length in (0..whole.len()).step_by(whole.len() / 50) {
        said("model.safetensors", &whole[..length]);
    }
    for (name, whole) in [("config.json", config()), ("tokenizer.json", tokenizer())] {
        let whole = whole.to_string();
        for length in 0..whole.len() {
            assert!(said(name, &whole[..length]).contains("EOF"), "{name} {length}");
        }
    }
}

#[test]
fn a_tensor_of_another_shape_or_type_or_none_is_said() {
    let name = "encoder.layer.0.output.dense.bias";
    let place = shapes().iter().position(|(at, _)| at == name).unwrap();
    let mut other = shapes();
    other[place].1 = vec![HIDDEN - 1];
    let error = said("model.safetensors", weights(&other, Dtype::F32));
    assert_eq!(error, format!("{name} is F32 [31], and F32 [32] was expected"));
    other.remove(place);
    let error = said("model.safetensors", weights(&other, Dtype::F32));
    assert!(error.starts_with(name) && error.contains("not found"), "{error}");
    let error = said("model.safetensors", weights(&shapes(), Dtype::F16));
    assert!(error.ends_with("is F16 [2, 32], and F32 [2, 32] was expected"), "{error}");
}

#[test]
fn a_model_of_another_kind_is_said() {
    for (key, value, expected) in [
        ("model_type", json!("roberta"), r#"model_type is "roberta", and only "bert" is known"#),
        ("hidden_act", json!("relu"), r#"hidden_act is "relu", and only "gelu" is known"#),
        ("num_attention_heads", json!(3), "3 heads do not share 32 dimensions in multiples of 16"),
        ("num_attention_heads", json!(0), "0 heads do not share 32 dimensions in multiples of 16"),
        ("num_attention_heads", json!(4), "4 heads do not share 32 dimensions in multiples of 16"),
        ("hidden_size", json!(0), "2 heads do not share 0 dimensions in multiples of 16"),
        ("intermediate_size", json!(0), "intermediate_size is 0"),
    ] {
        let mut other = config();
        other[key] = value;
        let folder = folder();
        fs::write(folder.path().join("config.json"), other.to_string()).unwrap();
        let error = MiniLm::load(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    let mut other = tokenizer();
    other["model"]["type"] = json!("BPE");
    assert_eq!(said("tokenizer.json", other.to_string()), r#"a "BPE", and only "WordPiece" is known"#);
    let mut other = tokenizer();
    other["model"]["vocab"] = json!({"[CLS]": 0, "[SEP]": 1});
    assert_eq!(said("tokenizer.json", other.to_string()), "[UNK] is not in its vocabulary");
}

#[test]
fn numbers_that_do_not_go_together_are_said() {
    for length in [0, 1, 9] {
        let error = said("sentence_bert_config.json", format!(r#"{{"max_seq_length": {length}}}"#));
        assert_eq!(error, format!("max_seq_length is {length}, and there are 8 positions"));
    }
    let mut other = tokenizer();
    other["model"]["vocab"]["world"] = json!(WORDS.len());
    assert_eq!(said("tokenizer.json", other.to_string()), "it has more tokens than the model");
}
