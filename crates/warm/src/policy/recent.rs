use std::{collections::VecDeque, time::Duration};

/// The last few times, of which the middle and the spread are asked.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    times: VecDeque<Duration>,
    room: usize,
}

impl Recent {
    pub(crate) fn new(room: usize) -> Self {
        Self { times: VecDeque::with_capacity(room), room }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        if self.times.len() == self.room {
            self.times.pop_front();
        }
        self.times.push_back(time);
    }

    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The smallest that is not exceeded by this share of them.
    pub(crate) fn percentile(&self, share: f64) -> Option<Duration> {
        percentile(self.times.iter().copied().collect(), share)
    }

    /// The middle, and how far from it they are in the middle.
    pub(crate) fn spread(&self) -> Option<(Duration, Duration)> {
        let median = self.percentile(0.5)?;
        let away = percentile(self.times.iter().map(|time| time.abs_diff(median)).collect(), 0.5)?;
        Some((median, away))
    }
}

fn percentile(mut times: Vec<Duration>, share: f64) -> Option<Duration> {
    times.sort_unstable();
    let rank = (share * times.len() as f64).ceil() as usize;
    times.get(rank.saturating_sub(1)).copied()
}
