use std::{
    collections::HashSet,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use dashpot::embed::{MiniLm, Model};
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub(crate) const DIMENSIONS: usize = 384;

/// So many texts are kept.
const KEPT: usize = 100_000;

/// So many texts are embedded at once.
const TOGETHER: usize = 16;

/// Of fow-cache.
#[derive(Deserialize)]
struct Pair {
    a: String,
    b: String,
}

/// Texts whose embeddings are kept in an index, and others to look up in it.
pub(crate) struct Texts {
    pub(crate) kept: Vec<Arc<str>>,
    /// Each is another wording, or a near one, of a question that is kept.
    pub(crate) near: Vec<Arc<str>>,
    /// Of these nothing is known.
    pub(crate) any: Vec<Arc<str>>,
}

impl Texts {
    /// To be kept 100,000: the questions, and the rest from the dictionary.
    pub(crate) fn read(wordnet: &Path, pairs: &Path) -> Result<Self, Box<dyn Error>> {
        let pairs = fs::read_to_string(pairs)?;
        let pairs: Vec<Pair> = pairs.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let (near, mut kept): (Vec<Arc<str>>, Vec<Arc<str>>) =
            pairs.into_iter().map(|pair| (pair.a.into(), pair.b.into())).unzip();
        let mut others = glosses(wordnet)?.into_iter();
        let wanted = KEPT.saturating_sub(kept.len());
        kept.extend(others.by_ref().take(wanted));
        let any: Vec<Arc<str>> = others.take(1000).collect();
        if kept.len() < KEPT || any.len() < 1000 {
            return Err(format!("{} has too few texts", wordnet.display()).into());
        }
        Ok(Self { kept, near, any })
    }
}

/// The definitions and the examples of WordNet's words, each once and in an order that has nothing to do with theirs.
fn glosses(folder: &Path) -> io::Result<Vec<Arc<str>>> {
    let mut texts = HashSet::new();
    for part in ["data.adj", "data.adv", "data.noun", "data.verb"] {
        for line in fs::read_to_string(folder.join(part))?.lines() {
            let Some((_, gloss)) = line.split_once(" | ") else { continue };
            texts.extend(
                gloss
                    .split("; \"")
                    .map(|text| text.trim().trim_matches('"'))
                    .filter(|text| text.split(' ').count() > 2)
                    .map(Arc::<str>::from),
            );
        }
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by_cached_key(|text| Sha256::digest(text.as_bytes()));
    Ok(texts)
}

/// Where the embeddings of texts are kept.
pub(crate) fn file(folder: &Path, texts: &[Arc<str>]) -> PathBuf {
    let mut sum = Sha256::new();
    for text in texts {
        sum.update(Sha256::digest(text.as_bytes()));
    }
    let name: String = sum.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    folder.join(name).with_extension("f32")
}

/// Writes a file of numbers if it is not there.
pub(crate) fn cached(
    file: &Path,
    make: impl FnOnce() -> Result<Vec<f32>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    if !file.is_file() {
        let new = file.with_extension("new");
        fs::write(&new, make()?.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())?;
        fs::rename(&new, file)?;
    }
    Ok(())
}

/// The numbers in a file.
pub(crate) fn numbers(file: &Path) -> io::Result<Vec<f32>> {
    Ok(fs::read(file)?.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

/// The embeddings of texts, one after the other; in batches, on all cores, since it takes minutes.
pub(crate) fn embed(texts: &[Arc<str>], model: &MiniLm) -> Result<Vec<f32>, Box<dyn Error>> {
    let batches: Vec<_> = texts.chunks(TOGETHER).collect();
    let batch = |batch: &&[Arc<str>]| {
        let vectors = model.embed(batch).into_iter().map(|x| x.map(|x| x.vector().to_vec()));
        vectors.collect::<Option<Vec<_>>>().map(|vectors| vectors.concat())
    };
    let vectors: Option<Vec<_>> = on_all_cores(&batches, batch).into_iter().collect();
    vectors.map(|vectors| vectors.concat()).ok_or_else(|| "a text is longer than the model reads".into())
}

/// What `work` makes of each, in the same order.
pub(crate) fn on_all_cores<T: Sync, U: Send>(all: &[T], work: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(cores).max(1));
        let work = &work;
        let threads: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(work).collect())).collect();
        threads
            .into_iter()
            .flat_map(|thread| -> Vec<U> { thread.join().expect("it does not panic") })
            .collect()
    })
}
