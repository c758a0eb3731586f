//! Three gateways with one store: what one was answered the others give again, one call is made for all, and whatever becomes of
//! the store or of one of them, everybody has an answer.

mod support;

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use dashpot_testkit::{
    model_server::{Config, Distribution, ModelServer},
    servers::{Postgres, Proxy, Redis},
};
use futures_util::future::join_all;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use support::Gateway;
use tokio::time::{Instant, sleep, timeout};

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(30);

/// Each test, with each of the servers that gateways can share.
macro_rules! with_each {
    ($($test:ident,)*) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let server = dashpot_testkit::servers::Postgres::start(&[]);
                super::$test(super::Server::Postgres(server)).await;
            })*
        }

        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let server = dashpot_testkit::servers::Redis::start(&["--requirepass", "secret"]);
                super::$test(super::Server::Redis(server)).await;
            })*
        }
    };
}

with_each! {
    what_one_gateway_was_answered_the_others_give_until_it_is_purged_at_any,
    a_thousand_who_ask_the_same_of_three_gateways_make_one_call,
    when_the_gateway_that_makes_the_call_is_killed_one_other_makes_it_for_all,
    a_store_that_hangs_or_is_killed_costs_nobody_an_answer_and_is_used_again_by_itself,
    a_gateway_starts_without_its_store_and_no_password_is_in_its_log,
}

/// What the gateways share; its password is "secret".
enum Server {
    Postgres(Postgres),
    Redis(Redis),
}

impl Server {
    fn url_at(&self, port: u16) -> String {
        match self {
            Self::Postgres(server) => server.url_at(port),
            Self::Redis(server) => server.url_at(port),
        }
    }

    fn url(&self) -> String {
        self.url_at(self.port())
    }

    fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port(),
            Self::Redis(server) => server.port(),
        }
    }

    fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Redis(server) => server.kill(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::Redis(server) => server.restart(),
        }
    }
}

/// Who asks, where nothing else is said.
const KEY: &str = "Bearer a";

/// A gateway with the store at `url`, and who asks it.
struct Asked {
    gateway: Gateway,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    cache_status: String,
    text: String,
}

impl Answer {
    fn is_hit(&self) -> bool {
        self.cache_status.starts_with("dashpot; hit")
    }
}

impl Asked {
    /// It waits for the store for long: the machine may be busy, and most of these are no tests of how fast it is.
    fn start(model: &ModelServer, url: &str, variables: &[(&str, &str)]) -> Self {
        let store = [("DASHPOT_GATEWAY_CACHE__STORE", url), ("DASHPOT_GATEWAY_CACHE__BUDGET_MS", "10000")];
        Self::of(Gateway::with(&model.url(), &[&store, variables].concat()))
    }

    fn of(gateway: Gateway) -> Self {
        Self { gateway, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn ask(&self, question: &str) -> Answer {
        self.ask_in(false, question).await
    }

    async fn ask_in(&self, stream: bool, question: &str) -> Answer {
        self.send(request(self, stream, question)).await
    }

    async fn ask_as(&self, key: &'static str, question: &str) -> Answer {
        let mut request = request(self, false, question);
        request.headers_mut().insert("authorization", HeaderValue::from_static(key));
        self.send(request).await
    }

    /// What is kept, if anything is.
    async fn look(&self, question: &str) -> Option<Answer> {
        self.look_as(KEY, question).await
    }

    async fn look_as(&self, key: &'static str, question: &str) -> Option<Answer> {
        let mut request = request(self, false, question);
        request.headers_mut().insert("authorization", HeaderValue::from_static(key));
        request.headers_mut().insert("cache-control", HeaderValue::from_static("only-if-cached"));
        let answer = self.send(request).await;
        assert!(answer.is_hit() || answer.status == StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
        answer.is_hit().then_some(answer)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let answer = timeout(LONG, self.client.request(request)).await.expect("nobody hangs");
        let answer = answer.expect("there is an answer");
        let status = answer.status();
        let cache_status = answer.headers().get("cache-status").map_or(&b""[..], HeaderValue::as_bytes);
        let cache_status = String::from_utf8_lossy(cache_status).into_owned();
        let body = timeout(LONG, answer.into_body().collect()).await.expect("nobody hangs");
        let text = String::from_utf8_lossy(&body.expect("it ends in order").to_bytes()).into_owned();
        Answer { status, cache_status, text }
    }

    /// Asks a question of its own again and again, until the answer is a kept one.
    async fn is_connected(&self) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let question = format!("Is it there? {}", COUNT.fetch_add(1, Relaxed));
        until("the store is there", async || self.ask(&question).await.is_hit()).await;
    }

    /// What `/readyz` says.
    async fn is_ready(&self) -> bool {
        let uri = format!("{}/readyz", self.gateway.url()).parse().expect("it is an address");
        self.client.get(uri).await.expect("there is an answer").status() == StatusCode::OK
    }
}

fn request(asked: &Asked, stream: bool, question: &str) -> Request<Full<Bytes>> {
    let body =
        json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": question }] });
    Request::post(format!("{}/v1/chat/completions", asked.gateway.url()))
        .header("authorization", KEY)
        // It is a part of the key, and each gateway has a port of its own.
        .header("host", "gateway.example")
        .body(Full::from(body.to_string()))
        .expect("it is well-formed")
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let so = timeout(LONG, async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    });
    so.await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

fn instant() -> ModelServer {
    ModelServer::start(Config::instant()).expect("a port is free")
}

async fn what_one_gateway_was_answered_the_others_give_until_it_is_purged_at_any(server: Server) {
    const QUESTION: &str = "How do I reset the password?";
    const OTHER_WORDS: &str = "how do i reset a password";
    let model = instant();
    let variables = [
        ("DASHPOT_GATEWAY_ADMIN__LISTEN", "127.0.0.1:0"),
        ("DASHPOT_GATEWAY_ADMIN__TOKEN_VARIABLE", "THE_TOKEN"),
        ("THE_TOKEN", "a token that nobody guesses"),
        ("DASHPOT_GATEWAY_CACHE__SIMILAR__URL", &support::embedder().await),
        ("DASHPOT_GATEWAY_CACHE__SIMILAR__NAME", "small"),
        ("DASHPOT_GATEWAY_CACHE__SIMILAR__KEY_VARIABLE", "THE_KEY"),
        ("DASHPOT_GATEWAY_CACHE__SIMILAR__BUDGET_MS", "10000"),
        ("THE_KEY", "secret"),
    ];
    let mut gateways = [0; 3].map(|_| Asked::start(&model, &server.url(), &variables));
    join_all(gateways.iter().map(Asked::is_connected)).await;
    let before = model.log().len();

    let first = gateways[0].ask(QUESTION).await;
    assert!(!first.is_hit() && first.status == StatusCode::OK, "{first:?}");
    gateways[1].ask_as("Bearer b", QUESTION).await;
    for gateway in &gateways {
        until("the same", async || gateway.look(QUESTION).await.is_some()).await;
        until("in other words", async || gateway.look(OTHER_WORDS).await.is_some()).await;
        until("another's own", async || gateway.look_as("Bearer b", QUESTION).await.is_some()).await;
        for (question, detail) in [(QUESTION, ""), (OTHER_WORDS, "semantic")] {
            let answer = gateway.ask(question).await;
            assert!(answer.is_hit() && answer.cache_status.contains(detail), "{answer:?}");
            assert_eq!(answer.text, first.text);
        }
    }
    assert_eq!(model.log().len() - before, 2, "one call for each caller");

    let admin = gateways[2].gateway.admin();
    let purge = Request::post(format!("{admin}/cache/purge"))
        .header("authorization", "Bearer a token that nobody guesses")
        .header("content-type", "application/json")
        .body(Full::from(json!({ "headers": { "authorization": KEY } }).to_string()));
    let purged = gateways[2].client.request(purge.expect("it is well-formed")).await;
    assert_eq!(purged.expect("there is an answer").status(), StatusCode::OK);
    for gateway in &gateways {
        assert!(gateway.look(QUESTION).await.is_none());
        assert!(gateway.look(OTHER_WORDS).await.is_none());
        assert!(gateway.look_as("Bearer b", QUESTION).await.is_some(), "it is another's");
    }
}

async fn a_store_that_hangs_or_is_killed_costs_nobody_an_answer_and_is_used_again_by_itself(
    mut server: Server,
) {
    let model = instant();
    let proxy = Proxy::to(server.port()).await;
    let budget = [("DASHPOT_GATEWAY_CACHE__BUDGET_MS", "200")];
    let gateways = [0; 3].map(|_| Asked::start(&model, &server.url_at(proxy.port()), &budget));
    let gateways = Arc::new(gateways);
    join_all(gateways.iter().map(Asked::is_connected)).await;

    let load = Load::start(&gateways);
    sleep(Duration::from_secs(1)).await;
    let before = unasked(&gateways[..]);
    let answered = load.answered();
    proxy.hang();
    sleep(Duration::from_secs(2)).await;
    assert!(load.answered() - answered > 100, "while it hangs, all the others are answered");
    assert!(unasked(&gateways[..]) > before, "what does not answer is not waited for by each");
    proxy.open();
    join_all(gateways.iter().map(Asked::is_connected)).await;

    server.kill();
    let answered = load.answered();
    sleep(Duration::from_secs(1)).await;
    assert!(load.answered() - answered > 100, "while it is gone, all are answered");
    assert!(join_all(gateways.iter().map(Asked::is_ready)).await.into_iter().all(|is_ready| is_ready));
    server.restart();
    join_all(gateways.iter().map(Asked::is_connected)).await;

    // It may have been a moment longer than the budget for whoever was asking just then.
    let slowest = load.end().await;
    assert!(slowest < Duration::from_secs(5), "somebody waited for {slowest:?}");
    gateways[0].ask("What now?").await;
    until("all see it", async || {
        join_all(gateways.iter().map(|gateway| gateway.look("What now?"))).await.iter().all(Option::is_some)
    })
    .await;
}

async fn a_thousand_who_ask_the_same_of_three_gateways_make_one_call(server: Server) {
    let model = slow(1_000.0);
    let gateways = [0; 3].map(|_| Asked::start(&model, &server.url(), &[]));
    join_all(gateways.iter().map(Asked::is_connected)).await;
    let before = model.log().len();
    for stream in [false, true] {
        let all = (0..1_000).map(|n| gateways[n % 3].ask_in(stream, "What do all ask?"));
        let heard = join_all(all).await;
        assert!(heard.iter().all(|answer| answer.status == StatusCode::OK), "{:?}", heard[0]);
        assert!(heard.iter().all(|answer| answer.text == heard[0].text), "{:?}", heard[0]);
    }
    assert_eq!(model.log().len() - before, 1);

    let heard =
        join_all((0..1_000).map(|n| gateways[n % 3].ask_in(true, "What do all want as a stream?"))).await;
    let whole =
        |answer: &Answer| answer.status == StatusCode::OK && answer.text.ends_with("data: [DONE]\n\n");
    assert!(heard.iter().all(whole), "{:?}", heard[0]);
    assert_eq!(model.log().len() - before, 2);
}

async fn when_the_gateway_that_makes_the_call_is_killed_one_other_makes_it_for_all(server: Server) {
    let model = slow(3_000.0);
    let gateways = [0; 3].map(|_| Asked::start(&model, &server.url(), &[]));
    join_all(gateways.iter().map(Asked::is_connected)).await;
    let before = model.log().len();
    let [leader, others @ ..] = gateways;
    let calls = async || model.log().len() - before;
    let killed = async {
        let asked = leader.client.request(request(&leader, false, "What do all ask?"));
        let kill = async {
            until("it makes the call", async || calls().await == 1).await;
            sleep(Duration::from_millis(500)).await;
        };
        tokio::select! {
            answer = asked => panic!("it was to be killed before: {answer:?}"),
            () = kill => {}
        }
        // By SIGKILL: nothing is given back.
        drop(leader.gateway);
    };
    let others = async {
        until("it makes the call", async || calls().await == 1).await;
        let start = Instant::now();
        let heard = join_all((0..500).map(|n| others[n % 2].ask("What do all ask?"))).await;
        (heard, Instant::now() - start)
    };
    let ((), (heard, took)) = tokio::join!(killed, others);
    assert!(heard.iter().all(|answer| answer.status == StatusCode::OK), "{:?}", heard[0]);
    assert!(heard.iter().all(|answer| answer.text == heard[0].text), "{:?}", heard[0]);
    assert_eq!(calls().await, 2, "the call of whom was killed, and one more");
    // The lease, the call, and as much again for a machine that is busy.
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}

/// A model that takes so many milliseconds for each answer.
fn slow(ms: f64) -> ModelServer {
    ModelServer::start(Config {
        ttft_ms: Distribution::Constant(ms),
        gap_ms: Distribution::Constant(1.0),
        output_tokens: Distribution::Constant(20.0),
        ..Config::default()
    })
    .expect("a port is free")
}

/// How often a gateway has not asked the store, since it rests.
fn unasked(gateways: &[Asked]) -> u64 {
    gateways.iter().map(|asked| asked.gateway.metric("cache_unasked_total")).sum()
}

/// Four at each gateway who ask all the time: what was asked before, and something new.
struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: Vec<tokio::task::JoinHandle<Duration>>,
}

impl Load {
    fn start(gateways: &Arc<[Asked; 3]>) -> Self {
        let (is_over, answered): (Arc<AtomicBool>, Arc<AtomicU64>) = Default::default();
        let callers = (0..12).map(|caller| {
            let (gateways, is_over, answered) = (gateways.clone(), is_over.clone(), answered.clone());
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for number in 0.. {
                    if is_over.load(Relaxed) {
                        break;
                    }
                    let question = match number % 2 {
                        0 => "What was asked before?".to_owned(),
                        _ => format!("Who asks? {caller} {number}"),
                    };
                    let start = Instant::now();
                    let answer = gateways[caller % 3].ask(&question).await;
                    slowest = slowest.max(Instant::now() - start);
                    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
                    answered.fetch_add(1, Relaxed);
                    sleep(Duration::from_millis(5)).await;
                }
                slowest
            })
        });
        let callers = callers.collect();
        Self { is_over, answered, callers }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    /// How long the slowest took; whoever was not answered fails here.
    async fn end(self) -> Duration {
        self.is_over.store(true, Relaxed);
        let times = join_all(self.callers).await.into_iter().map(|time| time.expect("everybody is answered"));
        times.max().unwrap_or_default()
    }
}

async fn a_gateway_starts_without_its_store_and_no_password_is_in_its_log(mut server: Server) {
    let model = instant();
    let url = server.url();
    let wrong = url.replace("secret", "mistaken");
    server.kill();
    let folder = tempfile::tempdir().expect("there is room");
    let log = folder.path().join("log");
    let file = File::create(&log).expect("the folder is ours");
    let gateways = [&url, &wrong].map(|url| {
        let file = file.try_clone().expect("a file");
        let variables = [
            ("DASHPOT_GATEWAY_UPSTREAM__BASE_URL", &*model.url()),
            ("DASHPOT_GATEWAY_CACHE__STORE", url),
            ("RUST_LOG", "debug"),
        ];
        Asked::of(Gateway::logging("examples/gateway/gateway.toml".as_ref(), &variables, file))
    });
    for gateway in &gateways {
        assert!(gateway.is_ready().await);
        let answer = gateway.ask("Hello").await;
        assert_eq!((answer.status, answer.is_hit()), (StatusCode::OK, false), "{answer:?}");
    }
    server.restart();
    gateways[0].is_connected().await;
    let read = || std::fs::read_to_string(&log).expect("it is text");
    until("the wrong password is said to be one", async || read().to_lowercase().contains("password")).await;
    assert!(gateways[1].ask("Hello").await.status == StatusCode::OK && gateways[1].is_ready().await);
    let said = read();
    assert!(said.contains("is not connected"), "{said}");
    assert!(!said.contains("secret") && !said.contains("mistaken"), "{said}");
}
