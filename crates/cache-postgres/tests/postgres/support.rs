use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use dashpot_cache::{Entry, Key, Place};
use dashpot_cache_postgres::{Config, PostgresStore};
use dashpot_core::{Embedding, Tenant};
use dashpot_testkit::servers::Postgres;
use dashpot_wire::dialect::Dialect;
use tokio_postgres::{Client, NoTls};

/// The server of all tests that do nothing to it. It ends with the process.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(&[]));

/// A store with a schema of its own, and who looks at it from outside.
pub(crate) struct Fixture {
    pub(crate) store: PostgresStore,
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) schema: String,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with(|config| config).await
    }

    pub(crate) async fn with(change: impl FnOnce(Config) -> Config) -> Self {
        let url = Postgres::existing().unwrap_or_else(|| SERVER.url());
        Self::at(&url, change).await
    }

    pub(crate) async fn at(url: &str, change: impl FnOnce(Config) -> Config) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("dashpot_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let config = change(url.parse::<Config>().unwrap().schema(&schema).unwrap());
        let store = PostgresStore::new(config).unwrap();
        soon("it is connected", store.connected()).await;
        Self { store, client: client(url).await, url: url.into(), schema }
    }

    /// Does something to the tables; `{}` is the schema.
    pub(crate) async fn execute(&self, sql: &str) -> u64 {
        self.client.execute(&sql.replace("{}", &self.schema), &[]).await.unwrap()
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(&sql.replace("{}", &self.schema), &[]).await.unwrap().get(0)
    }
}

/// On a server that is another's, nothing is to be left.
impl Drop for Fixture {
    fn drop(&mut self) {
        if Postgres::existing().as_ref() != Some(&self.url) {
            return;
        }
        let (url, sql) = (self.url.clone(), format!("DROP SCHEMA {} CASCADE", self.schema));
        let drop = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { client(&url).await.batch_execute(&sql).await }).unwrap();
        };
        std::thread::spawn(drop).join().unwrap();
    }
}

pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
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
        io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
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
        while let Ok((mut client, _)) = listener.accept().await {
            let acceptor = tokio_rustls::TlsAcceptor::from(config.clone());
            tokio::spawn(async move {
                // PostgreSQL is asked first whether it speaks TLS.
                client.read_exact(&mut [0; 8]).await?;
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (port, cert.der().clone())
}
