//! What the limit has learned, in a file between two runs.
//!
//! It is worth a few seconds of learning, and no more: a file that cannot be read or written is a warning, and the
//! gateway starts, or ends, without it.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use dashpot::limit::{
    Handle,
    policy::{Reason, Snapshot},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    limit: f64,
    first_token_seconds: Option<f64>,
    latency_seconds: Option<f64>,
}

/// What the last run has left, if it is there and makes sense.
pub(crate) fn read(path: &Path) -> Option<Snapshot> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "limit.state_file cannot be read; the limit starts anew");
            return None;
        }
    };
    match parse(&text) {
        Ok(snapshot) => Some(snapshot),
        Err(why) => {
            tracing::warn!(path = %path.display(), why, "limit.state_file is broken; the limit starts anew");
            None
        }
    }
}

fn parse(text: &str) -> Result<Snapshot, String> {
    let state: State = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    if !(state.limit.is_finite() && state.limit >= 1.0) {
        return Err("limit: must be a number from 1 on".into());
    }
    let duration = |name: &str, seconds: Option<f64>| {
        seconds.map(Duration::try_from_secs_f64).transpose().map_err(|error| format!("{name}: {error}"))
    };
    Ok(Snapshot {
        limit: state.limit,
        first_token: duration("first_token_seconds", state.first_token_seconds)?,
        latency: duration("latency_seconds", state.latency_seconds)?,
    })
}

/// Leaves what was learned to the next run, unless that is nothing.
pub(crate) fn write(path: &Path, limit: &Handle) {
    if limit.stats().decision.reason == Reason::Start {
        return;
    }
    if let Err(error) = replace(path, &format(&limit.snapshot())) {
        tracing::warn!(path = %path.display(), %error, "limit.state_file cannot be written");
    }
}

fn format(snapshot: &Snapshot) -> String {
    // `{:?}` gives a float its point or exponent, without which TOML would read a whole number.
    let mut text = format!("limit = {:?}\n", snapshot.limit);
    for (name, value) in
        [("first_token_seconds", snapshot.first_token), ("latency_seconds", snapshot.latency)]
    {
        if let Some(value) = value {
            let _ = writeln!(text, "{name} = {:?}", value.as_secs_f64());
        }
    }
    text
}

/// By renaming: whoever reads sees the old file or the new one, even if this process ends in between.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for snapshot in [
            Snapshot { limit: 20.0, ..Snapshot::default() },
            Snapshot {
                limit: 17.25,
                first_token: Some(Duration::from_nanos(123_456_789)),
                latency: Some(Duration::from_nanos(1)),
            },
        ] {
            assert_eq!(parse(&format(&snapshot)), Ok(snapshot));
        }
    }

    #[test]
    fn what_makes_no_sense_is_not_read() {
        for text in
            ["", "limit = 0.5", "limit = nan", "limit = 3.0\nlatency_seconds = -1.0", "limit = 3.0\nx = 1"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
