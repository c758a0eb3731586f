//! Streams of every dialect's shape, the same at every run.

use dashpot_wire::dialect::Dialect;

pub(crate) struct Corpus(Vec<(Dialect, Vec<String>)>);

/// A corpus cut into chunks: a list of streams, each a list of chunks. Static, so that peers get them as `Bytes` for free.
pub(crate) struct Chunks {
    pub(crate) streams: Vec<(Dialect, &'static [&'static [u8]])>,
    pub(crate) bytes: usize,
    pub(crate) events: u64,
}

impl Corpus {
    /// At least `bytes` long; each dialect has the same share.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut words = Words(0x5eed);
        let dialects = [
            Dialect::OpenAiChat,
            Dialect::OpenAiResponses,
            Dialect::OpenAiCompletions,
            Dialect::AnthropicMessages,
            Dialect::Gemini,
        ];
        Self(
            dialects
                .into_iter()
                .map(|dialect| {
                    let (mut events, mut length) = (Vec::new(), 0);
                    while length < bytes / dialects.len() {
                        let event = event(dialect, events.len(), &mut words);
                        length += event.len();
                        events.push(event);
                    }
                    (dialect, events)
                })
                .collect(),
        )
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().flat_map(|(_, events)| events).map(String::len).sum()
    }

    pub(crate) fn events(&self) -> u64 {
        self.0.iter().map(|(_, events)| events.len() as u64).sum()
    }

    pub(crate) fn by_event(&self) -> Chunks {
        self.cut(|events| events.iter().map(|event| leak(event.as_bytes())).collect())
    }

    pub(crate) fn by_bytes(&self, size: usize) -> Chunks {
        self.cut(|events| leak(events.concat().as_bytes()).chunks(size).collect())
    }

    fn cut(&self, cut: impl Fn(&[String]) -> Vec<&'static [u8]>) -> Chunks {
        let cut = |events: &[String]| &*cut(events).leak();
        let streams = self.0.iter().map(|(dialect, events)| (*dialect, cut(events))).collect();
        Chunks { streams, bytes: self.bytes(), events: self.events() }
    }
}

fn leak(bytes: &[u8]) -> &'static [u8] {
    Box::leak(bytes.into())
}

/// The `n`-th event of a long answer: a word or two each, as the services send them, with a piece of a tool call in each
/// fifty.
fn event(dialect: Dialect, n: usize, words: &mut Words) -> String {
    let text = words.some(1 + n % 3);
    let at = 1_767_225_600 + n / 50;
    match dialect {
        Dialect::OpenAiCompletions => format!(
            "data: {{\"id\":\"cmpl-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O\",\"object\":\"text_completion\",\"created\":{at},\
             \"choices\":[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}}],\
             \"model\":\"gpt-3.5-turbo-instruct\"}}\n\n"
        ),
        Dialect::OpenAiResponses if n % 50 == 49 => format!(
            "event: response.function_call_arguments.delta\ndata: {{\
             \"type\":\"response.function_call_arguments.delta\",\"sequence_number\":{n},\
             \"item_id\":\"fc_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071\",\"output_index\":1,\
             \"delta\":\"{{\\\"city\\\":\"}}\n\n"
        ),
        Dialect::AnthropicMessages if n % 50 == 49 => {
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\
             \"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\":\"}}\n\n"
                .into()
        }
        Dialect::OpenAiChat if n % 50 == 49 => format!(
            "data: {{\"id\":\"chatcmpl-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O\",\"object\":\"chat.completion.chunk\",\
             \"created\":{at},\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\
             \"system_fingerprint\":\"fp_0123456789\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":\
             [{{\"index\":0,\"function\":{{\"arguments\":\"{{\\\"city\\\":\"}}}}]}},\
             \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        ),
        Dialect::OpenAiResponses => format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\
             \"sequence_number\":{n},\"item_id\":\"msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071\",\
             \"output_index\":0,\"content_index\":0,\"delta\":\"{text}\",\"logprobs\":[]}}\n\n"
        ),
        Dialect::AnthropicMessages if n % 100 == 98 => "event: ping\ndata: {\"type\": \"ping\"}\n\n".into(),
        Dialect::AnthropicMessages => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        ),
        Dialect::Gemini => format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \"{}\"}}],\"role\": \"model\"}},\
             \"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 118,\"candidatesTokenCount\": {n},\
             \"totalTokenCount\": {},\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 118}}]}},\
             \"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"q7aBcDeFgHiJkLmNoPqRsT\"}}\r\n\r\n",
            words.some(20),
            118 + n,
        ),
        _ => format!(
            "data: {{\"id\":\"chatcmpl-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O\",\"object\":\"chat.completion.chunk\",\
             \"created\":{at},\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\
             \"system_fingerprint\":\"fp_0123456789\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\
             \"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        ),
    }
}

/// A small linear congruential generator of words, one in twelve of them not ASCII.
struct Words(u64);

impl Words {
    fn some(&mut self, count: usize) -> String {
        const WORDS: [&str; 12] = [
            "the",
            "damper",
            "takes",
            "of",
            "a",
            "motion",
            "without",
            "stopping",
            "it",
            "na\u{ef}ve",
            "\\n",
            "steady",
        ];
        let mut text = String::new();
        for _ in 0..count {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(' ');
            text.push_str(WORDS[(self.0 >> 33) as usize % WORDS.len()]);
        }
        text
    }
}
