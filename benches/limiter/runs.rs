use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use dashpot_testkit::simulation::Report;

use crate::arguments::Arguments;

/// Policies were tuned with the seeds from 0 on. What is reported comes from others.
const FIRST_SEED: u64 = 1000;

/// All reports, by scenario, contestant and seed.
pub(crate) struct Runs {
    reports: Vec<Report>,
    contestants: usize,
    seeds: usize,
}

impl Runs {
    /// Runs everything, on as many threads as there are processors.
    pub(crate) fn all(arguments: &Arguments, epoch: Instant) -> Self {
        let (contestants, seeds) = (arguments.contestants.len(), arguments.seeds as usize);
        let count = arguments.scenarios.len() * contestants * seeds;
        let next = AtomicUsize::new(0);
        let reports = Mutex::new(vec![None; count]);
        let work = || {
            loop {
                // Relaxed: only the number itself is shared.
                let at = next.fetch_add(1, Relaxed);
                if at >= count {
                    return;
                }
                let scenario = &arguments.scenarios[at / seeds / contestants];
                let contestant = arguments.contestants[at / seeds % contestants];
                let mut controllers: Vec<_> =
                    (0..scenario.limiters).map(|_| (contestant.make)(epoch)).collect();
                let seed = (at % seeds) as u64;
                let mut report = scenario.run(FIRST_SEED + seed, &mut controllers);
                if seed > 0 {
                    // Only the first is looked at over time.
                    report.samples = Vec::new();
                }
                reports.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(report);
            }
        };
        let threads = thread::available_parallelism().map_or(1, Into::into);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        let reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
        Self { reports: reports.into_iter().flatten().collect(), contestants, seeds }
    }

    pub(crate) fn of(&self, scenario: usize, contestant: usize) -> &[Report] {
        let first = (scenario * self.contestants + contestant) * self.seeds;
        &self.reports[first..first + self.seeds]
    }
}
