use fearless_simd::Simd;

use super::panels::WIDTH;

/// The Gaussian error linear unit of each element: `x Φ(x)`.
#[inline(always)]
pub(super) fn gelu<S: Simd>(_: S, x: &mut [f32]) {
    for x in x {
        *x *= 0.5 + 0.5 * erf(*x * std::f32::consts::FRAC_1_SQRT_2);
    }
}

/// The error function, by Abramowitz and Stegun 7.1.26, whose error is below 1.5e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const A: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let z = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let polynomial = ((((A[0] * t + A[1]) * t + A[2]) * t + A[3]) * t + A[4]) * t;
    (1.0 - polynomial * exp(-z * z)).copysign(x)
}

/// `e^x` for `x <= 0`, as a power of two and a Taylor polynomial; without branches or calls, so that many are done at once.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it leaves no room for digits behind the point.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    // ln 2 in two parts, the first of few digits, so that its product is exact.
    let rest = (x - power * 0.693_359_4) + power * 2.121_944_4e-4;
    let taylor = 1.0 / 720.0;
    let taylor = taylor * rest + 1.0 / 120.0;
    let taylor = taylor * rest + 1.0 / 24.0;
    let taylor = taylor * rest + 1.0 / 6.0;
    let taylor = taylor * rest + 0.5;
    let taylor = taylor * rest + 1.0;
    let taylor = taylor * rest + 1.0;
    taylor * f32::from_bits((shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23)
}

/// The softmax of `scale` times each element.
#[inline(always)]
pub(super) fn softmax<S: Simd>(_: S, x: &mut [f32], scale: f32) {
    let top = fold(x, f32::NEG_INFINITY, f32::max);
    for x in &mut *x {
        *x = exp((*x - top) * scale);
    }
    let factor = 1.0 / fold(x, 0.0, |a, b| a + b);
    for x in x {
        *x *= factor;
    }
}

/// Each row brought to mean 0 and variance 1, then scaled and moved.
#[inline(always)]
pub(super) fn normalize<S: Simd>(_: S, x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let length = weight.len() as f32;
    for x in x.chunks_exact_mut(weight.len()) {
        let mean = fold(x, 0.0, |a, b| a + b) / length;
        for x in &mut *x {
            *x -= mean;
        }
        let variance = squares(x) / length;
        let factor = 1.0 / (variance + epsilon).sqrt();
        for ((x, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
            *x = *x * factor * weight + bias;
        }
    }
}

#[inline(always)]
fn squares(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<WIDTH>();
    let mut sums = [0.0; WIDTH];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

/// All elements in one, sixteen at a time.
#[inline(always)]
fn fold(x: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<WIDTH>();
    let mut folded = [start; WIDTH];
    for chunk in chunks {
        for (folded, x) in folded.iter_mut().zip(chunk) {
            *folded = f(*folded, *x);
        }
    }
    let folded = folded.iter().fold(start, |a, b| f(a, *b));
    rest.iter().fold(folded, |a, b| f(a, *b))
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    #[test]
    fn exp_is_as_exact_as_its_type() {
        for i in 0..=8700 {
            let x = -(i as f32) / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}: {} {exact}", exp(x));
        }
        assert!(exp(-1e30) < 1e-37);
    }

    #[test]
    fn gelu_has_its_known_values() {
        // Of scipy.stats.norm.cdf(x) * x.
        let known = [
            (-6.0, -5.919_526e-9),
            (-3.0, -0.004_049_694),
            (-1.0, -0.158_655_25),
            (0.0, 0.0),
            (0.5, 0.345_731_23),
            (2.0, 1.954_499_7),
            (8.0, 8.0),
        ];
        let mut x = known.map(|(x, _)| x);
        dispatch!(Level::new(), simd => gelu(simd, &mut x));
        for (x, (at, known)) in x.iter().zip(known) {
            assert!((x - known).abs() < 1e-6, "{at}: {x} {known}");
        }
    }

    #[test]
    fn softmax_adds_up_to_one() {
        for length in [1, 15, 16, 40] {
            let mut x: Vec<f32> = (0..length).map(|i| (i * 7 % 5) as f32).collect();
            dispatch!(Level::new(), simd => softmax(simd, &mut x, 3.0));
            assert!((x.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{x:?}");
        }
    }
}
