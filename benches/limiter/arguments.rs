use dashpot_testkit::simulation::{Scenario, scenarios};

use crate::contestants::{self, Contestant};

/// What the command line asks for.
pub(crate) struct Arguments {
    pub(crate) seeds: u64,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) contestants: Vec<&'static Contestant>,
}

impl Arguments {
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut parsed =
            Self { seeds: 20, scenarios: scenarios::all(), contestants: contestants::ALL.iter().collect() };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                // Cargo says so to every bench.
                "--bench" => {}
                "--seeds" => parsed.seeds = value()?.parse().map_err(|error| format!("--seeds: {error}"))?,
                "--scenario" => {
                    let named =
                        |name| scenarios::named(name).ok_or_else(|| format!("there is no scenario {name}"));
                    parsed.scenarios = value()?.split(',').map(named).collect::<Result<_, _>>()?;
                }
                "--policy" => {
                    let named = |name| {
                        let found = contestants::ALL.iter().find(|contestant| contestant.name == name);
                        found.ok_or_else(|| format!("there is no policy {name}"))
                    };
                    parsed.contestants = value()?.split(',').map(named).collect::<Result<_, _>>()?;
                }
                _ => return Err(format!("what is {name}? There are --seeds, --scenario and --policy")),
            }
        }
        Ok(parsed)
    }
}
