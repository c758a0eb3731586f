use dashpot_wire::{
    dialect::Dialect,
    modes::{Collect, CollectError},
    sse::{Limits, Parser},
};
use serde_json::Value;

pub(crate) const DIALECTS: [Dialect; 3] =
    [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages];

pub(crate) const LARGE: usize = 64 << 20;

/// Collects the stream cut after each count of bytes, the counts being used again and again.
pub(crate) fn collect_cut(
    dialect: Dialect,
    stream: &[u8],
    sizes: &[usize],
    max_bytes: usize,
) -> Result<Value, CollectError> {
    let mut collect = Collect::new(dialect, max_bytes).expect("one of the three");
    let mut rest = stream;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, tail) = rest.split_at(size.clamp(1, rest.len()));
        let pushed = collect.push(chunk);
        if let Err(error) = pushed {
            assert_eq!(collect.push(b""), Err(error.clone()), "an error stays");
            assert_eq!(collect.finish(), Err(error.clone()));
            return Err(error);
        }
        rest = tail;
    }
    collect.finish()
}

pub(crate) fn collect(dialect: Dialect, stream: &[u8]) -> Result<Value, CollectError> {
    collect_cut(dialect, stream, &[stream.len()], LARGE)
}

/// `(event, data)` of each event.
pub(crate) fn events(stream: &[u8]) -> Vec<(String, String)> {
    let mut events = Vec::new();
    let mut parser = Parser::new(Limits { max_line: LARGE, max_event: LARGE });
    parser.push(stream, |event| events.push((event.event.into(), event.data.into()))).expect("it is short");
    events
}

/// A stream of events whose types are in their data.
pub(crate) fn stream(events: &[Value]) -> Vec<u8> {
    events.iter().map(|data| format!("data: {data}\n\n")).collect::<String>().into_bytes()
}
