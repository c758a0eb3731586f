//! The series that are recorded, as Prometheus shows them.

use std::time::Duration;

use dashpot_sse::{MetricsObserver, SsePassthroughLayer};
use dashpot_testkit::body::Scripted;
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::support::{CHAT, CONTENT, DONE, events, post, through};

#[test]
fn a_stream_leaves_its_times_counts_and_end() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let prometheus = recorder.handle();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5}}\n\n";
            let script = Scripted::new()
                .wait(Duration::from_secs(1))
                .data(CONTENT)
                .wait(Duration::from_secs(2))
                .data(usage)
                .data(DONE);
            let layer = SsePassthroughLayer::new().observer(MetricsObserver);
            let done = through(layer.clone(), post(CHAT), events(script)).await;
            done.into_body().collect().await.unwrap();
            drop(through(layer.clone(), post("/"), events(Scripted::new().data("data: a\n\n"))).await);
            let passing = through(layer, post(CHAT), events(Scripted::new())).await;

            let page = prometheus.render();
            for line in [
                r#"sse_streams_active{dialect="openai-chat"} 1"#,
                r#"sse_streams_active{dialect="plain"} 0"#,
                r#"sse_time_to_headers_seconds_count{dialect="openai-chat"} 2"#,
                r#"gen_ai_client_operation_time_to_first_chunk_seconds_sum{dialect="openai-chat"} 1"#,
                r#"gen_ai_server_time_to_first_token_seconds_sum{dialect="openai-chat"} 1"#,
                r#"gen_ai_server_time_per_output_token_seconds_sum{dialect="openai-chat"} 0.5"#,
                r#"gen_ai_server_request_duration_seconds_sum{dialect="openai-chat",end="done"} 3"#,
                r#"gen_ai_client_token_usage_sum{dialect="openai-chat",gen_ai_token_type="input"} 9"#,
                r#"gen_ai_client_token_usage_sum{dialect="openai-chat",gen_ai_token_type="output"} 5"#,
                r#"sse_end_total{dialect="openai-chat",end="done"} 1"#,
                r#"sse_end_total{dialect="plain",end="client-gone"} 1"#,
                r#"sse_events_total{dialect="openai-chat"} 3"#,
            ] {
                assert!(page.lines().any(|said| said == line), "{line} is not in\n{page}");
            }
            drop(passing);
        });
    });
}
