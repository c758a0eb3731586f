//! What keeps an upstream warm costs, and what it saves.
//!
//! `cargo bench --bench warm` prints, in some minutes:
//!
//! - policies on a synthetic population, 20 seeds: cold starts beside the time that upstreams are warm for nothing, by the
//!   kind of traffic, with the share of each kind swept. The curve goes to `target/warm/pareto.svg`.
//! - a real process that reads and checks a file of half a gigabyte: its first answer when it is cold, loaded, primed and
//!   warm; and 200 requests that come while it loads, with and without a ramp.
//!
//! For less: `-- --seeds 3`, `-- --only policies`, `-- --only process --megabytes 64`.

#[path = "warm/plot.rs"]
mod plot;
#[path = "warm/policies.rs"]
mod policies;
#[path = "warm/population.rs"]
mod population;
#[path = "warm/process.rs"]
mod process;

use std::{error::Error, fs, path::Path};

struct Arguments {
    seeds: u64,
    only: Option<String>,
    megabytes: usize,
}

impl Arguments {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut parsed = Self { seeds: 20, only: None, megabytes: 512 };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                // Cargo says so to every bench.
                "--bench" => {}
                "--seeds" => parsed.seeds = value()?.parse()?,
                "--only" => parsed.only = Some(value()?),
                "--megabytes" => parsed.megabytes = value()?.parse()?,
                _ => return Err(format!("what is {name}? There are --seeds, --only and --megabytes").into()),
            }
        }
        Ok(parsed)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn main() -> Result<(), Box<dyn Error>> {
    process::serve_if_told()?;
    // Neither simulated time nor a process's cares who counts allocations.
    if cfg!(feature = "allocations") {
        return Ok(());
    }
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("warm");
    fs::create_dir_all(&folder)?;
    if arguments.wants("policies") {
        let report = policies::run(arguments.seeds);
        println!("{}", report.text);
        plot::write(&folder.join("pareto.svg"), &report)?;
        println!("written to {}", folder.join("pareto.svg").display());
    }
    if arguments.wants("process") {
        println!("{}", process::run(arguments.megabytes)?);
    }
    Ok(())
}
