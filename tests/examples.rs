//! The small examples do what they say, run as a reader would run them.

mod support;

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use dashpot_testkit::model_server::{ColdStart, Config, Distribution, ModelServer};

fn output(command: &mut Command) -> String {
    String::from_utf8(support::run(command)).expect("it prints text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hyper_client_prints_the_stream_and_what_the_layer_saw() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let url = format!("{}/v1/chat/completions", model.url());
    let said = output(Command::new(support::example("hyper_client")).args([&url, "Why?"]));
    let (stream, seen) = said.split_once("data: [DONE]\n\n").expect("the stream is whole");
    assert!(stream.starts_with("data: {"), "{stream}");
    assert!(seen.starts_with("first content after Some("), "{seen}");
    assert!(seen.contains("ended as Some(Success), Some("), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hyper_client_behind_the_cache_calls_the_server_once() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let url = format!("{}/v1/chat/completions", model.url());
    let said = output(Command::new(support::example("hyper_cache")).args([&url, "Why?"]));
    assert!(said.starts_with("\"dashpot; fwd=miss\"\n{"), "{said}");
    assert!(said.ends_with("data: [DONE]\n1 called the server, 2 did not\n"), "{said}");
    assert_eq!(model.stats().served, 1);
}

#[test]
fn the_tonic_service_holds_a_slot_until_the_stream_ends_and_refuses_another_call_meanwhile() {
    let said = output(&mut Command::new(support::example("tonic_limit")));
    assert!(said.contains("while the stream is open: 1\n"), "{said}");
    assert!(said.contains("a second call meanwhile: Unavailable, the upstream has as much"), "{said}");
    assert!(said.contains("when the client has left: 0\n"), "{said}");
    assert!(said.ends_with("a call after that: answered\n"), "{said}");
}

#[test]
fn the_tonic_service_ends_its_streams_at_its_own_deadline_or_sooner_at_its_callers() {
    let said = output(&mut Command::new(support::example("tonic_deadline")));
    let lines: Vec<_> = said.lines().collect();
    let [own, sooner, later] = lines[..] else { panic!("{said}") };
    for (line, begin, at_least) in [
        (own, "asked for None", 600),
        (sooner, "asked for Some(200ms)", 200),
        (later, "asked for Some(3600s)", 600),
    ] {
        let end = line
            .strip_prefix(begin)
            .and_then(|line| line.strip_prefix(": a message: true, then DeadlineExceeded after "));
        let after: u32 =
            end.and_then(|end| end.strip_suffix(" ms")).and_then(|ms| ms.parse().ok()).expect(line);
        assert!(after >= at_least, "{line}");
    }
}

#[test]
fn the_tonic_client_is_refused_while_there_is_no_server_and_answered_after() {
    let said = output(&mut Command::new(support::example("tonic_breaker")));
    assert!(said.contains("call 3: Unavailable, tcp connect error\n"), "{said}");
    assert!(said.contains("call 4: Unavailable, the upstream fails, and is not called"), "{said}");
    assert!(said.contains("the breaker: Open, Some("), "{said}");
    assert!(said.contains("with a server: 20 answered, "), "{said}");
    assert!(said.ends_with("the breaker: Closed\n"), "{said}");
}

#[test]
fn the_axum_service_streams_with_headers_that_keep_proxies_from_waiting() {
    let mut service =
        Command::new(support::example("axum_stream")).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(service.stdout.take().expect("it is piped")).lines();
    let hint = lines.next().expect("it says how to try it").expect("it is text");
    let mut curl = hint.strip_prefix("try: ").expect("it does").split(' ');
    let answer = output(Command::new(curl.next().expect("a program")).args(curl));
    let answer = answer.to_lowercase();
    assert!(answer.contains("cache-control: no-cache, no-transform\r\n"), "{answer}");
    assert!(answer.contains("x-accel-buffering: no\r\n"), "{answer}");
    assert!(answer.ends_with("data: more\n\n"), "{answer}");
    let summary = lines.next().expect("the observer is told").expect("it is text");
    assert!(summary.contains("Done"), "{summary}");
    let limit = lines.next().expect("the limit is shown").expect("it is text");
    assert!(limit.contains("in_flight: 1") && limit.contains("admitted: 1"), "{limit}");
    service.kill().expect("it still serves");
    service.wait().expect("it is our child");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_axum_cache_answers_again_from_memory_in_other_words_too() {
    let model = ModelServer::start(Config::instant()).expect("it starts");
    let mut server = Server(
        Command::new(support::example("axum_cache"))
            .args([model.url().as_str(), support::minilm().to_str().expect("it is text")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it prints text");
    let curl = line.strip_prefix("try: ").expect("it says how to try it").trim_end();
    let reworded = curl.replace("What is a dashpot?", "what is a dashpot please");
    let stream = reworded.replace(r#""model""#, r#""stream":true,"model""#);
    for (command, expected) in [
        (curl, "cache-status: dashpot; fwd=miss\r\n"),
        (curl, "detail=exact\r\n"),
        (&reworded, "detail=\"semantic; score="),
        (&stream, "content-type: text/event-stream\r\n"),
    ] {
        let answer =
            output(Command::new("sh").args(["-c", &format!("{command} --no-progress-meter --max-time 30")]));
        assert!(answer.contains(expected), "{command}\n{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(model.log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hyper_client_waits_for_a_cold_model_and_has_its_connections_before_it_asks() {
    let cold = ColdStart { load: Duration::from_millis(100), idle: None, reject: true };
    let model = ModelServer::start(Config {
        cold_start: Some(cold),
        time_scale: 1.0,
        ttft_ms: Distribution::Constant(1.0),
        gap_ms: Distribution::Constant(0.0),
        ..Config::instant()
    })
    .expect("it starts");
    let said = output(Command::new(support::example("hyper_warm")).args([model.url().as_str(), "Why?"]));
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("before: cold, 0 connections"), "{said}");
    let states: Vec<_> = lines.by_ref().take_while(|line| line.starts_with("now: ")).collect();
    assert!(states.contains(&"now: failed"), "its prime was refused: {said}");
    assert!(said.contains("\nafter: 200 OK, 4 connections\n"), "{said}");
    assert!(said.contains(r#""content":"#), "{said}");
    assert!(said.ends_with(", 4 opened in all\n"), "{said}");
}

#[test]
fn the_tonic_client_starts_its_server_once_for_all_who_call_and_stops_it_when_nobody_does() {
    let said = output(&mut Command::new(support::example("tonic_warm")));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        ["5 calls waited for 1 start", "nobody calls: cold", "a call after that: answered, 2 starts in all",]
    );
}

#[test]
fn the_axum_service_starts_its_model_server_for_whoever_comes_first() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let mut server = Server(
        Command::new(support::example("axum_warm"))
            // A service that is killed can end nothing: the kernel does.
            .args([&format!("http://{address}"), "setpriv", "--pdeathsig", "KILL"])
            .arg(support::model_server())
            .args(["--listen", &address, "--ttft-ms", "5", "--gap-ms", "1", "--tokens", "5"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    // Kept open: the model server prints there too.
    let mut output_of = BufReader::new(server.0.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output_of.read_line(&mut line).expect("it prints text");
    let ask = line.strip_prefix("try: ").expect("it says how to try it").trim_end();
    let (base, _) = ask.split_once("/v1/").expect("it has a path");
    let ready = format!("{base}/readyz");
    for (command, expected) in
        [(ready.as_str(), "http/1.1 503 "), (ask, "http/1.1 200 ok\r\n"), (&ready, "http/1.1 200 ok\r\n")]
    {
        let answer =
            output(Command::new("sh").args(["-c", &format!("{command} --no-progress-meter --max-time 30")]));
        assert!(answer.to_lowercase().starts_with(expected), "{command}\n{answer}");
    }
}

/// A program that serves until it is dropped, also where a test fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
