/// The lowest and the highest limit of a policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    min: u32,
    max: u32,
}

impl Bounds {
    /// # Panics
    ///
    /// If `min` is 0 or more than `max`.
    pub(super) fn new(min: u32, max: u32) -> Self {
        assert!(0 < min && min <= max, "the lowest limit is {min}, the highest {max}");
        Self { min, max }
    }

    pub(super) fn clamp(self, limit: u32) -> u32 {
        limit.clamp(self.min, self.max)
    }

    /// What is no number is the lowest.
    pub(super) fn clamp_f64(self, limit: f64) -> f64 {
        limit.max(self.min.into()).min(self.max.into())
    }
}
