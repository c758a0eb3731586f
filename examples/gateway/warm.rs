//! Model servers, and their models, that are started when they are needed.

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot::{
    warm::{
        CloneReplay, Handle, HttpIsCold, IsCold, MetricsObserver, WarmLayer, WarmState,
        policy::{Always, Budget, Fixed, HybridHistogram, Never},
        starter::{Ask, Http, Process},
    },
    wire::dialect::RequestFacts,
};
use http::{Response, Uri, uri::Scheme};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use metrics::{Label, counter, gauge};
use serde_json::json;
use tokio::process::Command;

use crate::{
    config::{DAY, Keep, Server, Upstream, Warm},
    proxy::{self, Unreachable},
};

/// A process that was told to end has so long before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Requests wait until their upstream is warm, and one that finds it gone is sent again.
pub(crate) type Layer = WarmLayer<Gone, CloneReplay>;

/// What is to be warm: one model that all requests wait for, or several, each with those that name it.
#[derive(Clone, Debug)]
pub(crate) struct Models {
    pub(crate) layer: Layer,
    /// With their names, if there are several.
    handles: Arc<[(Option<String>, Handle)]>,
}

impl Models {
    /// `None` if the upstream is taken to be always there.
    pub(crate) fn new(upstream: &Upstream, config: &Warm) -> Result<Option<Self>, String> {
        let Some(layer) = layer(upstream, config)? else { return Ok(None) };
        let names = &config.models;
        if names.is_empty() {
            let handles = Arc::new([(None, layer.handle())]);
            return Ok(Some(Self { layer, handles }));
        }
        let known: HashSet<_> = names.iter().cloned().collect();
        let layer = layer.keyed(names.len(), move |head| {
            let model = &head.extensions().get::<RequestFacts>()?.model;
            known.contains(model).then(|| model.into())
        });
        let all = layer.keyed_handle();
        // As long as these live, each model keeps its place.
        let handles =
            names.iter().filter_map(|name| Some((Some(name.clone()), all.get_or_make(name)?))).collect();
        Ok(Some(Self { layer, handles }))
    }

    /// Lets the policy begin before anybody has come.
    pub(crate) fn follow_policy(&self) {
        self.handles.iter().for_each(|(_, handle)| handle.follow_policy());
    }

    pub(crate) fn are_ready(&self) -> bool {
        self.handles.iter().all(|(_, handle)| handle.is_ready())
    }

    /// Whether both are one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handles, &other.handles)
    }

    /// With the names of their models, if there are several.
    pub(crate) fn handles(&self) -> impl Iterator<Item = (Option<&str>, &Handle)> {
        self.handles.iter().map(|(name, handle)| (name.as_deref(), handle))
    }

    /// Whether requests for this model wait until it is warm.
    pub(crate) fn has(&self, facts: Option<&RequestFacts>) -> bool {
        self.handles
            .iter()
            .any(|(name, _)| name.as_ref().is_none_or(|name| facts.is_some_and(|facts| facts.model == *name)))
    }

    /// Lets what runs end in order: with us it would be killed.
    pub(crate) async fn stop(&self) {
        for (_, handle) in &*self.handles {
            stop(handle).await;
        }
    }

    /// Brings the metrics up to what the upstreams are now.
    pub(crate) fn publish(&self, upstream: &[Label]) {
        for (name, handle) in &*self.handles {
            let name = name.as_ref().map(|name| Label::new("model", name.clone()));
            publish(handle, &[upstream, name.as_slice()].concat());
        }
    }
}

fn layer(upstream: &Upstream, config: &Warm) -> Result<Option<Layer>, String> {
    let Some(server) = config.server() else { return Ok(None) };
    // With several each is named by its key.
    let asks = asks(upstream, server, config.model().unwrap_or_default())?;
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
    let (retry, max_retry) = config.retry();
    let layer = layer
        .hold(config.max_waiting, config.max_wait())
        .start_timeout(config.start_timeout())
        .retry(retry, max_retry)
        .ramp(config.ramp(), config.ramp_from, config.ramp_to)
        .observer(MetricsObserver);
    let layer = match config.keep {
        Keep::Always => layer.policy(Always),
        Keep::Fixed => layer.policy(Fixed::new(config.keep_time())),
        Keep::Hybrid => layer.policy(HybridHistogram::new().fallback(config.keep_time())),
        Keep::Never => layer.policy(Never),
    };
    let layer = match config.budget() {
        Some(budget) => layer.budget(Budget::new(budget, DAY)),
        None => layer,
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
            let model = model.to_owned();
            let prime = Ask::post(at("/v1/chat/completions")?, move |key| one_token(key, &model));
            Http::new(client).probe(Ask::get(at("/v1/models")?)).prime(prime)
        }
    })
}

/// Of the model that a key names, or else of the only one.
fn one_token(key: &str, only: &str) -> String {
    let model = if key.is_empty() { only } else { key };
    let messages = [json!({ "role": "user", "content": "Hi" })];
    json!({ "model": model, "max_tokens": 1, "messages": messages }).to_string()
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

async fn stop(handle: &Handle) {
    let mut states = handle.subscribe();
    handle.cool();
    let cold = async { while states.state() != WarmState::Cold && states.changed().await.is_some() {} };
    if tokio::time::timeout(GRACE, cold).await.is_err() {
        tracing::warn!(state = %handle.state(), "the model server has not ended; it is killed");
    }
}

fn publish(handle: &Handle, model: &[Label]) {
    let stats = handle.stats();
    let with = |name, value| [model, &[Label::new(name, value)]].concat();
    let alone = || model.to_vec();
    gauge!("gateway_warm_ready", alone()).set(f64::from(u8::from(stats.state.is_ready())));
    gauge!("gateway_warm_waiting", alone()).set(stats.waiting);
    gauge!("gateway_warm_ready_seconds", alone()).set(stats.ready);
    gauge!("gateway_warm_idle_seconds", alone()).set(stats.idle);
    for (request, count) in [
        ("passed", stats.passed),
        ("held", stats.held),
        ("refused", stats.refused),
        ("timed_out", stats.timed_out),
    ] {
        counter!("gateway_warm_requests_total", with("request", request)).absolute(count);
    }
    for (start, count) in
        [("worked", stats.starts), ("failed", stats.failed), ("useless", stats.useless_prewarms)]
    {
        counter!("gateway_warm_starts_total", with("start", start)).absolute(count);
    }
    counter!("gateway_warm_lost_total", alone()).absolute(stats.lost);
}

#[cfg(test)]
mod tests {
    use super::one_token;

    #[test]
    fn a_prime_names_the_model_of_its_key_or_the_only_one() {
        for (key, only, expected) in [("", "m", r#""model":"m""#), ("n", "", r#""model":"n""#)] {
            let prime = one_token(key, only);
            assert!(prime.contains(expected) && prime.contains(r#""max_tokens":1"#), "{prime}");
        }
    }
}
