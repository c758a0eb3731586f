//! A gateway in front of a language model server: an ordinary axum service, built from Dashpot's layers.
//!
//! ```sh
//! cargo run --example gateway -- --config examples/gateway/gateway.toml
//! ```
//!
//! Clients speak the upstream's own API (OpenAI, Anthropic or Gemini) to it and see the upstream's own bytes.
//! `GET /` is a page to try it and to see what it does, `/healthz` and `/readyz` are for an orchestrator, `/metrics` for Prometheus.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program: its first line tells where it listens"
)]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use config::Config;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

mod activity;
mod admin;
mod app;
mod breaker;
mod cache;
mod config;
mod exchange;
mod intake;
mod limit;
mod live;
mod metrics;
mod model;
mod page;
mod proxy;
mod refusal;
mod reload;
mod resume;
mod seen;
mod serve;
mod shown;
mod stack;
mod state;
mod timed;
mod upstreams;
mod warm;
mod window;

/// A request takes some two hundred small pieces of memory for a moment, which costs less with this one than with glibc's. It is
/// built without huge pages: with them a stream takes a third more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = match config_path().and_then(|path| Ok((load(&path)?, path))) {
        Ok(config) => config,
        Err(reason) => {
            eprintln!("gateway: {reason}");
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env();
    match filter {
        Ok(filter) => tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init(),
        Err(error) => {
            eprintln!("gateway: RUST_LOG: {error}");
            return ExitCode::from(2);
        }
    }
    let (config, path) = config;
    match run(config, path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("gateway: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn load(path: &Path) -> Result<Config, String> {
    Config::load(path, std::env::vars_os())
}

#[tokio::main]
async fn run(config: Config, path: PathBuf) -> Result<(), String> {
    let cannot = |address: SocketAddr| move |error| format!("cannot listen on {address}: {error}");
    let listener = serve::listen(config.listen).map_err(cannot(config.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let admin = match config.admin.listen {
        Some(address) => Some((serve::listen(address).map_err(cannot(address))?, config.admin.token()?)),
        None => None,
    };
    // Each stream holds two connections; the usual soft limit of 1,024 files is for programs that use select(2).
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let app = app::App::new(config)?;
    let signals = serve::Signals::watch().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let reload = reload::Reload::new(path, app.clone());
    reload.on_signal().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let first = app.version();
    if let Some((cache, path)) = first.cache().zip(first.config.cache.state_file.as_deref()) {
        cache::restore(&cache, path).await;
    }
    drop(first);
    println!("gateway listening on http://{address}");
    if let Some((listener, token)) = admin {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        println!("administrators: http://{address}");
        tokio::spawn(admin::serve(listener, token, app.clone(), reload));
    }
    let ended = serve::serve(listener, &app, signals).await;
    let last = app.version();
    for upstream in &*last.upstreams {
        upstream.end().await;
    }
    if let Some((cache, path)) = last.cache().zip(last.config.cache.state_file.as_deref())
        && let Some(store) = cache.store().memory()
    {
        cache::save(store, path);
    }
    ended
}

/// `--config FILE`, and nothing else.
fn config_path() -> Result<PathBuf, String> {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next(), args.next()) {
        (Some(flag), Some(path), None) if flag == "--config" => Ok(path.into()),
        _ => Err("usage: gateway --config FILE".into()),
    }
}
