//! The simulated model server as a program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::{process::ExitCode, time::Duration};

use dashpot_testkit::model_server::{ColdStart, Config, Distribution, ModelServer};
use lexopt::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
A simulated model server: OpenAI and Anthropic compatible, HTTP/1.1 and HTTP/2.

usage: model-server [flags]
  --listen ADDR         where to listen (127.0.0.1:8000; port 0 takes a free one)
  --seed N              where all randomness comes from (0)
  --ttft-ms X           time to the first token; always the same (log-normal, median 300)
  --gap-ms X            time between tokens; always the same (log-normal, median 20)
  --tokens N            length of every answer (log-normal, median 100)
  --concurrency N       requests worked on at once; more wait (no limit)
  --cold-start-ms X     the first request waits so long for the model to load (0)
  --time-scale X        multiplies all times; 0 waits for nothing (1)
  --help                this text
Faults: send the header `x-fault: NAME`, or POST /_control/faults; see the README.";

#[tokio::main]
async fn main() -> ExitCode {
    let config = match parse(std::env::args().skip(1)) {
        Ok(Some(config)) => config,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(what) => {
            eprintln!("model-server: {what} (see --help)");
            return ExitCode::from(2);
        }
    };
    let listen = config.listen;
    let server = match ModelServer::start(config) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("model-server: {listen}: {error}");
            return ExitCode::from(if error.kind() == std::io::ErrorKind::InvalidInput { 2 } else { 1 });
        }
    };
    println!("model server listening on {}", server.url());
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(error) => {
            eprintln!("model-server: cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    }
    server.shutdown().await;
    ExitCode::SUCCESS
}

/// `None`: help is asked for.
fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Config>, lexopt::Error> {
    let mut config = Config { listen: ([127, 0, 0, 1], 8000).into(), ..Config::default() };
    let mut args = lexopt::Parser::from_args(args);
    while let Some(arg) = args.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Long("listen") => config.listen = args.value()?.parse()?,
            Long("seed") => config.seed = args.value()?.parse()?,
            Long("ttft-ms") => config.ttft_ms = Distribution::Constant(args.value()?.parse()?),
            Long("gap-ms") => config.gap_ms = Distribution::Constant(args.value()?.parse()?),
            Long("tokens") => {
                config.output_tokens = Distribution::Constant(args.value()?.parse::<u32>()?.into());
            }
            Long("concurrency") => config.concurrency = Some(args.value()?.parse()?),
            Long("cold-start-ms") => {
                let load = Duration::from_millis(args.value()?.parse()?);
                config.cold_start = Some(ColdStart { load, idle: None, reject: false });
            }
            Long("time-scale") => config.time_scale = args.value()?.parse()?,
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Result<Option<Config>, lexopt::Error> {
        parse(text.split_whitespace().map(String::from))
    }

    #[test]
    fn flags_are_read() {
        let config = flags("--listen 127.0.0.1:0 --seed=7 --ttft-ms 1.5 --tokens 9 --cold-start-ms 40")
            .unwrap()
            .unwrap();
        assert_eq!((config.listen.port(), config.seed), (0, 7));
        assert_eq!(config.ttft_ms, Distribution::Constant(1.5));
        assert_eq!(config.output_tokens, Distribution::Constant(9.0));
        assert_eq!(config.cold_start.unwrap().load, Duration::from_millis(40));
        assert!(flags("--seed 1 --help").unwrap().is_none());
    }

    #[test]
    fn a_wrong_flag_is_named() {
        for (text, what) in [
            ("--sede 1", "invalid option '--sede'"),
            ("--seed", "missing argument for option '--seed'"),
            ("--seed x", "cannot parse argument \"x\": invalid digit found in string"),
            ("extra", "unexpected argument \"extra\""),
        ] {
            assert_eq!(flags(text).unwrap_err().to_string(), what);
        }
    }
}
