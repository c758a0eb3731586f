//! An open-loop load as a program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::{process::ExitCode, time::Duration};

use dashpot_testkit::load::{End, Load, Mix};
use indicatif::{ProgressBar, ProgressStyle};
use lexopt::prelude::*;

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
fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Load>, lexopt::Error> {
    let mut load = Load {
        url: "http://127.0.0.1:8080".into(),
        rate: 50.0,
        time: Duration::from_secs(30),
        mix: Mix::default(),
        patience: Duration::from_secs(30),
        retries: 0,
        surges: Vec::new(),
    };
    let mut args = lexopt::Parser::from_args(args);
    while let Some(arg) = args.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(None),
            Long("url") => load.url = args.value()?.parse_with(url)?,
            Long("rate") => load.rate = args.value()?.parse_with(positive)?,
            Long("seconds") => load.time = args.value()?.parse_with(seconds)?,
            Long("patience") => load.patience = args.value()?.parse_with(seconds)?,
            Long("streams") => load.mix.streams = args.value()?.parse_with(share)?,
            Long("messages") => load.mix.messages = args.value()?.parse_with(share)?,
            Long("repeated") => load.mix.repeated = args.value()?.parse_with(share)?,
            Long("tenants") => load.mix.tenants = args.value()?.parse()?,
            Long("retries") => load.retries = args.value()?.parse()?,
            Long("seed") => load.mix.seed = args.value()?.parse()?,
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(load))
}

fn url(value: &str) -> Result<String, &'static str> {
    let is_one = value.parse::<http::Uri>().is_ok_and(|url| url.scheme_str() == Some("http"));
    if is_one { Ok(value.trim_end_matches('/').to_owned()) } else { Err("not an http:// address") }
}

fn positive(value: &str) -> Result<f64, &'static str> {
    let number = value.parse().ok().filter(|number| (f64::MIN_POSITIVE..=1e6).contains(number));
    number.ok_or("not more than 0 and at most a million")
}

fn seconds(value: &str) -> Result<Duration, &'static str> {
    positive(value).map(Duration::from_secs_f64)
}

fn share(value: &str) -> Result<f64, &'static str> {
    value.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("not from 0 to 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Result<Option<Load>, lexopt::Error> {
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
