//! A model server that is started when it is needed.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use dashpot::warm::{
    CloneReplay, Handle, HttpIsCold, IsCold, MetricsObserver, WarmLayer, WarmState,
    policy::{Always, Fixed, HybridHistogram, Never},
    starter::{Ask, Http, Process},
};
use http::{Response, Uri, uri::Scheme};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use metrics::{counter, gauge};
use serde_json::json;
use tokio::process::Command;

use crate::{
    config::{Config, Keep, Server, Upstream},
    proxy::{self, Unreachable},
};

/// A process that was told to end has so long before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Requests wait until their upstream is warm, and one that finds it gone is sent again.
pub(crate) type Layer = WarmLayer<Gone, CloneReplay>;

/// `None` if the upstream is taken to be always there.
pub(crate) fn layer(config: &Config) -> Result<Option<Layer>, String> {
    let (upstream, config) = (&config.upstream, &config.warm);
    let Some((server, model)) = config.server() else { return Ok(None) };
    let asks = asks(upstream, server, model)?;
    let layer = match config.command.split_first() {
        Some((program, arguments)) => {
            let (program, arguments) = (program.clone(), arguments.to_vec());
            let command = move |_: &str| {
                let mut command = Command::new(&program);
                command.args(&arguments);
                command
            };
            WarmLayer::new(Process::new(command, asks).grace(GRACE))
        }
        None => WarmLayer::new(asks),
    };
    let layer = layer
        .hold(config.max_waiting, config.max_wait())
        .start_timeout(config.start_timeout())
        .observer(MetricsObserver);
    let layer = match config.keep {
        Keep::Always => layer.policy(Always),
        Keep::Fixed => layer.policy(Fixed::new(config.keep_time())),
        Keep::Hybrid => layer.policy(HybridHistogram::new().fallback(config.keep_time())),
        Keep::Never => layer.policy(Never),
    };
    Ok(Some(layer.is_cold(Gone).retry_cold()))
}

/// Asks the upstream over connections of its own.
type Asks = Http<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>;

fn asks(upstream: &Upstream, server: Server, model: &str) -> Result<Asks, String> {
    let (scheme, authority, path) = upstream.address()?;
    let https = proxy::connector(upstream, scheme == Scheme::HTTPS)?;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(upstream.http2_prior_knowledge)
        .build::<_, Full<Bytes>>(https);
    let base = format!("{scheme}://{authority}{path}");
    Ok(match server {
        Server::Ollama => Http::ollama(client, &base, model),
        Server::Vllm => Http::vllm(client, &base, model),
        Server::LlamaSwap => Http::llama_swap(client, &base, model),
        Server::Openai => {
            let at = |path: &str| format!("{base}{path}").parse::<Uri>().map_err(|error| error.to_string());
            let question = json!({
                "model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}],
            });
            let prime = Ask::post(at("/v1/chat/completions")?, move |_| question.to_string());
            Http::new(client).probe(Ask::get(at("/v1/models")?)).prime(prime)
        }
    })
}

/// An upstream that is not there: no connection to it, or 503 by none of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

impl<B> IsCold<Response<B>, Infallible> for Gone {
    fn is_cold(&self, answer: Result<&Response<B>, &Infallible>) -> bool {
        answer.is_ok_and(|answer| answer.extensions().get::<Unreachable>().is_some())
            || HttpIsCold.is_cold(answer)
    }
}

/// Lets the process end in order, if there is one: with us it would be killed.
pub(crate) async fn stop(handle: &Handle) {
    let mut states = handle.subscribe();
    handle.cool();
    let cold = async { while states.state() != WarmState::Cold && states.changed().await.is_some() {} };
    if tokio::time::timeout(GRACE, cold).await.is_err() {
        tracing::warn!(state = %handle.state(), "the model server has not ended; it is killed");
    }
}

/// Brings the metrics up to what the upstream is now.
pub(crate) fn publish(handle: &Handle) {
    let stats = handle.stats();
    gauge!("gateway_warm_ready").set(f64::from(u8::from(stats.state.is_ready())));
    gauge!("gateway_warm_waiting").set(stats.waiting);
    gauge!("gateway_warm_ready_seconds").set(stats.ready);
    gauge!("gateway_warm_idle_seconds").set(stats.idle);
    for (request, count) in [
        ("passed", stats.passed),
        ("held", stats.held),
        ("refused", stats.refused),
        ("timed_out", stats.timed_out),
    ] {
        counter!("gateway_warm_requests_total", "request" => request).absolute(count);
    }
    for (start, count) in
        [("worked", stats.starts), ("failed", stats.failed), ("useless", stats.useless_prewarms)]
    {
        counter!("gateway_warm_starts_total", "start" => start).absolute(count);
    }
    counter!("gateway_warm_lost_total").absolute(stats.lost);
}
