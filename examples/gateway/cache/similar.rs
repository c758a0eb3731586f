use std::{env, sync::Arc, time::Duration};

use bytes::Bytes;
use dashpot::{
    breaker::BreakerLayer,
    cache::{
        CacheLayer, Index, Learning, Similar,
        judge::{SameMeaning, SameText},
        verify::Learned,
    },
    core::Embedding,
    deadline::DeadlineLayer,
    embed::{Embedder, MiniLm, OpenAiEmbedder},
};
use http::{HeaderValue, Request, Response, Uri, uri::Scheme};
use http_body::Body;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{BoxError, Service, ServiceBuilder};

use crate::{
    cache::AnyStore,
    config::{self, Judge, Upstream},
    proxy,
};

/// What an upstream has to say what a question means. A request waits for less; this one is for answers that are kept.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(10);

/// The least cosine of two answers that say the same: strict, with most embedders.
const SAME_MEANING: f32 = 0.9;

/// Answers questions in other words too, if the configuration says who knows what they mean.
pub(super) fn add(
    layer: CacheLayer<AnyStore>,
    index: impl Index,
    config: &config::Similar,
    upstream: &Upstream,
) -> Result<CacheLayer<AnyStore>, String> {
    let layer = layer.similar_budget(config.budget());
    if let Some(folder) = &config.model {
        let model = match MiniLm::load(folder) {
            Ok(model) => model,
            // Equal requests are worth answering all the same.
            Err(error) => {
                tracing::warn!(
                    "{error}: only the same request is the same; `cargo xtask setup` puts the model into target/models/minilm"
                );
                return Ok(layer);
            }
        };
        let embedder = Embedder::builder().threads(config.threads).spawn(model);
        let embedder = embedder.map_err(|error| format!("cache.similar.threads: {error}"))?;
        let id = embedder.id().to_owned();
        return Ok(layer.similar(similar(embedder, id, index, config)));
    }
    let Some((uri, name)) = config.upstream()? else { return Ok(layer) };
    let mut embedder = OpenAiEmbedder::new(client(upstream, &uri)?, uri, name);
    if let Some(variable) = &config.key_variable {
        let key = env::var(variable).ok().and_then(|key| HeaderValue::try_from(format!("Bearer {key}")).ok());
        let key = key.ok_or_else(|| format!("cache.similar.key_variable: {variable} holds no key"))?;
        embedder = embedder.authorization(key);
    }
    let id = embedder.id().to_owned();
    Ok(layer.similar(similar(embedder, id, index, config)))
}

fn similar<E, Ix: Index>(embedder: E, id: String, index: Ix, config: &config::Similar) -> Similar<E, Ix>
where
    E: Service<Vec<Arc<str>>, Response = Vec<Option<Embedding>>> + Clone + Send + Sync + 'static,
    E::Future: Send,
    E::Error: Into<BoxError>,
{
    let similar = Similar::new(embedder.clone(), id, index);
    if config.wrong_at_most == 0.0 {
        return similar;
    }
    let learned = Learned::new(config.wrong_at_most).explore(config.explore);
    similar.learn(match config.judge {
        Judge::SameText => Learning::new(learned, SameText),
        Judge::SameMeaning => Learning::new(learned, SameMeaning::new(embedder, SAME_MEANING)),
    })
}

/// Asks the upstream of an embedder; not for long, and not while it fails.
fn client(
    upstream: &Upstream,
    uri: &Uri,
) -> Result<
    impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl Body<Data: Send, Error: Into<BoxError>> + Send + use<>>,
        Error: Into<BoxError>,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + use<>,
    String,
> {
    let https = proxy::connector(upstream, uri.scheme() == Some(&Scheme::HTTPS))?;
    Ok(ServiceBuilder::new()
        .layer(DeadlineLayer::new().total(UPSTREAM_TIMEOUT))
        .layer(BreakerLayer::new())
        .service(Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(https)))
}
