use fearless_simd::{Simd, f32x16, prelude::*};

/// How many columns of a matrix lie side by side.
pub(super) const WIDTH: usize = 16;

/// A matrix as its multiplication reads it: sixteen columns side by side from the first row to the last, then the next
/// sixteen. Columns that are wanting are zero.
#[derive(Debug)]
pub(super) struct Panels {
    rows: usize,
    data: Vec<[f32; WIDTH]>,
}

impl Panels {
    /// Of the matrix of so many rows and columns whose element in a row and a column is `at(row, column)`.
    #[inline(always)]
    pub(super) fn new(rows: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut panels = Self { rows: 0, data: Vec::new() };
        panels.fill(rows, columns, at);
        panels
    }

    /// The same in the memory of a matrix that is done with.
    #[inline(always)]
    pub(super) fn fill(&mut self, rows: usize, columns: usize, at: impl Fn(usize, usize) -> f32) {
        self.rows = rows;
        self.data.clear();
        for first in (0..columns).step_by(WIDTH) {
            self.data.extend((0..rows).map(|row| {
                let mut columns_of_row = [0.0; WIDTH];
                for (element, column) in columns_of_row.iter_mut().zip(first..columns) {
                    *element = at(row, column);
                }
                columns_of_row
            }));
        }
    }

    pub(super) fn columns(&self) -> usize {
        self.data.len().checked_div(self.rows).unwrap_or_default() * WIDTH
    }
}

/// Rows of a matrix that lie one after the other, at a distance that may be longer than they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) count: usize,
    pub(super) length: usize,
    pub(super) stride: usize,
}

/// Whether a register holds all columns of a panel. Then twelve rows are multiplied at once, else six: so their sums stay
/// in registers, of which AVX-512 has 32 and AVX2 has 16.
#[inline(always)]
fn is_wide<S: Simd>() -> bool {
    S::f32s::LEN >= WIDTH
}

macro_rules! of_height {
    ($height:expr, $arguments:tt, $($known:literal)+) => {
        match $height {
            $($known => of_height!(kernel $known $arguments),)+
            _ => unreachable!("blocks are not higher"),
        }
    };
    (kernel $known:literal ($($argument:ident),+)) => { kernel::<S, $known>($($argument),+) };
}

/// The product of `x` and a matrix of as many rows as those of `x` are long: a row for each, `stride` apart.
///
/// Each row comes out as if it were alone.
#[inline(always)]
pub(super) fn multiply<S: Simd>(
    simd: S,
    x: Rows<'_>,
    matrix: &Panels,
    bias: &[[f32; WIDTH]],
    out: &mut [f32],
    stride: usize,
    scratch: &mut Vec<f32>,
) {
    debug_assert_eq!(x.length, matrix.rows);
    let blocks = blocks(x.count, if is_wide::<S>() { 12 } else { 6 });
    gather(x, blocks.clone(), scratch);
    for (panel, columns) in matrix.data.chunks_exact(matrix.rows).enumerate() {
        let start = bias.get(panel).copied().unwrap_or_default();
        for (row, height) in blocks.clone() {
            let block = &scratch[row * x.length..][..height * x.length];
            let out = &mut out[row * stride + panel * WIDTH..];
            // A constant, so that only what is used of the arms is compiled: the others would cost registers.
            if is_wide::<S>() {
                of_height!(height, (simd, block, columns, start, out, stride), 1 2 3 4 5 6 7 8 9 10 11 12);
            } else {
                of_height!(height, (simd, block, columns, start, out, stride), 1 2 3 4 5 6);
            }
        }
    }
}

/// Rows in blocks of about the same height, at most so high: the first row and the height of each.
fn blocks(rows: usize, height: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    let count = rows.div_ceil(height);
    (0..count).map(move |block| {
        let first = block * rows / count;
        (first, (block + 1) * rows / count - first)
    })
}

/// The rows of each block with their first elements side by side, then their second.
#[inline(always)]
fn gather(x: Rows<'_>, blocks: impl Iterator<Item = (usize, usize)>, scratch: &mut Vec<f32>) {
    scratch.clear();
    scratch.resize(x.count * x.length, 0.0);
    for (first, height) in blocks {
        let block = &mut scratch[first * x.length..][..height * x.length];
        for row in 0..height {
            let from = &x.data[(first + row) * x.stride..][..x.length];
            for (to, from) in block[row..].iter_mut().step_by(height).zip(from) {
                *to = *from;
            }
        }
    }
}

#[inline(always)]
fn kernel<S: Simd, const H: usize>(
    simd: S,
    block: &[f32],
    columns: &[[f32; WIDTH]],
    start: [f32; WIDTH],
    out: &mut [f32],
    stride: usize,
) {
    let start: f32x16<S> = start.simd_into(simd);
    let mut sums = [start; H];
    for (elements, columns) in block.as_chunks::<H>().0.iter().zip(columns) {
        let columns = f32x16::load_array_ref(simd, columns);
        for (sum, element) in sums.iter_mut().zip(elements) {
            *sum = columns.mul_add(f32x16::splat(simd, *element), *sum);
        }
    }
    for (row, sum) in sums.iter().enumerate() {
        sum.store_slice(&mut out[row * stride..][..WIDTH]);
    }
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// All that this machine can be taken for.
    fn levels() -> Vec<Level> {
        let level = Level::new();
        let mut levels = vec![Level::baseline(), level];
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        levels
            .extend(level.as_sse4_2().map(Level::Sse4_2).into_iter().chain(level.as_avx2().map(Level::Avx2)));
        levels
    }

    #[test]
    fn a_product_is_the_same_on_every_machine_and_at_every_height() {
        let number = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f32 / 4.0 - 2.0;
        for level in levels() {
            for (rows, length, columns) in (1..=26).flat_map(|rows| [(rows, 7, 16), (rows, 16, 41)]) {
                let stride = length + 3;
                let data: Vec<_> = (0..rows * stride).map(|i| number(i / stride, i % stride)).collect();
                let matrix = Panels::new(length, columns, |row, column| number(column, row));
                let bias: Vec<_> = (0..matrix.columns() / WIDTH).map(|panel| [panel as f32; WIDTH]).collect();
                let mut out = vec![f32::NAN; rows * matrix.columns()];
                let x = Rows { data: &data, count: rows, length, stride };
                let width = matrix.columns();
                dispatch!(level, simd => multiply(simd, x, &matrix, &bias, &mut out, width, &mut Vec::new()));
                for (row, out) in out.chunks_exact(width).enumerate() {
                    for (column, out) in out[..columns].iter().enumerate() {
                        // Of quarters and small, so that no order of the sum rounds.
                        let sum: f32 = (0..length).map(|i| number(row, i) * number(column, i)).sum();
                        assert_eq!(*out, sum + (column / WIDTH) as f32, "{level:?} {rows} {row} {column}");
                    }
                }
            }
        }
    }
}
