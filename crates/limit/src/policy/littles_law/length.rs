/// Samples after which older ones weigh half or less: a new kind of request is learned within some windows, and a slope
/// of a few samples is not trusted.
const MEMORY: f64 = 1000.0;

/// A slope counts if it is this many of its standard errors above zero: by chance one in a thousand is.
const SIGNIFICANT: f64 = 3.0;

/// What a time owes to the length of the exchange: of its prompt, or of its answer.
///
/// A running regression of the time on the length. Only differences within one window count, since a queue that grew
/// from one window to the next, while the lengths changed too, would pass for an effect of the length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Length {
    window: Moments,
    past: Moments,
    slope: f64,
    /// The length at which times are compared.
    reference: Option<f64>,
}

/// Sums of squares and products around the means.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    length: f64,
    time: f64,
    length_length: f64,
    length_time: f64,
    time_time: f64,
}

impl Length {
    /// Learns from a sample, and says how long it would have taken at the reference length.
    pub(super) fn level(&mut self, length: Option<u32>, time: f64) -> f64 {
        let Some(length) = length.map(f64::from) else { return time };
        self.window.add(length, time);
        match self.reference {
            Some(reference) => time - self.slope * (length - reference),
            None => time,
        }
    }

    /// Whether lengths explain anything.
    pub(super) fn is_used(&self) -> bool {
        self.slope > 0.0
    }

    /// The window is over: its samples join the past ones. Gives what has to be added to a baseline, since times are
    /// compared at another length from now on: at the mean of the past, where an error of the slope matters least.
    pub(super) fn close(&mut self) -> f64 {
        let window = std::mem::take(&mut self.window);
        if window.count < 2.0 {
            return 0.0;
        }
        self.past.merge(&window);
        self.slope = self.past.slope(self.slope > 0.0);
        let reference = self.reference.get_or_insert(window.length);
        if self.slope == 0.0 {
            return 0.0;
        }
        let longer = self.past.length - *reference;
        *reference = self.past.length;
        self.slope * longer
    }

    /// Forgets the open window.
    pub(super) fn discard(&mut self) {
        self.window = Moments::default();
    }
}

impl Moments {
    fn add(&mut self, length: f64, time: f64) {
        self.count += 1.0;
        let (dl, dt) = (length - self.length, time - self.time);
        self.length += dl / self.count;
        self.time += dt / self.count;
        self.length_length += dl * (length - self.length);
        self.length_time += dl * (time - self.time);
        self.time_time += dt * (time - self.time);
    }

    fn merge(&mut self, window: &Self) {
        let keep = MEMORY / (MEMORY + window.count);
        // One degree of freedom went into the window's own mean.
        let weight = self.count * keep;
        self.length += (window.length - self.length) * window.count / (weight + window.count);
        self.count = weight + window.count - 1.0;
        self.length_length = self.length_length * keep + window.length_length;
        self.length_time = self.length_time * keep + window.length_time;
        self.time_time = self.time_time * keep + window.time_time;
    }

    /// Seconds per unit of length; 0 unless longer surely takes longer, or did before.
    fn slope(&self, trusted: bool) -> f64 {
        if self.count < 3.0 || self.length_length <= 0.0 || self.length_time <= 0.0 {
            return 0.0;
        }
        let slope = self.length_time / self.length_length;
        let unexplained = (self.time_time - slope * self.length_time).max(0.0) / (self.count - 2.0);
        let error = (unexplained / self.length_length).sqrt();
        if slope.is_finite() && (trusted || slope > SIGNIFICANT * error) { slope } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise without a generator: the fractional parts of multiples of the golden ratio.
    fn noise(i: u32) -> f64 {
        (f64::from(i) * 0.618_033_988_75).fract() - 0.5
    }

    fn window(length: &mut Length, lengths: [u32; 2], time: impl Fn(u32, f64) -> f64) -> f64 {
        let mut sum = 0.0;
        for i in 0..60 {
            let tokens = lengths[i as usize % 2];
            sum += length.level(Some(tokens), time(tokens, noise(i)));
        }
        length.close();
        sum / 60.0
    }

    #[test]
    fn a_change_of_the_mix_is_no_change_of_the_time() {
        let mut length = Length::default();
        let time = |tokens, noise| 0.1 + 1e-4 * f64::from(tokens) + 0.05 * noise;
        let first = window(&mut length, [100, 1000], time);
        for _ in 0..10 {
            window(&mut length, [100, 1000], time);
        }
        let long = window(&mut length, [4000, 6000], time);
        assert!((long - first).abs() < 0.02, "{first} {long}");
    }

    #[test]
    fn a_queue_that_comes_with_longer_prompts_is_still_seen() {
        let mut length = Length::default();
        let mut first = 0.0;
        for round in 0..20 {
            let waits = 0.1 * f64::from(round);
            let mean = window(&mut length, [100 * (round + 1), 110 * (round + 1)], |_, noise| {
                0.1 + waits + 0.05 * noise
            });
            if round == 0 {
                first = mean;
            }
            assert!((mean - first - waits).abs() < 0.05, "{round}: {mean}");
        }
    }

    #[test]
    fn a_slope_that_may_be_chance_is_not_used() {
        let mut length = Length::default();
        window(&mut length, [100, 101], |_, noise| 0.1 + noise);
        assert_eq!(length.slope, 0.0);
    }
}
