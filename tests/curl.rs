//! What curl gets through the gateway is what the model server sends: the same bytes, and as early.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use dashpot_testkit::model_server::{Config, Fault, FaultRule, ModelServer};
use support::Gateway;

mod support;

const CHAT: (&str, &str) =
    ("/v1/chat/completions", r#""messages":[{"role":"user","content":"Hello"}],"model":"any""#);
const MESSAGES: (&str, &str) =
    ("/v1/messages", r#""messages":[{"role":"user","content":"Hello"}],"model":"any","max_tokens":99"#);
const RESPONSES: (&str, &str) = ("/v1/responses", r#""input":"Hello","model":"any""#);
const COMPLETIONS: (&str, &str) = ("/v1/completions", r#""prompt":"Hello","model":"any""#);

fn curl(base: &str, (path, fields): (&str, &str), stream: bool, version: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--fail",
        "--no-buffer",
        "--max-time",
        "60",
        "--noproxy",
        "*",
        version,
    ]);
    curl.args(["--header", "content-type: application/json", "--header", "x-api-key: secret"]);
    curl.args(["--data", &format!("{{{fields},\"stream\":{stream}}}")]);
    curl.arg(format!("{base}{path}"));
    curl
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialect_passes_byte_for_byte_whole_and_streaming_over_http1_and_http2() {
    let model = ModelServer::start(Config::instant()).unwrap();
    let gateway = Gateway::start(&model.url());
    for request in [CHAT, MESSAGES, RESPONSES, COMPLETIONS] {
        for stream in [false, true] {
            let direct = support::run(&mut curl(&model.url(), request, stream, "--http1.1"));
            assert!(direct.len() > 100, "{request:?}: {}", String::from_utf8_lossy(&direct));
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                let passed = support::run(&mut curl(gateway.url(), request, stream, version));
                assert!(passed == direct, "{request:?}, stream {stream}, {version}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_has_said_arrives_while_it_is_silent() {
    let stall = Fault::Stall { after: 3, time: None };
    let faults = vec![FaultRule::rate(stall, 1.0)];
    let model = ModelServer::start(Config { faults, ..Config::instant() }).unwrap();
    let gateway = Gateway::start(&model.url());
    let mut curl = curl(gateway.url(), CHAT, true, "--http1.1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    let lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let events = lines.map(Result::unwrap).filter(|line| line.starts_with("data: ")).take(3);
    assert_eq!(events.count(), 3, "curl ended before three events had come");
    assert_eq!(curl.try_wait().unwrap(), None, "the stream goes on");
    curl.kill().unwrap();
    curl.wait().unwrap();
}

/// By hand, as one would: `curl --header 'last-event-id: ...'`.
#[tokio::test(flavor = "multi_thread")]
async fn a_curl_that_is_killed_in_mid_stream_reads_on_when_it_comes_back() {
    let time = Some(std::time::Duration::from_secs(1));
    let faults = vec![FaultRule::rate(Fault::Stall { after: 5, time }, 1.0)];
    let model = ModelServer::start(Config { faults, ..Config::instant() }).unwrap();
    let gateway = Gateway::with(&model.url(), &[("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "30000")]);
    let ask = || curl(gateway.url(), CHAT, true, "--http1.1");
    let mut killed = ask().stdout(Stdio::piped()).spawn().expect("curl is installed");
    let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (mut said, mut id) = (String::new(), String::new());
    while said.matches("data: ").count() < 3 || !said.ends_with("\n\n") {
        let line = lines.next().expect("curl ended before three events had come");
        match line.strip_prefix("id: ") {
            Some(next) => id = next.to_owned(),
            None => said += &(line + "\n"),
        }
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    let rest = support::run(ask().args(["--header", &format!("last-event-id: {id}")]));
    let rest = String::from_utf8(rest).unwrap();
    said.extend(rest.split_inclusive('\n').filter(|line| !line.starts_with("id: ")));
    let oracle = ModelServer::start(Config::instant()).unwrap();
    let whole = support::run(&mut curl(&oracle.url(), CHAT, true, "--http1.1"));
    assert_eq!(said.as_bytes(), whole);
    assert_eq!((model.stats().received, model.stats().aborted), (1, 0));
}
