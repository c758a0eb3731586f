//! Limits under load, on virtual time: ours beside its peers, through every scenario of `dashpot_testkit::simulation`.
//!
//! `cargo bench --bench limiter` runs everything with 20 seeds, in some minutes. For less:
//! `cargo bench --bench limiter -- --seeds 3 --scenario A,E --policy ours,fixed`.
//!
//! The first table is the share of good answers: those within the scenario's limit of time, over those that the upstream
//! could have given or, where fewer came, over those asked for; with the 95 % confidence interval over seeds. A second
//! one, for each limiter, says what else happened, with a dash for what does not apply. The same goes to
//! `target/limiter/table.md`, with the limit over time of six scenarios as pictures beside it.

#[path = "limiter/adapter.rs"]
mod adapter;
#[path = "limiter/arguments.rs"]
mod arguments;
#[path = "limiter/contestants.rs"]
mod contestants;
#[path = "limiter/peers/mod.rs"]
mod peers;
#[path = "limiter/plot.rs"]
mod plot;
#[path = "limiter/runs.rs"]
mod runs;
#[path = "limiter/table.rs"]
mod table;

use std::{error::Error, fmt::Write as _, fs, path::Path};

use dashpot::limit;

use arguments::Arguments;
use runs::Runs;

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn main() -> Result<(), Box<dyn Error>> {
    // Simulated time is the same whoever counts allocations.
    if cfg!(feature = "allocations") {
        return Ok(());
    }
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let runs = Runs::all(&arguments, tokio::time::Instant::now().into_std());
    let mut text = table::goodput(&arguments, &runs);
    for (at, contestant) in arguments.contestants.iter().enumerate() {
        write!(text, "\n{}\n\n{}", contestant.title, table::details(&arguments, &runs, at))?;
    }
    println!("{text}");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("limiter");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("table.md"), text)?;
    plot::write(&folder, &arguments, &runs)?;
    println!("written to {}: table.md and the limit over time", folder.display());
    Ok(())
}
