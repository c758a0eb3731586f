//! An open-loop load as a program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::{process::ExitCode, str::FromStr, time::Duration};

use dashpot_testkit::load::{End, Load, Mix};
use indicatif::{ProgressBar, ProgressStyle};

const HELP: &str = "\
Sends requests at a rate, whatever becomes of them, and reports how long their answers took.

usage: load [flags]
  --url URL        what speaks the APIs of OpenAI and Anthropic, without /v1 (http://127.0.0.1:8080)
  --rate N         requests per second, on average (50)
  --seconds N      for how long new ones come (30)
  --streams X      the share that wants a stream (0.7)
  --messages X     the share in Anthropic's API; the others are chat completions (0.25)
  --repeated X     the share that was asked before (0.3)
  --tenants N      how many credentials there are (8)
  --patience S     a client waits so many seconds for the first token, or a whole answer (30)
  --retries N      how often a client asks again where nothing of an answer came (0; the official SDKs: 2)
  --seed N         where all randomness comes from (0)
  --help           this text";

#[tokio::main]
async fn main() -> ExitCode {
    let load = match parse(std::env::args().skip(1)) {
        Ok(Some(load)) => load,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(what) => {
            eprintln!("load: {what} (see --help)");
            return ExitCode::from(2);
        }
    };
    // It is not drawn where nobody looks.
    let bar = ProgressBar::new((load.rate * load.time.as_secs_f64()) as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut bad = 0;
    let report = load
        .run(|exchange| {
            bad += u64::from(exchange.end != End::Answered);
            bar.set_message(format!("{bad} not answered"));
            bar.inc(1);
        })
        .await;
    bar.finish_and_clear();
    println!("{report}");
    if report.answered == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// `None`: help is asked for.
fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Load>, String> {
    let mut load = Load {
        url: "http://127.0.0.1:8080".into(),
        rate: 50.0,
        time: Duration::from_secs(30),
        mix: Mix::default(),
        patience: Duration::from_secs(30),
        retries: 0,
        surges: Vec::new(),
    };
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
            "--url" => {
                let url = value?;
                let is_one = url.parse::<http::Uri>().is_ok_and(|url| url.scheme_str() == Some("http"));
                if !is_one {
                    return Err(format!("--url: not an http:// address: {url:?}"));
                }
                url.trim_end_matches('/').clone_into(&mut load.url);
            }
            "--rate" => load.rate = positive(&flag, &value?)?,
            "--seconds" => load.time = seconds(&flag, &value?)?,
            "--patience" => load.patience = seconds(&flag, &value?)?,
            "--streams" => load.mix.streams = share(&flag, &value?)?,
            "--messages" => load.mix.messages = share(&flag, &value?)?,
            "--repeated" => load.mix.repeated = share(&flag, &value?)?,
            "--tenants" => load.mix.tenants = read(&flag, &value?)?,
            "--retries" => load.retries = read(&flag, &value?)?,
            "--seed" => load.mix.seed = read(&flag, &value?)?,
            _ => return Err(format!("no such flag: {flag}")),
        }
    }
    Ok(Some(load))
}

fn read<T: FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{flag}: not a valid value: {value:?}"))
}

fn positive(flag: &str, value: &str) -> Result<f64, String> {
    let number: f64 = read(flag, value)?;
    if number > 0.0 && number <= 1e6 {
        Ok(number)
    } else {
        Err(format!("{flag}: not a valid value: {value:?}"))
    }
}

fn seconds(flag: &str, value: &str) -> Result<Duration, String> {
    positive(flag, value).map(Duration::from_secs_f64)
}

fn share(flag: &str, value: &str) -> Result<f64, String> {
    let share: f64 = read(flag, value)?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("{flag}: not from 0 to 1: {value:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Result<Option<Load>, String> {
        parse(text.split_whitespace().map(String::from))
    }

    #[test]
    fn flags_are_read() {
        let load = flags("--url http://a:1/ --rate 2.5 --seconds=3 --streams 1 --tenants 2 --retries 2")
            .unwrap()
            .unwrap();
        assert_eq!((load.url.as_str(), load.rate, load.time), ("http://a:1", 2.5, Duration::from_secs(3)));
        assert_eq!((load.mix.streams, load.mix.tenants, load.retries), (1.0, 2, 2));
        assert!(flags("--help").unwrap().is_none());
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for line in
            ["--rate 0", "--rate NaN", "--seconds -1", "--streams 1.5", "--url ftp://a", "--url", "--x 1"]
        {
            assert!(flags(line).is_err(), "{line}");
        }
    }
}
