//! A gateway of several upstreams, whose configuration changes, and whose administrators take it in hand.

mod support;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use bytes::Bytes;
use dashpot_testkit::model_server::{Config, Fault, FaultRule, ModelServer};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use support::Gateway;
use tempfile::TempDir;

const TOKEN: &str = "a token that nobody guesses";

fn model() -> ModelServer {
    ModelServer::start(Config { time_scale: 0.0, ..Config::default() }).expect("a port is free")
}

/// A gateway whose file can be written anew.
struct Written {
    folder: TempDir,
    gateway: Gateway,
    admin: String,
}

impl Written {
    fn start(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, full(file)).expect("there is room");
        let mut gateway = Gateway::of(&path, &[("ADMIN_TOKEN", TOKEN)]);
        let admin = gateway.admin();
        Self { folder, gateway, admin }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    fn write(&self, file: &str) {
        fs::write(self.path(), full(file)).expect("there is room");
    }

    async fn ask(&self, model: &str) -> StatusCode {
        self.ask_about(model, "Hello").await.0
    }

    async fn ask_about(&self, model: &str, what: &str) -> (StatusCode, Option<String>) {
        let body = json!({"model": model, "messages": [{"role": "user", "content": what}]});
        let request = Request::post(format!("{}/v1/chat/completions", self.gateway.url()))
            .header(header::AUTHORIZATION, "Bearer somebody")
            .body(Full::from(body.to_string()));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.expect("it is well-formed")).await.expect("there is an answer");
        let cache = answer.headers().get("cache-status").map(|said| said.to_str().expect("text").to_owned());
        let status = answer.status();
        answer.into_body().collect().await.expect("it is whole");
        (status, cache)
    }

    /// As an administrator.
    async fn order(&self, method: Method, path: &str, body: &Value) -> (StatusCode, String) {
        self.order_with(method, path, body, &format!("Bearer {TOKEN}")).await
    }

    async fn order_with(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        shown: &str,
    ) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.admin))
            .header(header::AUTHORIZATION, shown)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.expect("it is well-formed")).await.expect("there is an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("it is whole").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("it is text"))
    }

    async fn state(&self) -> Value {
        let (status, state) = self.order(Method::GET, "/state", &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{state}");
        serde_json::from_str(&state).expect("it is JSON")
    }

    async fn reload(&self) -> (StatusCode, String) {
        self.order(Method::POST, "/reload", &Value::Null).await
    }
}

fn full(file: &str) -> String {
    format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken_variable = \"ADMIN_TOKEN\"\n{file}")
}

fn two(first: &ModelServer, second: &ModelServer) -> String {
    format!(
        "[upstream]\nbase_url = \"{}\"\n[[upstreams]]\nname = \"small\"\nmodels = [\"small\", \"tiny-*\"]\nbase_url = \"{}\"\n",
        first.url(),
        second.url()
    )
}

fn asked(server: &ModelServer) -> u64 {
    server.stats().served
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_asked_for_at_its_own_upstream_and_what_fails_there_is_no_matter_elsewhere() {
    let (first, second) = (model(), model());
    // Long enough for all that is asked while it is open, and nobody is held until then.
    let breaker = "[breaker]\nwait_ms = 60000\nmax_wait_ms = 60000\nmax_held = 0\n";
    let gateway = Written::start(&format!("{}{breaker}", two(&first, &second)));
    for (name, in_first, in_second) in [("large", 1, 0), ("small", 1, 1), ("smaller", 2, 1), ("tiny-1", 2, 2)]
    {
        assert_eq!(gateway.ask(name).await, StatusCode::OK);
        assert_eq!((asked(&first), asked(&second)), (in_first, in_second), "{name}");
    }
    second.set_faults(vec![FaultRule::rate(Fault::Error, 1.0)]);
    for _ in 0..5 {
        assert_eq!(gateway.ask("small").await, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(gateway.ask("small").await, StatusCode::SERVICE_UNAVAILABLE, "its circuit is open");
    assert_eq!(gateway.ask("large").await, StatusCode::OK);
    let state = gateway.state().await;
    assert_eq!(state["upstreams"]["small"]["breaker"]["state"], "open");
    assert_eq!(state["upstreams"]["default"]["breaker"]["state"], "closed");
    assert_eq!(gateway.gateway.metric(r#"gateway_breakers{upstream="small",state="open"}"#), 1);
    assert_eq!(gateway.gateway.metric(r#"gateway_breakers{state="open"}"#), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_applied_as_a_whole_or_not_at_all() {
    let (first, second) = (model(), model());
    let one = format!("[upstream]\nbase_url = \"{}\"\n[cache]\nmax_bytes = 1000000\n", first.url());
    let gateway = Written::start(&one);
    assert_eq!(gateway.ask("small").await, StatusCode::OK);
    assert_eq!(asked(&first), 1);

    // What is wrong is said, and changes nothing.
    for (file, why) in [
        (full(&one.replace("1000000", "\"x\"")), "max_bytes"),
        (full(&format!("{one}[limit]\nmin = 0\n")), "limit.min must be more than 0"),
        (format!("max_connections = 7\n{}", full(&one)), "cannot change while the gateway runs"),
    ] {
        fs::write(gateway.path(), file).expect("there is room");
        let (status, said) = gateway.reload().await;
        assert_eq!(status, StatusCode::CONFLICT, "{said}");
        assert!(said.contains(why), "{said}");
        assert_eq!(gateway.ask("small").await, StatusCode::OK);
    }
    assert_eq!(asked(&first), 1, "it is kept");

    // With times that are others what is kept stays, and what was learned.
    gateway.order(Method::POST, "/upstreams/default/limit", &json!({"limit": 33})).await;
    gateway.write(&format!("{one}ttl_ms = 60000\n[limit]\nmax = 500\n"));
    assert_eq!(gateway.reload().await, (StatusCode::OK, "applied\n".into()));
    let (status, said) = gateway.ask_about("small", "Hello").await;
    assert_eq!(status, StatusCode::OK);
    assert!(said.expect("it says").contains("hit"));
    assert_eq!(gateway.state().await["upstreams"]["default"]["limit"]["limit"], 33);

    // By a signal; to another upstream.
    gateway.write(&two(&first, &second));
    support::run(Command::new("kill").args(["-HUP", &gateway.gateway.pid().to_string()]));
    for _ in 0..1000 {
        if gateway.gateway.metric(r#"gateway_reloads_total{result="applied"}"#) == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(gateway.ask("small").await, StatusCode::OK);
    assert_eq!((asked(&first), asked(&second)), (1, 1));
}

/// A stream that has begun is not cut, though its upstream is not there in the new configuration.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_ends_as_it_began() {
    let slow = ModelServer::start(Config {
        output_tokens: dashpot_testkit::model_server::Distribution::Constant(20.0),
        gap_ms: dashpot_testkit::model_server::Distribution::Constant(20.0),
        ..Config::default()
    })
    .expect("a port is free");
    let (first, second) = (model(), model());
    let gateway = Written::start(&two(&first, &slow));
    let body = r#"{"model":"small","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    let request =
        Request::post(format!("{}/v1/chat/completions", gateway.gateway.url())).body(Full::from(body));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut answer = client.request(request.expect("it is well-formed")).await.expect("there is an answer");
    answer.body_mut().frame().await.expect("it begins").expect("it is no error");
    gateway.write(&two(&first, &second));
    assert_eq!(gateway.reload().await.0, StatusCode::OK);
    let rest = answer.into_body().collect().await.expect("it is not cut").to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(gateway.ask("small").await, StatusCode::OK);
    assert_eq!((asked(&slow), asked(&second)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_take_it_in_hand_and_nobody_else_does() {
    let first = model();
    let gateway = Written::start(&format!(
        "[upstream]\nbase_url = \"{}\"\n[cache]\nmax_bytes = 1000000\n",
        first.url()
    ));
    for shown in ["", "Bearer ", "Bearer a token that nobody guessed", TOKEN, "Basic x"] {
        let (status, said) = gateway.order_with(Method::GET, "/state", &Value::Null, shown).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{said}");
    }
    // Nothing of it is where everybody asks.
    let uri = format!("{}/state", gateway.gateway.url()).parse().expect("it is an address");
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    assert_eq!(client.get(uri).await.expect("there is an answer").status(), StatusCode::NOT_FOUND);

    let order = async |path: &str, body: Value| gateway.order(Method::POST, path, &body).await;
    let breaker = "/upstreams/default/breaker";
    assert_eq!(order(breaker, json!({"do": "trip", "seconds": 3600})).await.0, StatusCode::OK);
    assert_eq!(gateway.ask("m").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(order(breaker, json!({"do": "reset"})).await.0, StatusCode::OK);
    assert_eq!(gateway.ask("m").await, StatusCode::OK);

    let limit = "/upstreams/default/limit";
    let (_, said) = order(limit, json!({"limit": 7, "frozen": true})).await;
    let said: Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!((&said["limit"]["limit"], &said["limit"]["frozen"]), (&json!(7), &json!(true)));

    assert!(gateway.ask_about("m", "Hello").await.1.expect("it says").contains("hit"));
    let purge = json!({"headers": {"authorization": "Bearer somebody"}});
    assert_eq!(order("/cache/purge", purge).await.0, StatusCode::OK);
    assert!(gateway.ask_about("m", "Hello").await.1.expect("it says").contains("miss"));

    for (path, body, status) in [
        (breaker, json!({"do": "trip"}), 400),
        (breaker, json!({"do": "dance"}), 400),
        (breaker, json!({"do": "trip", "seconds": u64::MAX}), 400),
        (breaker, json!({"what": "trip"}), 422),
        (limit, json!({}), 400),
        ("/upstreams/nobody/limit", json!({"limit": 1}), 404),
        ("/upstreams/default/warm", json!({"do": "warm"}), 400),
        ("/cache/purge", json!({"headers": {}}), 400),
        ("/cache/purge", json!({"headers": {"authorization": "x"}, "key": "x"}), 400),
    ] {
        let (answered, said) = order(path, body.clone()).await;
        assert_eq!(answered.as_u16(), status, "{path} {body} {said}");
    }
}
