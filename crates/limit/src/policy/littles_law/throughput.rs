/// How many exchanges leave per second, whatever they left with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Throughput {
    first: Option<f64>,
    latest: f64,
    /// Departures after the first report of any.
    after_first: f64,
}

impl Throughput {
    pub(super) fn add(&mut self, now: f64, departed: u32) {
        if departed == 0 {
            return;
        }
        // What the first report counts left before it, in a time that is not known.
        if self.first.is_none() {
            self.first = Some(now);
        } else {
            self.after_first += f64::from(departed);
        }
        self.latest = now;
    }

    /// `None` if too little left to say.
    pub(super) fn rate(&self) -> Option<f64> {
        let elapsed = self.latest - self.first?;
        (elapsed > 0.0 && self.after_first > 0.0).then(|| self.after_first / elapsed)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_only_starts_the_clock() {
        let mut throughput = Throughput::default();
        throughput.add(3.0, 100);
        assert_eq!(throughput.rate(), None);
        throughput.add(4.0, 0);
        throughput.add(5.0, 8);
        assert_eq!(throughput.rate(), Some(4.0));
    }
}
