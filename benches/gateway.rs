//! The gateway beside others, each a process of its own as a user would start it, in front of the same model server.
//!
//! `cargo xtask bench gateway` sets them up first: nginx, which is the practical limit of what a proxy can do, LiteLLM's
//! proxy and Portkey's gateway. `-- --without NAME` leaves one out (`nginx`, `bare`, `full`, `portkey` or `litellm`),
//! `-- --rounds N` takes another number of rounds than two, and `-- --quick` takes less time and says little. `-- --poll` keeps
//! the cores from sleeping, as root may: what is left is what the contestants themselves take.
//!
//! The contestant has a core to itself, the last one; the simulated model server and the client share the first, or have two
//! where there are more. All requests are another question each, so that to the cache each is a miss. It keeps the
//! whole answers and the longest streams; the others end at the limit of tokens, and are looked through for nothing.
//! The contestants take turns, and each figure is the best of the rounds: what else the machine does can only make it worse.
//!
//! * requests: whole answers a second, 64 connections that ask again as soon as they are answered. The model server
//!   takes no time. The client and the server on their one core are a limit too: no more than `directly`.
//! * whole: the time of a whole answer, one at a time, less what it takes to ask the server itself; the two take turns.
//! * first: from the question to the first content of a stream, less the same without a contestant. So many streams at
//!   once, begun evenly; who has read one asks for the next. The server has the first content at once.
//! * jitter: how far the time from one token to the next is from the server's 100 ms.
//! * memory: what the process takes more with 1,000 streams, by stream. It was started anew for that, and had answered others.
//! * start: from the start of the process to its first answer.

#[path = "gateway/client.rs"]
mod client;
#[path = "gateway/contestants.rs"]
mod contestants;
#[path = "gateway/cores.rs"]
mod cores;
#[path = "gateway/process.rs"]
mod process;
#[path = "gateway/rounds.rs"]
mod rounds;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "gateway/table.rs"]
mod table;

use contestants::Contestant;
use cores::Cores;
use rounds::{Figures, Times};

/// What to run.
struct Bench {
    contestants: Vec<Contestant>,
    rounds: usize,
    times: Times,
    poll: bool,
}

impl Bench {
    fn from_args() -> Result<Self, String> {
        let mut bench =
            Self { contestants: Contestant::ALL.into(), rounds: 2, times: Times::LONG, poll: false };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // What cargo passes.
                "--bench" => {}
                "--quick" => (bench.rounds, bench.times) = (1, Times::SHORT),
                "--rounds" => {
                    let rounds =
                        args.next().and_then(|rounds| rounds.parse().ok()).filter(|&rounds| rounds > 0);
                    bench.rounds = rounds.ok_or("--rounds wants a number")?;
                }
                "--poll" => bench.poll = true,
                "--without" => {
                    let name = args.next().ok_or("--without wants a name")?;
                    bench.contestants.retain(|contestant| contestant.flag() != Some(&*name));
                }
                _ => return Err(format!("no such argument: {arg}")),
            }
        }
        Ok(bench)
    }
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the report of a bench")]
async fn main() -> Result<(), String> {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return Ok(());
    }
    let bench = Bench::from_args()?;
    for contestant in &bench.contestants {
        contestant.check()?;
    }
    // 1,000 streams are two files each, here and in what is started from here.
    rlimit::increase_nofile_limit(u64::MAX).map_err(|error| error.to_string())?;
    // Before the cores are told apart: it builds what is missing.
    let _ = (support::example("gateway"), support::model_server());
    let cores = Cores::find()?;
    cores.client();
    let _awake = bench.poll.then(cores::poll).transpose()?;
    eprintln!("{cores}");
    let mut figures = vec![Figures::default(); bench.contestants.len()];
    for round in 1..=bench.rounds {
        for (contestant, best) in bench.contestants.iter().zip(&mut figures) {
            eprintln!("round {round} of {}, {}: load {}", bench.rounds, contestant.name(), process::load());
            best.better(&rounds::run(*contestant, &cores, &bench.times).await?);
        }
        // A round takes minutes, and somebody may not want to wait for the next.
        eprintln!(
            "after {round} of {} rounds:\n{}",
            bench.rounds,
            table::table(&bench.contestants, &figures)
        );
    }
    println!("{}", table::table(&bench.contestants, &figures));
    println!("{}", table::promises(&bench.contestants, &figures));
    Ok(())
}
