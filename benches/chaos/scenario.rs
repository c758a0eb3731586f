//! The files that say what goes wrong, and when.

use std::{fs, path::Path, time::Duration};

use dashpot_testkit::{load::Surge, model_server::FaultRule};
use serde::Deserialize;

use crate::WARM_UP;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) title: String,
    /// For so long users come.
    pub(crate) seconds: f64,
    #[serde(default)]
    pub(crate) load: Users,
    #[serde(default)]
    pub(crate) model: Normal,
    #[serde(rename = "phase")]
    phases: Vec<Phase>,
}

/// Who asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Users {
    /// Where what they ask comes from, and when.
    pub(crate) seed: u64,
    /// So many a second.
    pub(crate) rate: f64,
    pub(crate) patience_ms: u64,
    pub(crate) silence_ms: u64,
    pub(crate) retries: u32,
}

impl Default for Users {
    fn default() -> Self {
        Self { seed: 0, rate: 40.0, patience_ms: 2500, silence_ms: 1000, retries: 2 }
    }
}

/// The model when all is well.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Normal {
    /// So many requests it works on at once; with the answers that are asked for here that is 90 a second.
    pub(crate) slots: usize,
}

impl Default for Normal {
    fn default() -> Self {
        Self { slots: 64 }
    }
}

/// What is otherwise for a time; what it does not say is as it always is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phase {
    /// Seconds from the beginning.
    start: f64,
    length: f64,
    /// Users a second.
    rate: Option<f64>,
    pub(crate) slots: Option<usize>,
    /// All times of the model are multiplied with it.
    pub(crate) time_scale: Option<f64>,
    #[serde(default)]
    faults: Vec<Fault>,
    /// Nothing listens.
    #[serde(default)]
    pub(crate) down: bool,
    /// It is started anew in the beginning, and has to load its model.
    pub(crate) cold: Option<Cold>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    fault: String,
    rate: f64,
}

/// How it loads its model.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cold {
    pub(crate) load_ms: u64,
    /// Requests meanwhile are answered 503, and do not wait.
    pub(crate) reject: bool,
}

impl Scenario {
    /// Those of the folder, or of the one that is named, by name.
    pub(crate) fn all() -> Vec<Self> {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/chaos/scenarios");
        let folder = std::env::var_os("CHAOS_SCENARIOS").map_or_else(own, Into::into);
        let files = fs::read_dir(folder).expect("the scenarios are there");
        let mut files: Vec<_> = files.map(|file| file.expect("it is readable").path()).collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("it is readable");
        let scenario: Self =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let ends = scenario.phases.iter().map(|phase| phase.start + phase.length);
        let starts = scenario.phases.iter().skip(1).map(|phase| phase.start).chain([scenario.seconds]);
        for (end, next) in ends.zip(starts) {
            assert!(end <= next, "{}: a phase that ends at {end} goes beyond {next}", file.display());
        }
        scenario
    }

    pub(crate) fn surges(&self) -> Vec<Surge> {
        let surge = |phase: &Phase| {
            let (start, length) = (WARM_UP + seconds(phase.start), seconds(phase.length));
            phase.rate.map(|rate| Surge { start, length, rate })
        };
        self.phases.iter().filter_map(surge).collect()
    }

    /// When the model changes, and to what; `None` is normal.
    pub(crate) fn turns(&self) -> Vec<(Duration, Option<&Phase>)> {
        let mut turns = Vec::new();
        for phase in &self.phases {
            turns.push((seconds(phase.start), Some(phase)));
            turns.push((seconds(phase.start + phase.length), None));
        }
        turns
    }
}

impl Phase {
    pub(crate) fn faults(&self) -> Vec<FaultRule> {
        let rule = |fault: &Fault| {
            FaultRule::rate(fault.fault.parse().unwrap_or_else(|bad| panic!("{bad}")), fault.rate)
        };
        self.faults.iter().map(rule).collect()
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
