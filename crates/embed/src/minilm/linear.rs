use fearless_simd::Simd;

use super::panels::{Panels, Rows, WIDTH, multiply};

/// A layer that multiplies with a matrix and adds to what comes out.
#[derive(Debug)]
pub(super) struct Linear {
    inputs: usize,
    outputs: usize,
    matrix: Panels,
    bias: Vec<[f32; WIDTH]>,
}

impl Linear {
    /// `weight` has a row for each output.
    pub(super) fn new(inputs: usize, outputs: usize, weight: &[f32], bias: &[f32]) -> Self {
        assert!(weight.len() == inputs * outputs && bias.len() == outputs && outputs.is_multiple_of(WIDTH));
        Self {
            inputs,
            outputs,
            matrix: Panels::new(inputs, outputs, |row, column| weight[column * inputs + row]),
            bias: bias.as_chunks().0.to_vec(),
        }
    }

    /// Writes a row of outputs for each row of inputs.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut Vec<f32>, gathered: &mut Vec<f32>) {
        let count = x.len() / self.inputs;
        out.resize(count * self.outputs, 0.0);
        let rows = Rows { data: x, count, length: self.inputs, stride: self.inputs };
        multiply(simd, rows, &self.matrix, &self.bias, out, self.outputs, gathered);
    }
}
