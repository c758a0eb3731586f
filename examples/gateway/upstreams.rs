//! The upstreams: which of them a request goes to, and what stands around each.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use dashpot::{
    deadline::PassOnLayer,
    sse::{PeekFirstLayer, SsePassthroughLayer},
    wire::dialect::RequestFacts,
};
use http::{Request, Response};
use metrics::Label;
use tower::{Service, ServiceBuilder};

use crate::{
    breaker,
    config::{self, Config},
    limit,
    model::{Answer, Model, ModelLayer},
    proxy::Proxy,
    seen::Seen,
    state,
    timed::timed,
    warm,
};

/// An error event is far smaller. A first event that is larger is none, and need not be kept to be sure.
const PEEK_BYTES: usize = 16 << 10;

/// One of them, with what has been learned of it.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// `None`: the one for all that no other is named for.
    pub(crate) name: Option<String>,
    config: Arc<config::Site>,
    pub(crate) around: ModelLayer,
    pub(crate) seen: Arc<Seen>,
    proxy: Proxy,
}

impl Upstream {
    /// With what has been learned of it before, where nothing has changed that it was learned with.
    fn new(name: Option<&str>, config: config::Site, before: Option<&Self>) -> Result<Self, String> {
        let is_same =
            |same: fn(&config::Site, &config::Site) -> bool| before.filter(|old| same(&old.config, &config));
        let seen = before.map_or_else(Arc::default, |old| old.seen.clone());
        let warm = match is_same(|old, new| old.upstream == new.upstream && old.warm == new.warm) {
            Some(old) => old.around.warm.clone(),
            None => warm::Models::new(&config.upstream, &config.warm)?,
        };
        if let Some(warm) = &warm {
            warm.follow_policy();
        }
        let limit = match is_same(|old, new| old.limit == new.limit) {
            Some(old) => old.around.limit.clone(),
            None => limit::layer(&config.limit),
        };
        if let Some(old) = before.filter(|old| old.config.limit != config.limit) {
            limit.handle().restore(&old.around.limit.handle().snapshot());
        }
        let breaker = match is_same(|old, new| old.breaker == new.breaker) {
            Some(old) => old.around.breaker.clone(),
            None => breaker::layer(&config.breaker, &seen),
        };
        let proxy = match is_same(|old, new| old.upstream == new.upstream) {
            Some(old) => old.proxy.clone(),
            None => Proxy::new(&config.upstream)?,
        };
        let (name, config) = (name.map(Into::into), Arc::new(config));
        Ok(Self { name, config, around: ModelLayer { warm, limit, breaker }, seen, proxy })
    }

    /// What administrators call it.
    pub(crate) fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or("default")
    }

    /// What its metrics are told apart by, if there are others.
    pub(crate) fn label(&self) -> Vec<Label> {
        self.name.iter().map(|name| Label::new("upstream", name.clone())).collect()
    }

    /// Whether `/readyz` waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.config.warm.keep == config::Keep::Always
            && self.around.warm.as_ref().is_some_and(|models| !models.are_ready())
    }

    /// What runs in a process that we have started: a server that we have not started is not ours to stop.
    pub(crate) fn process(&self) -> Option<&warm::Models> {
        self.around.warm.as_ref().filter(|_| !self.config.warm.command.is_empty())
    }

    /// Lets the process end in order, if there is one, and leaves what was learned to the next run.
    pub(crate) async fn end(&self) {
        if let Some(models) = self.process() {
            models.stop().await;
        }
        if let Some(path) = &self.config.limit.state_file {
            state::write(path, &self.around.limit.handle());
        }
    }

    /// - The breaker and the limit, in `around`, say why they stand as they do.
    /// - SSE is behind both: it tells them when the first content of a stream came, how the stream ended, and what it used. The
    ///   other way round they would take a ping for content, and a broken stream for a good one.
    /// - The head that waits for its first event is between them: an error there is to be seen by both.
    fn service(&self, sse: &config::Sse, pass_on: PassOnLayer) -> Model {
        let passthrough =
            SsePassthroughLayer::new().harden_headers(sse.harden_headers).observer(self.seen.clone());
        let seen = self.seen.clone();
        ServiceBuilder::new()
            .layer(self.around.clone())
            .layer(PeekFirstLayer::new(sse.peek_first(), PEEK_BYTES))
            .map_response(move |answer: Response<_>| timed(answer, &seen))
            .layer(passthrough)
            .layer(pass_on)
            .service(self.proxy.clone())
    }
}

/// All of them; the first is for all that no other is named for. With those that there were before.
pub(crate) fn all(config: &Config, before: &[Upstream]) -> Result<Arc<[Upstream]>, String> {
    let site = |(name, site): (Option<&str>, _)| {
        Upstream::new(name, site, before.iter().find(|old| old.name.as_deref() == name))
    };
    config.sites().map(site).collect()
}

/// Sends each request to the upstream that its model is of.
///
/// Axum, and every layer that has to wait before it calls, clones what it calls: all that stands around the upstreams is
/// shared, and only what is called is cloned.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    default: Arc<Model>,
    others: Arc<[(Vec<String>, Model)]>,
}

impl Switch {
    pub(crate) fn new(upstreams: &[Upstream], config: &Config, pass_on: &PassOnLayer) -> Self {
        let service = |upstream: &Upstream| upstream.service(&config.sse, pass_on.clone());
        let others =
            upstreams[1..].iter().map(|upstream| (upstream.config.models.clone(), service(upstream)));
        Self { default: Arc::new(service(&upstreams[0])), others: others.collect() }
    }
}

impl Service<Request<Body>> for Switch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    /// Always ready, as each of them is.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let facts = request.extensions().get::<RequestFacts>();
        let other = facts.and_then(|facts| {
            self.others.iter().find(|(models, _)| models.iter().any(|name| is_named(name, &facts.model)))
        });
        other.map_or(&*self.default, |(_, other)| other).call(request)
    }
}

/// A star at the end of a name stands for any more.
fn is_named(name: &str, model: &str) -> bool {
    name.strip_suffix('*').map_or(name == model, |start| model.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_model_or_of_all_that_begin_so() {
        for (name, model, is_it) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-5*", "gpt-5", true),
            ("gpt-5*", "gpt-5-mini", true),
            ("gpt-5*", "gpt-4", false),
            ("*", "", true),
        ] {
            assert_eq!(is_named(name, model), is_it, "{name} {model}");
        }
    }
}
