use std::fmt;

/// The shortest time that is told from zero, in seconds: nothing answers over a network sooner.
const FLOOR: f64 = 1e-6;

/// Buckets to the octave, as a power of two: each is 2 to 3 % wide, much less than the queue that is tolerated.
const STEPS_LOG2: u32 = 5;

/// Octaves: from a microsecond to more than an hour.
const OCTAVES: usize = 32;

const BUCKETS: usize = OCTAVES << STEPS_LOG2;

/// What is cut off from the bits of an `f64`, to leave the exponent and the first bits of the mantissa.
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - STEPS_LOG2;

/// The bits of 1.0, so of bucket 0.
const ZERO: u64 = 1.0_f64.to_bits() >> SHIFT;

/// How many times fell where: counts in buckets whose width grows with the time, so their number is bounded.
#[derive(Clone)]
pub(super) struct Histogram {
    counts: Box<[u32; BUCKETS]>,
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.buckets()).finish()
    }
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

    /// Buckets with something in them, from below.
    pub(super) fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let full = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        full.map(|(at, &count)| Bucket { from: edge(at), to: edge(at + 1), count: count.into() })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: f64,
}

impl Bucket {
    pub(super) fn middle(&self) -> f64 {
        (self.from + self.to) / 2.0
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
    fn a_time_falls_into_a_narrow_bucket_around_it() {
        for seconds in [1.1e-6, 0.003, 0.1, 1.0, 77.7, 3600.0] {
            let mut histogram = Histogram::new();
            histogram.add(seconds);
            let bucket = histogram.buckets().next().unwrap();
            assert!(bucket.from <= seconds && seconds <= bucket.to && bucket.to / bucket.from < 1.04);
        }
    }

    #[test]
    fn times_out_of_range_fall_into_the_outer_buckets() {
        let mut histogram = Histogram::new();
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX] {
            histogram.add(seconds);
        }
        let outer: Vec<_> = histogram.buckets().collect();
        assert_eq!((outer.len(), outer[0].count, outer[1].count), (2, 3.0, 2.0));
        assert!(outer[0].to < 2e-6 && outer[1].from > 3600.0 && outer[1].to.is_finite());
    }

    #[test]
    fn an_edge_belongs_to_its_own_bucket() {
        for at in 0..BUCKETS {
            assert_eq!(bucket(edge(at) * (1.0 + 1e-9)), at);
        }
    }
}
