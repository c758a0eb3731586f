//! The official Python SDKs, unmodified, through the gateway to the simulated model server.
//!
//! Each test is a function of a script in `tests/python`, with a model server and a gateway of its own.
#![allow(clippy::print_stdout, reason = "the times that were measured")]

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::Duration,
};

use dashpot_testkit::model_server::{Config, Distribution, End, Exchange, Fault, FaultRule, ModelServer};
use support::Gateway;
use tokio::time::Instant;

mod support;

const OPENAI: &str = "openai_sdk.py";
const ANTHROPIC: &str = "anthropic_sdk.py";

/// A name for each test, and what it runs: the function of the same name, or the one given.
macro_rules! cases {
    ($script:ident $http:literal: $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            super::run($script, stringify!($case), $http, Config::instant());
        }
    )*};
}

/// The same with something that goes wrong with every request.
macro_rules! faults {
    ($script:ident $http:literal: $($case:ident: $fault:literal)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            let fault: Fault = $fault.parse().unwrap();
            let faults = vec![FaultRule::rate(fault, 1.0)];
            super::run($script, stringify!($case), $http, Config { faults, ..Config::instant() });
        }
    )*};
}

mod openai {
    use super::*;

    cases! { OPENAI "http1":
        chat_whole chat_streaming chat_helper chat_tools_whole chat_tools_streaming
        responses_whole responses_streaming completions_whole completions_streaming embeddings models
        a_bad_request_is_answered_in_kind
    }
    faults! { OPENAI "http1":
        status_429: "rate-limit"
        status_500: "error"
        status_503: "unavailable"
        error_in_mid_stream: "stream-error"
        truncation: "truncate"
        reset: "reset"
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn its_own_retries_follow_the_hint_that_the_gateway_passes_on() {
        let faults = vec![FaultRule::next("rate-limit;ms=20".parse().unwrap(), 2)];
        run(OPENAI, "chat_whole", "http1", Config { faults, ..Config::instant() });
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_leaves_is_noticed_at_the_model() {
        leave(OPENAI, "http1").await;
    }
}

mod openai_over_http2 {
    use super::*;

    cases! { OPENAI "http2": chat_whole chat_streaming responses_streaming }
    faults! { OPENAI "http2": error_in_mid_stream: "stream-error" truncation: "truncate" reset: "reset" }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_leaves_is_noticed_at_the_model() {
        leave(OPENAI, "http2").await;
    }
}

mod anthropic {
    use super::*;

    cases! { ANTHROPIC "http1":
        messages_whole messages_streaming messages_raw_events tools_whole tools_streaming
        a_bad_request_is_answered_in_kind
    }
    faults! { ANTHROPIC "http1":
        status_429: "rate-limit"
        status_500: "error"
        status_503: "unavailable"
        status_529: "overloaded"
        error_in_mid_stream: "stream-error"
        truncation: "truncate"
        reset: "reset"
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_leaves_is_noticed_at_the_model() {
        leave(ANTHROPIC, "http1").await;
    }
}

mod anthropic_over_http2 {
    use super::*;

    cases! { ANTHROPIC "http2": messages_whole messages_streaming }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_leaves_is_noticed_at_the_model() {
        leave(ANTHROPIC, "http2").await;
    }
}

/// What the gateway puts into streams, and what it holds back of them.
mod through_the_gateways_own {
    use super::*;

    const STREAMS: [(&str, &str); 3] =
        [(OPENAI, "chat_streaming"), (OPENAI, "responses_streaming"), (ANTHROPIC, "messages_streaming")];

    #[tokio::test(flavor = "multi_thread")]
    async fn heartbeats_mean_nothing_to_the_sdks_nor_do_ids() {
        const ON: [(&str, &str); 2] =
            [("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "10"), ("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "1000")];
        let variables = [&ON[..1], &ON];
        for ((script, case), variables) in STREAMS.iter().flat_map(|one| variables.map(|set| (*one, set))) {
            let (ttft_ms, gap_ms) = (Distribution::Constant(100.0), Distribution::Constant(30.0));
            let output_tokens = Distribution::Constant(10.0);
            let config = Config { ttft_ms, gap_ms, output_tokens, ..Config::default() };
            run_with(script, case, "http1", config, variables);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ids_to_come_back_with_and_heartbeats_among_them_mean_nothing_to_the_sdks() {
        for (script, case) in STREAMS {
            let (ttft_ms, gap_ms) = (Distribution::Constant(100.0), Distribution::Constant(30.0));
            let output_tokens = Distribution::Constant(10.0);
            let config = Config { ttft_ms, gap_ms, output_tokens, ..Config::default() };
            let variables = [
                ("DASHPOT_GATEWAY_SSE__HEARTBEAT_MS", "10"),
                ("DASHPOT_GATEWAY_SSE__RESUME_GRACE_MS", "1000"),
            ];
            run_with(script, case, "http1", config, &variables);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stream_that_begins_with_an_error_is_tried_again_by_the_sdks_if_heads_wait() {
        for (script, case) in STREAMS {
            let faults = vec![FaultRule::next("stream-error;after=0".parse().unwrap(), 1)];
            let config = Config { faults, ..Config::instant() };
            run_with(script, case, "http1", config, &[("DASHPOT_GATEWAY_SSE__PEEK_FIRST_MS", "10000")]);
        }
    }
}

/// Callers that want the whole from a model that is asked for a stream, and the other way round.
mod in_the_other_mode {
    use super::*;

    const STREAM: [(&str, &str); 1] = [("DASHPOT_GATEWAY_MODE__UPSTREAM", "stream")];
    const WHOLE: [(&str, &str); 1] = [("DASHPOT_GATEWAY_MODE__UPSTREAM", "whole")];

    fn tries(variables: &[(&str, &str)], stream: bool, cases: &[(&str, &str)]) {
        for (script, case) in cases {
            let model = ModelServer::start(Config::instant()).expect("it starts");
            let gateway = Gateway::with(&model.url(), variables);
            support::run(support::python(script).args([case, gateway.url(), "http1"]));
            let log = model.log();
            let asked: Vec<bool> = log.iter().map(|exchange| exchange.stream).collect();
            assert!(!asked.is_empty() && asked.iter().all(|asked| *asked == stream), "{case}: {asked:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whole_answers_are_put_together_of_streams() {
        tries(
            &STREAM,
            true,
            &[
                (OPENAI, "chat_whole"),
                (OPENAI, "chat_tools_whole"),
                (OPENAI, "responses_whole"),
                (ANTHROPIC, "messages_whole"),
                (ANTHROPIC, "tools_whole"),
            ],
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn streams_are_made_of_whole_answers() {
        tries(
            &WHOLE,
            false,
            &[
                (OPENAI, "chat_in_one_piece"),
                (OPENAI, "responses_in_one_piece"),
                (ANTHROPIC, "messages_in_one_piece"),
            ],
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_fails_is_the_sdks_own_error() {
        for (script, case, fault) in [
            (OPENAI, "status_503", "unavailable"),
            (ANTHROPIC, "status_529", "overloaded"),
            (OPENAI, "stream_that_fails_whole", "stream-error"),
            (OPENAI, "stream_that_fails_whole", "truncate"),
            (OPENAI, "stream_that_fails_whole", "reset"),
            (ANTHROPIC, "stream_that_fails_whole", "stream-error"),
            (ANTHROPIC, "stream_that_fails_whole", "truncate"),
        ] {
            let faults = vec![FaultRule::rate(fault.parse().unwrap(), 1.0)];
            run_with(script, case, "http1", Config { faults, ..Config::instant() }, &STREAM);
        }
    }
}

fn run(script: &str, case: &str, http: &str, config: Config) {
    run_with(script, case, http, config, &[]);
}

fn run_with(script: &str, case: &str, http: &str, config: Config, variables: &[(&str, &str)]) {
    let model = ModelServer::start(config).expect("it starts");
    let gateway = Gateway::with(&model.url(), variables);
    support::run(support::python(script).args([case, gateway.url(), http]));
}

/// The time from a client's leaving to the end of its exchange at the model server, which the issue bounds.
async fn leave(script: &str, http: &str) {
    let model = ModelServer::start(Config::default()).expect("it starts");
    let gateway = Gateway::start(&model.url());
    let mut client = support::python(script)
        .args(["client_that_leaves", gateway.url(), http])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut said = String::new();
    BufReader::new(client.stdout.take().expect("it is piped")).read_line(&mut said).expect("it is text");
    let left = Instant::now();
    assert_eq!(said, "leaving\n", "the client failed; its reason stands above");

    let ended = |log: &[Exchange]| log.iter().any(|exchange| exchange.end.is_some());
    let log = model.wait_for(ended, Duration::from_secs(10)).await.expect("the exchange ends");
    let [exchange] = &log[..] else { panic!("one exchange was expected: {log:#?}") };
    assert!(exchange.ended(End::Aborted), "{exchange:#?}");
    let (_, aborted) = exchange.end.expect("it has ended");
    let after = aborted.saturating_duration_since(left);
    println!("{script} over {http}: the model server saw the abort after {after:?}");
    assert!(after < Duration::from_millis(100), "{after:?}");

    drop(client.stdin.take());
    assert!(client.wait().expect("it ends").success());
}
