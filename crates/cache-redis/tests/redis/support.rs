use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_cache::{Entry, Key, Place};
use dashpot_cache_redis::{Config, RedisStore, Semantic};
use dashpot_core::{Embedding, Tenant};
use dashpot_testkit::servers::Redis;
use dashpot_wire::dialect::Dialect;
use redis::{FromRedisValue, aio::MultiplexedConnection};

/// The servers of all tests that do nothing to them. They end with the process.
static SETS: LazyLock<Redis> = LazyLock::new(|| Redis::start(&[]));
/// Without vector sets, as they would be taken first.
static SEARCH: LazyLock<Redis> = LazyLock::new(|| Redis::with_search(WITHOUT_SETS));

/// What a server is started with that has no vector sets, as far as we are concerned.
pub(crate) const WITHOUT_SETS: &[&str] =
    &["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-vcard"];

/// A store with a prefix of its own, and who looks at it from outside.
pub(crate) struct Fixture {
    pub(crate) store: RedisStore,
    pub(crate) client: MultiplexedConnection,
    pub(crate) prefix: String,
    is_existing: bool,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let existing = Redis::existing();
        let url = existing.clone().unwrap_or_else(|| SETS.url());
        let mut fixture = Self::at(&url, |config| config).await;
        fixture.is_existing = existing.is_some();
        fixture
    }

    /// With each of the engines that find what is similar.
    pub(crate) async fn each() -> [Self; 2] {
        let search = Self::at(&SEARCH.url(), |config| config).await;
        assert_eq!(search.store.semantic(), Some(Semantic::Search));
        [Self::start().await, search]
    }

    pub(crate) async fn at(url: &str, change: impl FnOnce(Config) -> Config) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("dashpot-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let config = change(url.parse::<Config>().unwrap().prefix(&prefix).unwrap());
        let store = RedisStore::new(config).unwrap();
        soon("it is connected", store.connected()).await;
        Self { store, client: client(url).await, prefix, is_existing: false }
    }

    /// Does something to Redis; what begins with `~` is one of our names.
    pub(crate) async fn redis<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            match word.strip_prefix('~') {
                Some(name) => command.arg(format!("{}:{name}", self.prefix)),
                None => command.arg(word),
            };
        }
        command.query_async(&mut self.client.clone()).await.unwrap()
    }

    /// All of our keys; they are looked through in the end, and must all have an end of their own.
    pub(crate) async fn keys(&self) -> Vec<Vec<u8>> {
        self.redis(&["KEYS", &format!("{}:*", self.prefix)]).await
    }

    /// How many of our keys have this after the braces.
    pub(crate) async fn count(&self, kind: &str) -> usize {
        self.redis::<Vec<Vec<u8>>>(&["KEYS", &format!("{}:{{*}}:{kind}*", self.prefix)]).await.len()
    }
}

/// On a server that is another's, nothing is to be left.
impl Drop for Fixture {
    fn drop(&mut self) {
        if !self.is_existing {
            return;
        }
        let (mut client, all) = (self.client.clone(), format!("{}:*", self.prefix));
        let script = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end";
        let drop = async move {
            let mut eval = redis::cmd("EVAL");
            eval.arg(script).arg(0).arg(all).exec_async(&mut client).await.unwrap();
        };
        tokio::spawn(drop);
    }
}

pub(crate) async fn client(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// What comes of something that is to come.
pub(crate) async fn soon<T>(what: &str, soon: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), soon)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    soon(what, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

pub(crate) fn key(number: u64) -> Key {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

pub(crate) fn place(partition: u64, number: u64) -> Place {
    Place { partition: key(partition), key: key(number) }
}

pub(crate) fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// An entry of the tenant "acme" that is fresh for a minute.
pub(crate) fn entry(place: Place, vector: Option<&[f32]>) -> Entry {
    Entry {
        key: place.key,
        partition: place.partition,
        tenant: tenant("acme"),
        text: Some("What is it?".into()),
        embedding: vector.map(|vector| Embedding::new(vector).unwrap()),
        dialect: Dialect::OpenAiChat,
        answer: format!("{{\"key\":\"{}\"}}", place.key).into(),
        events: false,
        has_usage: true,
        stored: tokio::time::Instant::now().into_std(),
        fresh_ms: 60_000,
        stale_ms: 0,
        tags: Vec::new(),
    }
}

pub(crate) fn shared(entry: Entry) -> Arc<Entry> {
    Arc::new(entry)
}

/// What takes TLS for a server on this port, which has none: its own port, and the certificate of `localhost`.
pub(crate) async fn tls(server: u16) -> (u16, rustls::pki_types::CertificateDer<'static>) {
    use tokio::{
        io::copy_bidirectional,
        net::{TcpListener, TcpStream},
    };
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = Arc::new(config.with_single_cert(vec![cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind(("localhost", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = tokio_rustls::TlsAcceptor::from(config.clone());
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (port, cert.der().clone())
}
