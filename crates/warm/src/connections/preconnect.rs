use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::{Method, Request, Response, Uri};
use http_body::Body;
use tokio::task::AbortHandle;
use tower_service::Service;

use super::{Connector, Preconnected, count::Count, keeper::Keeper};
use crate::starter::StartError;

/// How many connections to one upstream are to be open, and how they are kept so.
#[derive(Clone)]
pub struct Connections {
    count: Arc<Count>,
    ping_every: Duration,
    ask: Arc<dyn Fn() -> Request<()> + Send + Sync>,
}

impl Connections {
    /// `n` connections to the host of this address, which is what pings ask for.
    ///
    /// # Panics
    ///
    /// If `n` is 0, or `uri` has no scheme or no host.
    #[must_use]
    pub fn new(uri: Uri, n: usize) -> Self {
        assert!(n > 0, "no connection is not to be kept open");
        assert!(
            uri.scheme().is_some() && uri.host().is_some(),
            "{uri} is no address with a scheme and a host"
        );
        let ask = uri.clone();
        Self {
            count: Arc::new(Count::new(uri, n)),
            ping_every: Duration::from_secs(30),
            ask: Arc::new(move || {
                let mut request = Request::new(());
                (*request.method_mut(), *request.uri_mut()) = (Method::HEAD, ask.clone());
                request
            }),
        }
    }

    /// Counts the connections that this one opens to the upstream; give it to your client. Of several, and their clones,
    /// all count together.
    #[must_use]
    pub fn connector<C>(&self, inner: C) -> Connector<C> {
        Connector::new(inner, self.count.clone())
    }

    /// How often all are used, so that nobody takes them for idle: hyper-util's client does after 90 seconds, nginx after
    /// 75, uvicorn after 5. What was closed is opened anew without waiting for that. Default: 30 seconds.
    ///
    /// # Panics
    ///
    /// If `every` is zero.
    #[must_use]
    pub fn ping_every(self, every: Duration) -> Self {
        assert!(!every.is_zero(), "pings without a pause are a flood");
        Self { ping_every: every, ..self }
    }

    /// The request that opens and pings; whatever its answer says will do. Default: `HEAD` of the address.
    #[must_use]
    pub fn ask_by(self, ask: impl Fn() -> Request<()> + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), ..self }
    }

    /// Keeps them in the pool of this client, whose [connector](Self::connector) counts them, from the first
    /// [`open`](Preconnect::open) on. Call it in a runtime: a task of it is spawned.
    #[must_use]
    pub fn keep<S, B, R>(self, client: S) -> Preconnect
    where
        S: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Default + Send + 'static,
        R: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let Self { count, ping_every, ask } = self;
        let keeper = Arc::new(Keeper::new(count, ping_every, client, move || ask().map(|()| B::default())));
        let task = tokio::spawn(keeper.clone().run());
        Preconnect(Arc::new(Kept { keeper, task: task.abort_handle() }))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("count", &self.count)
            .field("ping_every", &self.ping_every)
            .finish_non_exhaustive()
    }
}

/// Keeps connections open. Cheap to clone; with the last clone its task ends, and the client keeps what is open.
#[derive(Clone)]
pub struct Preconnect(Arc<Kept>);

struct Kept {
    keeper: Arc<Keeper>,
    task: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Preconnect {
    /// Opens as many as are missing, and keeps them open from now on. Says how many are open then: fewer than were asked
    /// for, if the upstream takes no more; the rest is tried again.
    ///
    /// # Errors
    ///
    /// If none could be opened. It is tried again in any case, a second later, then two and so on to a minute.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on without you.
    pub async fn open(&self) -> Result<usize, StartError> {
        self.0.keeper.open().await
    }

    /// Pings no more, and opens nothing anew, until the next [`open`](Self::open). What is open the client keeps for as
    /// long as it likes.
    pub fn rest(&self) {
        self.0.keeper.rest();
    }

    /// Makes it a part of each start: opened once `starter` has primed, and let be before it stops or puts to sleep.
    #[must_use]
    pub fn around<A>(&self, starter: A) -> Preconnected<A> {
        Preconnected::new(self.clone(), starter)
    }

    /// The connections at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.keeper.stats()
    }
}

impl fmt::Debug for Preconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preconnect").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The connections to an upstream, of users' requests too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Are open, idle or in use.
    pub open: usize,
    /// Have been opened, in all.
    pub opened: u64,
    /// Were open, and are not any more, in all.
    pub closed: u64,
    /// Pings that were answered, in all, those that open a connection among them.
    pub pings: u64,
    /// Pings that were not, in all, those among them that found all connections in use.
    pub failed: u64,
}
