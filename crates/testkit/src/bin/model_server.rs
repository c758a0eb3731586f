//! The simulated model server as a program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::{process::ExitCode, str::FromStr, time::Duration};

use dashpot_testkit::model_server::{ColdStart, Config, Distribution, ModelServer};
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
fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Config>, String> {
    let mut config = Config { listen: ([127, 0, 0, 1], 8000).into(), ..Config::default() };
    while let Some(flag) = args.next() {
        if flag == "--help" || flag == "-h" {
            return Ok(None);
        }
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (flag, args.next()),
        };
        let value = value.ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--listen" => config.listen = read(&flag, &value?)?,
            "--seed" => config.seed = read(&flag, &value?)?,
            "--ttft-ms" => config.ttft_ms = Distribution::Constant(read(&flag, &value?)?),
            "--gap-ms" => config.gap_ms = Distribution::Constant(read(&flag, &value?)?),
            "--tokens" => config.output_tokens = Distribution::Constant(read::<u32>(&flag, &value?)?.into()),
            "--concurrency" => config.concurrency = Some(read(&flag, &value?)?),
            "--cold-start-ms" => {
                let load = Duration::from_millis(read(&flag, &value?)?);
                config.cold_start = Some(ColdStart { load, idle: None, reject: false });
            }
            "--time-scale" => config.time_scale = read(&flag, &value?)?,
            _ => return Err(format!("no such flag: {flag}")),
        }
    }
    Ok(Some(config))
}

fn read<T: FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{flag}: not a valid value: {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Result<Option<Config>, String> {
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
            ("--sede 1", "no such flag: --sede"),
            ("--seed", "--seed needs a value"),
            ("--seed x", "--seed: not a valid value: \"x\""),
            ("extra", "no such flag: extra"),
        ] {
            assert_eq!(flags(text).unwrap_err(), what);
        }
    }
}
