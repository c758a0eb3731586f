//! A simulated model server: HTTP/1.1 and HTTP/2, OpenAI and Anthropic, whole and streaming, with faults on demand.

mod anthropic;
mod ask;
mod body;
mod config;
mod control;
mod errors;
mod faults;
mod gate;
mod http;
mod log;
mod openai_chat;
mod openai_other;
mod openai_responses;
mod pace;
mod reply;
mod script;
mod serve;
mod text;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::RngExt;
use tokio::{
    net::TcpSocket,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

pub use self::{
    config::{ColdStart, Config, Distribution},
    faults::{BadFault, Fault, FaultRule},
    log::{End, Exchange},
};
use self::{gate::Gate, log::Log};

/// A running server. Dropping it ends it, with every connection.
///
/// What it says follows from the seed and the request alone: the same request is answered with the same bytes, and as a
/// stream with the same text, ids and usage as whole. When it says it follows from the seed and the number of the
/// request, so equal requests take different times.
///
/// ```
/// use dashpot_testkit::model_server::{Config, End, ModelServer};
/// use std::time::Duration;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = ModelServer::start(Config::instant()).unwrap();
/// let mut client = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
/// let body = r#"{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}"#;
/// let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
/// client.write_all((head + body).as_bytes()).await.unwrap();
/// let mut answer = [0; 15];
/// client.read_exact(&mut answer).await.unwrap();
/// assert_eq!(&answer, b"HTTP/1.1 200 OK");
///
/// let log = server.wait_for(|log| log.iter().any(|one| one.end.is_some()), Duration::from_secs(5)).await.unwrap();
/// assert!(log[0].stream && log[0].ended(End::Complete));
/// # });
/// ```
#[derive(Debug)]
pub struct ModelServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accept: JoinHandle<()>,
}

impl ModelServer {
    /// Binds, and serves on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the configuration makes no sense; else what the system says about the address.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    pub fn start(config: Config) -> io::Result<Self> {
        config.check()?;
        let socket = if config.listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(config.listen)?;
        // Thousands of clients connect at once, and one that is not queued tries again only after a second.
        let listener = socket.listen(4096)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            gate: Arc::new(Gate::new(&config)),
            log: Arc::new(Log::new(config.log_capacity)),
            faults: Mutex::new(config.faults.clone()),
            started: Instant::now(),
            connections: AtomicU64::new(0),
            time_scale: AtomicU64::new(config.time_scale.to_bits()),
            config,
        });
        let accept = tokio::spawn(serve::accept(listener, shared.clone()));
        Ok(Self { addr, shared, accept })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as `http://ADDRESS`; OpenAI's SDK wants `/v1` behind it, Anthropic's nothing.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The exchanges so far, oldest first, without those of `/health` and `/_control/`.
    #[must_use]
    pub fn log(&self) -> Vec<Exchange> {
        self.shared.log.snapshot()
    }

    /// Waits until the log satisfies `until`, and returns it.
    ///
    /// It looks at every start, head and end, and else each 10 ms.
    ///
    /// # Errors
    ///
    /// The log as it is when `timeout` is over.
    pub async fn wait_for(
        &self,
        until: impl Fn(&[Exchange]) -> bool,
        timeout: Duration,
    ) -> Result<Vec<Exchange>, TimedOut> {
        let deadline = Instant::now() + timeout;
        loop {
            let changed = self.shared.log.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let log = self.log();
            if until(&log) {
                return Ok(log);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(TimedOut(log));
            }
            let _ = timeout_at(deadline.min(now + Duration::from_millis(10)), changed).await;
        }
    }

    /// Counts of what goes on and what has ended.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Replaces the faults that come unasked.
    pub fn set_faults(&self, rules: Vec<FaultRule>) {
        self.shared.set_faults(rules);
    }

    /// Changes how many requests are worked on at once. Those that are being worked on when there are to be fewer go on
    /// to their end.
    ///
    /// # Panics
    ///
    /// If `concurrency` is 0.
    pub fn set_concurrency(&self, concurrency: usize) {
        assert!(concurrency > 0, "nobody would be answered");
        self.shared.gate.set_concurrency(concurrency);
    }

    /// Changes what all times of answers that begin from now on are multiplied with, as `time_scale` of the [`Config`].
    ///
    /// # Panics
    ///
    /// If `scale` is negative or not finite.
    pub fn set_time_scale(&self, scale: f64) {
        assert!(scale.is_finite() && scale >= 0.0, "not a scale: {scale}");
        self.shared.time_scale.store(scale.to_bits(), Relaxed);
    }

    /// Ends it, and waits until its connections are gone.
    pub async fn shutdown(mut self) {
        self.accept.abort();
        let _ = (&mut self.accept).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

/// A log that did not come to what was waited for.
#[derive(Debug)]
pub struct TimedOut(pub Vec<Exchange>);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not seen in time; the log: {:#?}", self.0)
    }
}

impl std::error::Error for TimedOut {}

/// Counts of a [`ModelServer`], at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that are open.
    pub connections: u64,
    /// Requests that wait for a slot.
    pub queued: u64,
    /// Requests that hold a slot.
    pub in_flight: u64,
    /// The most that ever held a slot.
    pub peak: u64,
    /// How often the model was loaded.
    pub loads: u64,
    /// Exchanges that have begun.
    pub received: u64,
    /// Exchanges that ended [`Complete`](End::Complete).
    pub served: u64,
    /// Exchanges that ended [`Aborted`](End::Aborted).
    pub aborted: u64,
    /// Exchanges that ended with a [`Fault`](End::Fault).
    pub faulted: u64,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    config: Config,
    gate: Arc<Gate>,
    log: Arc<Log>,
    faults: Mutex<Vec<FaultRule>>,
    started: Instant,
    connections: AtomicU64,
    /// The bits of a float; relaxed, as nothing else hangs on it.
    time_scale: AtomicU64,
}

impl Shared {
    fn time_scale(&self) -> f64 {
        f64::from_bits(self.time_scale.load(Relaxed))
    }

    fn faults(&self) -> Vec<FaultRule> {
        log::lock(&self.faults).clone()
    }

    fn set_faults(&self, rules: Vec<FaultRule>) {
        *log::lock(&self.faults) = rules;
    }

    /// The fault that comes unasked to the exchange of this number.
    fn draw_fault(&self, number: u64) -> Option<Fault> {
        let mut rng = text::rng(text::hash(self.config.seed, &number.to_le_bytes()), 1);
        faults::draw(&mut log::lock(&self.faults), || rng.random())
    }

    fn stats(&self) -> Stats {
        let [received, served, aborted, faulted] = self.log.counts();
        Stats {
            connections: self.connections.load(Relaxed),
            queued: self.gate.queued.load(Relaxed),
            in_flight: self.gate.in_flight.load(Relaxed),
            peak: self.gate.peak.load(Relaxed),
            loads: self.gate.loads.load(Relaxed),
            received,
            served,
            aborted,
            faulted,
        }
    }
}
