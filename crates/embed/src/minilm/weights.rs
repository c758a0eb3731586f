use fearless_simd::Simd;
use safetensors::{Dtype, SafeTensors};

use super::{linear::Linear, math, panels::WIDTH};
use crate::load_error::Unfit;

/// The tensors of a file, by name.
#[derive(Debug)]
pub(super) struct Weights<'f>(SafeTensors<'f>);

impl<'f> Weights<'f> {
    pub(super) fn new(file: &'f [u8]) -> Result<Self, Unfit> {
        SafeTensors::deserialize(file).map(Self).map_err(|error| Unfit(error.to_string()))
    }

    pub(super) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Vec<f32>, Unfit> {
        self.tensor(name, &[rows, columns])
    }

    /// Layers that read the same, as one: what comes out of them is side by side. Each has so many outputs.
    pub(super) fn linear(&self, names: &[&str], inputs: usize, outputs: usize) -> Result<Linear, Unfit> {
        if !outputs.is_multiple_of(WIDTH) {
            return Err(Unfit(format!("{}: {outputs} is not a multiple of {WIDTH}", names[0])));
        }
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            weight.extend(self.matrix(&format!("{name}.weight"), outputs, inputs)?);
            bias.extend(self.tensor(&format!("{name}.bias"), &[outputs])?);
        }
        Ok(Linear::new(inputs, outputs * names.len(), &weight, &bias))
    }

    pub(super) fn norm(&self, name: &str, length: usize, epsilon: f32) -> Result<Norm, Unfit> {
        Ok(Norm {
            weight: self.tensor(&format!("{name}.weight"), &[length])?,
            bias: self.tensor(&format!("{name}.bias"), &[length])?,
            epsilon,
        })
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Unfit> {
        let tensor = self.0.tensor(name).map_err(|error| Unfit(format!("{name}: {error}")))?;
        if (tensor.dtype(), tensor.shape()) != (Dtype::F32, shape) {
            let (dtype, is) = (tensor.dtype(), tensor.shape());
            return Err(Unfit(format!("{name} is {dtype:?} {is:?}, and F32 {shape:?} was expected")));
        }
        Ok(tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// Brings rows to the same mean and variance.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    #[inline(always)]
    pub(super) fn apply<S: Simd>(&self, simd: S, x: &mut [f32]) {
        math::normalize(simd, x, &self.weight, &self.bias, self.epsilon);
    }
}
