use std::{error::Error, fs, path::Path, sync::Arc};

use dashpot::{
    core::Embedding,
    embed::{MiniLm, Model},
};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// Two questions.
pub(crate) struct Pair {
    pub(crate) category: String,
    pub(crate) question: (Arc<str>, Embedding),
    pub(crate) kept: (Arc<str>, Embedding),
    /// Whether they have the same answer.
    pub(crate) is_same: bool,
    /// Whether it is of the half that the rules were written on.
    pub(crate) is_tuned: bool,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    category: String,
    a: String,
    b: String,
    same_answer: bool,
}

impl Pair {
    pub(crate) fn read(file: &Path, model: &MiniLm) -> Result<Vec<Self>, Box<dyn Error>> {
        lines(file)?.into_iter().map(|line| Self::new(line, model)).collect()
    }

    fn new(line: Line, model: &MiniLm) -> Result<Self, Box<dyn Error>> {
        let [question, kept] = [line.a, line.b].map(|text| {
            let text: Arc<str> = text.into();
            let embedding = model.embed(std::slice::from_ref(&text)).pop().flatten();
            embedding.map(|embedding| (text, embedding)).ok_or("a question is longer than the model reads")
        });
        let is_tuned = Sha256::digest(line.id.as_bytes())[0].is_multiple_of(2);
        Ok(Self {
            category: line.category,
            question: question?,
            kept: kept?,
            is_same: line.same_answer,
            is_tuned,
        })
    }

    pub(crate) fn both(&self) -> [(&str, &Embedding); 2] {
        [&self.question, &self.kept].map(|(text, embedding)| (&**text, embedding))
    }
}

/// A file of JSON, one value a line.
pub(crate) fn lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
