//! The small examples do what they say, run as a reader would run them.

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use dashpot_testkit::model_server::{Config, ModelServer};

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
