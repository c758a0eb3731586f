use fearless_simd::{Level, Simd, dispatch};
use serde::Deserialize;

use super::{
    attention::Attention,
    linear::Linear,
    math,
    panels::WIDTH,
    weights::{Norm, Weights},
};
use crate::load_error::Unfit;

/// The parts of a BERT's `config.json` that its forward pass depends on.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Config {
    hidden_act: String,
    pub(super) hidden_size: usize,
    intermediate_size: usize,
    layer_norm_eps: f32,
    max_position_embeddings: usize,
    model_type: String,
    pub(super) num_attention_heads: usize,
    num_hidden_layers: usize,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    vocab_size: usize,
}

fn absolute() -> String {
    "absolute".into()
}

impl Config {
    fn check(&self) -> Result<(), Unfit> {
        let expected = [
            ("model_type", &*self.model_type, "bert"),
            ("hidden_act", &*self.hidden_act, "gelu"),
            ("position_embedding_type", &*self.position_embedding_type, "absolute"),
        ];
        for (name, is, expected) in expected {
            if is != expected {
                return Err(Unfit(format!("{name} is {is:?}, and only {expected:?} is known")));
            }
        }
        let (heads, hidden) = (self.num_attention_heads, self.hidden_size);
        // What a head sees is written in whole panels, and beside it is what the next one sees.
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads.saturating_mul(WIDTH)) {
            let reason = format!("{heads} heads do not share {hidden} dimensions in multiples of {WIDTH}");
            return Err(Unfit(reason));
        }
        if self.intermediate_size == 0 {
            return Err(Unfit("intermediate_size is 0".into()));
        }
        Ok(())
    }
}

/// A BERT without its pooler: from the numbers of tokens to what each means in its place.
#[derive(Debug)]
pub(super) struct Encoder {
    level: Level,
    config: Config,
    words: Vec<f32>,
    /// With the embedding of the one segment that there is.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    attention: Attention,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

impl Encoder {
    pub(super) fn new(config: Config, weights: &Weights<'_>) -> Result<Self, Unfit> {
        config.check()?;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let norm = |name: &str| weights.norm(name, hidden, config.layer_norm_eps);
        let layer = |index| {
            let name = |part: &str| format!("encoder.layer.{index}.{part}");
            Ok(Layer {
                attention: Attention::new(weights, &name("attention"), hidden, config.num_attention_heads)?,
                attention_norm: norm(&name("attention.output.LayerNorm"))?,
                up: weights.linear(&[&name("intermediate.dense")], hidden, inner)?,
                down: weights.linear(&[&name("output.dense")], inner, hidden)?,
                norm: norm(&name("output.LayerNorm"))?,
            })
        };
        let segments = weights.matrix("embeddings.token_type_embeddings.weight", 2, hidden)?;
        let mut positions = weights.matrix(
            "embeddings.position_embeddings.weight",
            config.max_position_embeddings,
            hidden,
        )?;
        for position in positions.chunks_exact_mut(hidden) {
            add(position, &segments[..hidden]);
        }
        Ok(Self {
            level: Level::new(),
            words: weights.matrix("embeddings.word_embeddings.weight", config.vocab_size, hidden)?,
            positions,
            norm: norm("embeddings.LayerNorm")?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_, _>>()?,
            config,
        })
    }

    pub(super) fn dimensions(&self) -> usize {
        self.config.hidden_size
    }

    /// How many tokens a text may have.
    pub(super) fn positions(&self) -> usize {
        self.config.max_position_embeddings
    }

    /// How many different tokens there are.
    pub(super) fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    /// The last state of each token of each text, one after the other. Each text comes out as if it were alone.
    ///
    /// # Panics
    ///
    /// Of a token beyond the vocabulary, or a text with more tokens than positions.
    pub(super) fn states(&self, texts: &[&[u32]]) -> Vec<f32> {
        let hidden = self.config.hidden_size;
        let mut x = Vec::with_capacity(texts.iter().map(|text| text.len()).sum::<usize>() * hidden);
        for text in texts {
            for (token, position) in
                text.iter().zip(self.positions[..text.len() * hidden].chunks_exact(hidden))
            {
                let word = &self.words[*token as usize * hidden..][..hidden];
                x.extend(word.iter().zip(position).map(|(word, position)| word + position));
            }
        }
        dispatch!(self.level, simd => self.norm.apply(simd, &mut x));
        let lengths: Vec<_> = texts.iter().map(|text| text.len()).collect();
        let mut scratch = Scratch::default();
        for layer in &self.layers {
            dispatch!(self.level, simd => layer.apply(simd, &mut x, &lengths, &mut scratch));
        }
        x
    }
}

/// Memory that one layer leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) gathered: Vec<f32>,
    wide: Vec<f32>,
    out: Vec<f32>,
}

impl Layer {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, x: &mut [f32], lengths: &[usize], scratch: &mut Scratch) {
        let Scratch { gathered, wide, out } = scratch;
        self.attention.apply(simd, x, lengths, wide, out, gathered);
        add(x, out);
        self.attention_norm.apply(simd, x);
        self.up.apply(simd, x, wide, gathered);
        math::gelu(simd, wide);
        self.down.apply(simd, wide, out, gathered);
        add(x, out);
        self.norm.apply(simd, x);
    }
}

#[inline(always)]
fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
