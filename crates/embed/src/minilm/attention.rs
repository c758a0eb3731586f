use fearless_simd::Simd;

use super::{
    linear::Linear,
    math,
    panels::{Panels, Rows, multiply},
    weights::Weights,
};
use crate::load_error::Unfit;

/// Every token of a text looks at all tokens of the same text.
#[derive(Debug)]
pub(super) struct Attention {
    hidden: usize,
    heads: usize,
    /// Queries, keys and values side by side.
    look: Linear,
    out: Linear,
}

impl Attention {
    pub(super) fn new(weights: &Weights<'_>, name: &str, hidden: usize, heads: usize) -> Result<Self, Unfit> {
        let [query, key, value] = ["query", "key", "value"].map(|part| format!("{name}.self.{part}"));
        Ok(Self {
            hidden,
            heads,
            look: weights.linear(&[&query, &key, &value], hidden, hidden)?,
            out: weights.linear(&[&format!("{name}.output.dense")], hidden, hidden)?,
        })
    }

    /// Writes what each token of texts of these lengths sees.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(
        &self,
        simd: S,
        x: &[f32],
        lengths: &[usize],
        look: &mut Vec<f32>,
        out: &mut Vec<f32>,
        gathered: &mut Vec<f32>,
    ) {
        self.look.apply(simd, x, look, gathered);
        let mut seen = vec![0.0; x.len()];
        let (mut look_left, mut seen_left) = (&**look, &mut *seen);
        for length in lengths {
            let (look_of_text, seen_of_text);
            (look_of_text, look_left) = look_left.split_at(length * 3 * self.hidden);
            (seen_of_text, seen_left) = seen_left.split_at_mut(length * self.hidden);
            self.see(simd, *length, look_of_text, seen_of_text, gathered);
        }
        self.out.apply(simd, &seen, out, gathered);
    }

    /// What the tokens of one text see, before it is put together.
    #[inline(always)]
    fn see<S: Simd>(&self, simd: S, length: usize, look: &[f32], seen: &mut [f32], gathered: &mut Vec<f32>) {
        let (hidden, size, stride) = (self.hidden, self.hidden / self.heads, 3 * self.hidden);
        let scale = 1.0 / (size as f32).sqrt();
        let (mut keys, mut values) = (Panels::new(0, 0, |_, _| 0.0), Panels::new(0, 0, |_, _| 0.0));
        let mut scores = Vec::new();
        for first in (0..hidden).step_by(size) {
            let (key, value) = (hidden + first, 2 * hidden + first);
            keys.fill(size, length, |row, column| look[column * stride + key + row]);
            values.fill(length, size, |row, column| look[row * stride + value + column]);
            let width = keys.columns();
            scores.resize(length * width, 0.0);
            let queries = Rows { data: &look[first..], count: length, length: size, stride };
            multiply(simd, queries, &keys, &[], &mut scores, width, gathered);
            for scores in scores.chunks_exact_mut(width) {
                math::softmax(simd, &mut scores[..length], scale);
            }
            let scores = Rows { data: &scores, count: length, length, stride: width };
            multiply(simd, scores, &values, &[], &mut seen[first..], hidden, gathered);
        }
    }
}
