use std::{
    borrow::Cow,
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashpot_body::Head;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::{sync::Notify, task::AbortHandle};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    KeepPrefix, PrefixPing,
    known::{Budget, Known},
    sender,
};
use crate::{rules::AGES, starter::Ask};

type KeyOf = dyn for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync;

/// Keeps prompt caches of a provider alive for which somebody is likely to come back: what sends [pings](PrefixPing).
///
/// `key` names the prefix of a request, such as a hash of its system prompt that a layer further out has found out; for
/// each name `ping` makes the request that reads it. That has to begin with the same bytes as the user's, or it reads
/// nothing, and to ask for one token. It is sent by a client that stands beside the stack: no layer takes a ping for
/// traffic, and none keeps a model warm.
///
/// ```
/// use bytes::Bytes;
/// use dashpot_warm::{prefix::{PrefixLayer, PrefixPing}, starter::Ask};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use std::{borrow::Cow, convert::Infallible};
/// use tower::{ServiceBuilder, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let client = service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
/// let ping = Ask::post("https://api.example/v1/messages".parse().unwrap(), |prompt| {
///     format!(r#"{{"system":"the text of {prompt}","max_tokens":1}}"#)
/// });
/// let prefixes = PrefixLayer::new(
///     PrefixPing::anthropic(),
///     200, // a day
///     |head| head.header("x-prompt").map(Cow::Borrowed),
///     client,
///     ping,
/// );
/// let handle = prefixes.handle();
/// let service = ServiceBuilder::new().layer(prefixes).service(client);
/// assert_eq!(handle.stats().pings, 0);
/// # drop(service); }
/// ```
#[derive(Clone)]
pub struct PrefixLayer {
    key_of: Arc<KeyOf>,
    handle: PrefixHandle,
}

impl PrefixLayer {
    /// How many prefixes are known at once; a new one takes the place of that for which nobody has come for longest.
    pub const CAPACITY: usize = 32;
    /// A prefix with a longer name is not kept, in bytes.
    pub const MAX_KEY_LEN: usize = 256;
    /// What any time of this length sees no more pings than `pings_per_day` in.
    pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// At most `pings_per_day`, as `rule` has it, by `client`. A request's prefix counts as read when its answer is a
    /// success. Call it in a runtime: a task of it is spawned, which ends with the layer, its services and handles.
    #[must_use]
    pub fn new<S, B>(
        rule: PrefixPing,
        pings_per_day: usize,
        key: impl for<'a> Fn(&Head<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
        client: S,
        ping: Ask,
    ) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        // A life has to end before the clock does.
        let rule = PrefixPing { ttl: rule.ttl.min(AGES), ..rule };
        let known = Known::new(rule, Self::CAPACITY, Budget::new(pings_per_day, Self::DAY));
        let shared = Arc::new(Shared {
            known: Mutex::new(Counted { known, pings: 0, failed: 0 }),
            news: Notify::new(),
        });
        let send = move |key: Arc<str>| sender::ping(client.clone(), ping.request(&key));
        let task = tokio::spawn(sender::run(shared.clone(), send)).abort_handle();
        let handle = PrefixHandle(Arc::new(Running { shared, task }));
        Self { key_of: Arc::new(key), handle }
    }

    /// Shows what is kept.
    #[must_use]
    pub fn handle(&self) -> PrefixHandle {
        self.handle.clone()
    }

    pub(super) fn key<B: Body>(&self, request: &Request<B>) -> Option<Arc<str>> {
        let head = Head::of(request);
        (self.key_of)(&head).filter(|key| key.len() <= Self::MAX_KEY_LEN).map(Into::into)
    }

    pub(super) fn came(&self, key: &str, at: Instant) {
        let shared = &self.handle.0.shared;
        shared.lock().known.came(key, at);
        shared.news.notify_one();
    }
}

impl<S> Layer<S> for PrefixLayer {
    type Service = KeepPrefix<S>;

    fn layer(&self, inner: S) -> KeepPrefix<S> {
        KeepPrefix::new(inner, self.clone())
    }
}

impl fmt::Debug for PrefixLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixLayer").field("stats", &self.handle.stats()).finish_non_exhaustive()
    }
}

/// Shows what a [`PrefixLayer`] keeps. Cheap to clone.
#[derive(Clone)]
pub struct PrefixHandle(Arc<Running>);

struct Running {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task and the services know.
pub(super) struct Shared {
    known: Mutex<Counted>,
    /// Wakes the task.
    pub(super) news: Notify,
}

pub(super) struct Counted {
    pub(super) known: Known,
    pub(super) pings: u64,
    pub(super) failed: u64,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Counted> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PrefixHandle {
    /// The prefixes at this moment.
    #[must_use]
    pub fn stats(&self) -> PrefixStats {
        let counted = self.0.shared.lock();
        let Counted { known, pings, failed } = &*counted;
        let (pings, failed) = (*pings, *failed);
        PrefixStats { prefixes: known.len(), pings, failed, unpaid: known.unpaid, kept: known.kept }
    }
}

impl fmt::Debug for PrefixHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixHandle").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Prompt caches that are kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefixStats {
    /// Are known.
    pub prefixes: usize,
    /// Pings that were sent, in all. They are in no other count.
    pub pings: u64,
    /// Pings whose answers were no success, in all.
    pub failed: u64,
    /// Pings that the budget did not allow, in all.
    pub unpaid: u64,
    /// Requests that found a cache that would have been gone without a ping, in all.
    pub kept: u64,
}
