//! `cargo xtask`: sets the workspace up, shows it, tests it, lints it and measures it.
//!
//! Only the standard library, so that it builds in a second on an empty machine. What a command needs beyond cargo is
//! a [`Provision`](provision::Provision): found or installed before the command's first step, or left out by name.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::process::ExitCode;

use args::{Args, Command};

mod args;
mod bench;
mod demo;
mod lint;
mod load;
mod provision;
mod release;
mod servers;
mod soak;
mod test;
mod workspace;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(reason) => {
            eprintln!("error: {reason}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let result = run(&args);
    // After a failure too: the reader must not take a part for the whole.
    for provision in args.left_out() {
        eprintln!("left out: {} ({})", provision.name(), provision.missed());
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if args.command == Command::Help {
        println!("{}", args::USAGE);
        return Ok(());
    }
    let workspace = workspace::Workspace::find()?;
    let provisions: Vec<_> = args.provisions().collect();
    for provision in &provisions {
        provision.ensure(&workspace)?;
    }
    match &args.command {
        Command::Help | Command::Setup => Ok(()),
        Command::Demo => demo::run(&workspace),
        Command::Soak(minutes) => soak::run(&workspace, *minutes),
        Command::Test => test::run(&workspace, &provisions),
        Command::Load(args) => load::run(&workspace, args),
        Command::Lint => lint::run(&workspace, &provisions),
        Command::Release(baseline) => release::run(&workspace, &provisions, baseline.as_deref()),
        Command::Bench(name) => bench::run(&workspace, name.as_deref(), &args.left_out().collect::<Vec<_>>()),
    }
}
