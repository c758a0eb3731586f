/// The lowest time that is told from zero, in seconds: nothing answers over a network sooner.
const FLOOR: f64 = 1e-6;

/// Buckets to the octave, so that each is 3 to 6 % wide; quantiles are interpolated within one.
const STEPS_LOG2: u32 = 4;

/// Octaves: from a microsecond to more than an hour.
const OCTAVES: usize = 32;

const BUCKETS: usize = OCTAVES << STEPS_LOG2;

/// What is left of the bits of an `f64` for a bucket: the exponent and the first bits of the mantissa.
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - STEPS_LOG2;

/// The bits of 1.0, so of bucket 0.
const ZERO: u64 = 1.0_f64.to_bits() >> SHIFT;

/// How many times fell where: exact counts in buckets whose width grows with the time.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Box<[u32; BUCKETS]>,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: Box::new([0; BUCKETS]) }
    }

    pub(super) fn add(&mut self, seconds: f64) {
        let count = &mut self.counts[bucket(seconds)];
        *count = count.saturating_add(1);
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
    }

    /// The time that the share `q` of all times does not exceed; 0 if there are none.
    pub(super) fn quantile(&self, q: f64) -> f64 {
        let total: u64 = self.counts.iter().map(|&count| u64::from(count)).sum();
        let rank = q.clamp(0.0, 1.0) * total as f64;
        let mut below = 0.0;
        for (at, &count) in self.counts.iter().enumerate() {
            let count = f64::from(count);
            if count > 0.0 && below + count >= rank {
                let within = ((rank - below) / count).clamp(0.0, 1.0);
                return edge(at) + (edge(at + 1) - edge(at)) * within;
            }
            below += count;
        }
        0.0
    }
}

fn bucket(seconds: f64) -> usize {
    let bits = (seconds / FLOOR).max(1.0).to_bits() >> SHIFT;
    usize::try_from(bits - ZERO).map_or(BUCKETS - 1, |at| at.min(BUCKETS - 1))
}

fn edge(bucket: usize) -> f64 {
    f64::from_bits((bucket as u64 + ZERO) << SHIFT) * FLOOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_found_within_a_few_percent() {
        let mut histogram = Histogram::new();
        for i in 1..=1000 {
            histogram.add(f64::from(i) * 1e-3);
        }
        for q in [0.1, 0.25, 0.5, 0.9] {
            let found = histogram.quantile(q);
            assert!((found / q - 1.0).abs() < 0.03, "{q}: {found}");
        }
    }

    #[test]
    fn times_out_of_range_fall_into_the_outer_buckets() {
        let mut histogram = Histogram::new();
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX] {
            histogram.add(seconds);
        }
        assert!(histogram.quantile(0.0) < 2e-6);
        assert!(histogram.quantile(1.0) > 3600.0);
        assert!(histogram.quantile(1.0).is_finite());
    }

    #[test]
    fn an_edge_belongs_to_its_own_bucket() {
        for at in 0..BUCKETS {
            assert_eq!(bucket(edge(at) * (1.0 + 1e-9)), at);
        }
    }
}
