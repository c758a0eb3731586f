/// How often it was idle for how long, in bins of the same length.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    bins: Vec<u32>,
    total: u32,
    /// The sum of the squares of all bins, which the variation needs.
    squares: u64,
}

impl Histogram {
    pub(super) fn new(bins: usize) -> Self {
        Self { bins: vec![0; bins], total: 0, squares: 0 }
    }

    pub(super) fn add(&mut self, bin: usize) {
        self.squares += 2 * u64::from(self.bins[bin]) + 1;
        self.bins[bin] += 1;
        self.total += 1;
        // What was long ago counts for less, and no count overflows.
        if self.total >= 1 << 16 {
            self.halve();
        }
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// The standard deviation of the bins over their mean: high where most of them are empty. As a sample has it, with one
    /// less than there are bins.
    pub(super) fn variation(&self) -> f64 {
        let (bins, total) = (self.bins.len() as f64, f64::from(self.total));
        let mean = total / bins;
        if mean == 0.0 || bins < 2.0 {
            return 0.0;
        }
        let variance = (self.squares as f64 - total * mean).max(0.0) / (bins - 1.0);
        variance.sqrt() / mean
    }

    /// The first bin up to which this share of all is.
    pub(super) fn percentile(&self, share: f64) -> usize {
        let enough = share * f64::from(self.total);
        let mut seen = 0;
        self.bins
            .iter()
            .position(|&count| {
                seen += count;
                f64::from(seen) >= enough && seen > 0
            })
            .unwrap_or(self.bins.len() - 1)
    }

    pub(super) fn halve(&mut self) {
        for bin in &mut self.bins {
            *bin /= 2;
        }
        self.total = self.bins.iter().sum();
        self.squares = self.bins.iter().map(|&bin| u64::from(bin).pow(2)).sum();
    }
}
