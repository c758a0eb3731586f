use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use dashpot::{
    core::{Embedding, cosine},
    embed::MiniLm,
};

use crate::corpus::{DIMENSIONS, Texts, cached, embed, file, numbers, on_all_cores};

/// Where Debian has it.
const WORDNET: &str = "/usr/share/wordnet";

/// So many are added while others are looked up.
const MORE: usize = 20_000;

/// So many are asked for.
pub(crate) const MOST: usize = 4;

/// Where the numbers are, of 32 bits each: of what is kept, near, any, and how near the nearest are.
pub(crate) type Files = [PathBuf; 4];

/// The files, which are made if they are not there; `None` if there is no model, or there are no texts.
pub(crate) fn files(target: &Path, count: usize) -> Result<Option<Files>, Box<dyn Error>> {
    let model = env::var_os("DASHPOT_MINILM").map_or_else(|| target.join("models/minilm"), PathBuf::from);
    let (wordnet, pairs) = (Path::new(WORDNET), target.join("fow-cache/fow_cache/data/pairs.jsonl"));
    if !model.is_dir() || !pairs.is_file() || !wordnet.is_dir() {
        return Ok(None);
    }
    let (model, folder) = (MiniLm::load(&model)?, target.join("index"));
    fs::create_dir_all(&folder)?;
    let texts = Texts::read(wordnet, &pairs)?;
    let [kept, near, any] = [&texts.kept, &texts.near, &texts.any].map(|texts| file(&folder, texts));
    for (texts, file) in [(&texts.kept, &kept), (&texts.near, &near), (&texts.any, &any)] {
        cached(file, || embed(texts, &model))?;
    }
    let nearest_file = kept.with_extension(format!("nearest-{count}"));
    cached(&nearest_file, || {
        let kept = more(read(&kept, count)?, count);
        let all = [read(&near, usize::MAX)?, read(&any, usize::MAX)?].concat();
        Ok(on_all_cores(&all, |looked_up| nearest(&kept, looked_up)).concat())
    })?;
    Ok(Some([kept, near, any, nearest_file]))
}

/// The first embeddings in a file.
fn read(file: &Path, count: usize) -> Result<Vec<Embedding>, Box<dyn Error>> {
    let embeddings: Option<_> =
        numbers(file)?.chunks_exact(DIMENSIONS).take(count).map(Embedding::new).collect();
    embeddings.ok_or_else(|| "an embedding points nowhere".into())
}

/// What is kept, what is looked up, and what should be found.
pub(crate) struct Data {
    pub(crate) kept: Vec<Embedding>,
    pub(crate) near: Vec<Embedding>,
    pub(crate) any: Vec<Embedding>,
    /// The cosines of each that is looked up, first those that are near, with the nearest that are kept, the nearest first.
    pub(crate) nearest: Vec<f32>,
}

impl Data {
    pub(crate) fn read([kept, near, any, nearest]: &Files, count: usize) -> Result<Self, Box<dyn Error>> {
        let (near, any) = (read(near, usize::MAX)?, read(any, usize::MAX)?);
        Ok(Self { kept: more(read(kept, count)?, count), near, any, nearest: numbers(nearest)? })
    }

    /// Each with the cosines of the nearest.
    pub(crate) fn looked_up(&self) -> impl Iterator<Item = (&Embedding, &[f32])> {
        self.near.iter().chain(&self.any).zip(self.nearest.chunks_exact(MOST))
    }

    /// For how many there has to be room.
    pub(crate) fn room(&self) -> usize {
        self.kept.len() + MORE
    }

    /// What is added while others are looked up.
    pub(crate) fn added(&self) -> Vec<Embedding> {
        self.kept.iter().cycle().zip(1..=MORE).map(|(kept, n)| beside(kept, n as u64)).collect()
    }

    /// How near the nearest are.
    pub(crate) fn cosines(&self) -> String {
        let (near, any) = self.nearest.split_at(self.near.len() * MOST);
        let middle = |cosines: &[f32]| {
            let mut cosines: Vec<f32> = cosines.iter().copied().step_by(MOST).collect();
            cosines.sort_by(f32::total_cmp);
            cosines[cosines.len() / 2]
        };
        format!(
            "the nearest at a cosine of {:.2} (other wordings) and {:.2} (any) at the median",
            middle(near),
            middle(any)
        )
    }
}

/// The cosines with those that are nearest, by looking at all of them.
fn nearest(kept: &[Embedding], looked_up: &Embedding) -> Vec<f32> {
    let mut cosines: Vec<f32> = kept.iter().map(|kept| cosine(kept.vector(), looked_up.vector())).collect();
    cosines.sort_unstable_by(|a, b| b.total_cmp(a));
    cosines.truncate(MOST);
    cosines
}

/// As many as are wanted: each of those over again, a little beside itself.
fn more(mut real: Vec<Embedding>, count: usize) -> Vec<Embedding> {
    let there = real.len();
    for n in there..count {
        real.push(beside(&real[n % there], n as u64));
    }
    real
}

/// In a direction at a cosine of about 0.8 to this.
fn beside(embedding: &Embedding, seed: u64) -> Embedding {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let moved: Vec<f32> = embedding
        .vector()
        .iter()
        .map(|x| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            x + ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 2.6 / (DIMENSIONS as f32).sqrt()
        })
        .collect();
    Embedding::new(&moved).expect("it points somewhere")
}
