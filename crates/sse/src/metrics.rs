use std::time::Duration;

use dashpot_wire::dialect::Dialect;
use metrics::{counter, gauge, histogram};

use crate::{Observer, Summary, summary::dialect_name};

/// Records each stream with the recorder of the [`metrics`] crate.
///
/// Times are histograms in seconds. Names are those of OpenTelemetry's conventions for generative AI where it has one,
/// written as Prometheus does. The labels are `dialect` ([`Dialect::name`] or `plain`) and, where the table says so,
/// `end` ([`End::name`](crate::End::name)), so the number of series is bounded.
///
/// | metric | kind | of |
/// |---|---|---|
/// | `sse_streams_active` | gauge | streams that pass now |
/// | `sse_time_to_headers_seconds` | histogram | the head |
/// | `gen_ai_client_operation_time_to_first_chunk_seconds` | histogram | the first byte |
/// | `gen_ai_server_time_to_first_token_seconds` | histogram | the first content |
/// | `gen_ai_server_time_per_output_token_seconds` | histogram | [`Summary::time_per_output_token`] |
/// | `gen_ai_server_request_duration_seconds` | histogram | the end; also by `end` |
/// | `gen_ai_client_token_usage` | histogram | tokens; also by `gen_ai_token_type`, `input` or `output` |
/// | `sse_end_total` | counter | streams; also by `end` |
/// | `sse_events_total`, `sse_bytes_total` | counter | events and bytes of streams that have ended |
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricsObserver;

impl Observer for MetricsObserver {
    fn on_headers(&self, dialect: Option<Dialect>, after: Duration) {
        let dialect = dialect_name(dialect);
        gauge!("sse_streams_active", "dialect" => dialect).increment(1);
        histogram!("sse_time_to_headers_seconds", "dialect" => dialect).record(after);
    }

    fn on_first_byte(&self, dialect: Option<Dialect>, after: Duration) {
        let dialect = dialect_name(dialect);
        histogram!("gen_ai_client_operation_time_to_first_chunk_seconds", "dialect" => dialect).record(after);
    }

    fn on_first_content(&self, dialect: Option<Dialect>, after: Duration) {
        let dialect = dialect_name(dialect);
        histogram!("gen_ai_server_time_to_first_token_seconds", "dialect" => dialect).record(after);
    }

    fn on_end(&self, summary: &Summary) {
        let (dialect, end) = (summary.dialect_name(), summary.end.name());
        gauge!("sse_streams_active", "dialect" => dialect).decrement(1);
        counter!("sse_end_total", "dialect" => dialect, "end" => end).increment(1);
        counter!("sse_events_total", "dialect" => dialect).increment(summary.events);
        counter!("sse_bytes_total", "dialect" => dialect).increment(summary.bytes);
        histogram!("gen_ai_server_request_duration_seconds", "dialect" => dialect, "end" => end)
            .record(summary.times.end);
        if let Some(time) = summary.time_per_output_token() {
            histogram!("gen_ai_server_time_per_output_token_seconds", "dialect" => dialect).record(time);
        }
        for (kind, tokens) in [("input", summary.usage.input_tokens), ("output", summary.usage.output_tokens)]
        {
            if let Some(tokens) = tokens {
                histogram!("gen_ai_client_token_usage", "dialect" => dialect, "gen_ai_token_type" => kind)
                    .record(tokens as f64);
            }
        }
    }
}
