use http::{HeaderName, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const DIALECTS: [(Dialect, &str); 5] = [
    (Dialect::OpenAiChat, "/v1/chat/completions"),
    (Dialect::OpenAiResponses, "/v1/responses"),
    (Dialect::OpenAiCompletions, "/v1/completions"),
    (Dialect::OpenAiEmbeddings, "/v1/embeddings"),
    (Dialect::AnthropicMessages, "/v1/messages"),
];

/// A request with nothing left out: each of these decides the answer.
#[derive(Clone, Debug, PartialEq)]
struct Ask {
    tenant: String,
    path: String,
    headers: Vec<(HeaderName, &'static str)>,
    dialect: Dialect,
    embedder: String,
    body: Value,
}

impl Ask {
    fn new(dialect: Dialect, path: &str, body: Value) -> Self {
        let (tenant, embedder) = ("acme".into(), "minilm".into());
        Self { tenant, path: path.into(), headers: Vec::new(), dialect, embedder, body }
    }

    fn read(&self) -> Option<Asked> {
        let mut request = Request::post(self.path.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let tenant = Tenant::new(&self.tenant).unwrap();
        Asked::read(&tenant, &head, self.dialect, self.body.to_string().as_bytes(), &self.embedder)
    }
}

fn chat(messages: Value) -> Ask {
    Ask::new(Dialect::OpenAiChat, "/v1/chat/completions", json!({"model": "m", "messages": messages}))
}

fn text(ask: &Ask) -> Option<String> {
    ask.read().unwrap().text
}

#[test]
fn only_the_last_text_of_the_user_is_taken_out() {
    let user = |content: Value| json!({"role": "user", "content": content});
    let part = |text: &str| json!({"type": "text", "text": text});
    let picture = json!({"type": "image_url", "image_url": {"url": "x"}});
    for (messages, taken) in [
        (json!([user(json!("Why?"))]), Some("Why?")),
        (json!([user(json!("a")), {"role": "assistant", "content": "b"}, user(json!("c"))]), Some("c")),
        (json!([user(json!([part("a")]))]), Some("a")),
        (json!([user(json!([picture, part("a")]))]), Some("a")),
        (json!([user(json!([part("a"), part("b")]))]), None),
        (json!([user(json!([picture]))]), None),
        (json!([user(json!(null))]), None),
        (json!([user(json!([]))]), None),
        (json!([{"role": "user"}]), None),
        (json!([user(json!("a")), {"role": "assistant", "content": "b"}]), None),
        (json!([user(json!("a")), {"role": "tool", "content": "b", "tool_call_id": "1"}]), None),
        (json!([{"role": "system", "content": "a"}]), None),
        (json!([]), None),
        (json!({"role": "user", "content": "a"}), None),
    ] {
        assert_eq!(text(&chat(messages.clone())).as_deref(), taken, "{messages}");
    }
    let messages = |content: Value| {
        text(&Ask::new(Dialect::AnthropicMessages, "/v1/messages", json!({"messages": [user(content)]})))
    };
    let result = json!({"type": "tool_result", "tool_use_id": "1", "content": "b"});
    assert_eq!(messages(json!([result])), None);
    assert_eq!(messages(json!([result, part("a")])).as_deref(), Some("a"));
    let responses =
        |input: Value| text(&Ask::new(Dialect::OpenAiResponses, "/v1/responses", json!({"input": input})));
    assert_eq!(responses(json!("a")).as_deref(), Some("a"));
    assert_eq!(responses(json!([user(json!([{"type": "input_text", "text": "a"}]))])).as_deref(), Some("a"));
    assert_eq!(responses(json!([{"type": "function_call_output", "output": "a", "role": "user"}])), None);
    for (dialect, field) in [(Dialect::OpenAiCompletions, "prompt"), (Dialect::OpenAiEmbeddings, "input")] {
        assert_eq!(text(&Ask::new(dialect, "/", json!({field: "a"}))), None);
    }
}

#[test]
fn what_says_nothing_about_the_answer_is_left_out() {
    let plain = chat(json!([])).read().unwrap();
    for (field, value) in [
        ("stream", json!(true)),
        ("stream_options", json!({"include_usage": true})),
        ("user", json!("u")),
        ("metadata", json!({"a": 1})),
    ] {
        let mut ask = chat(json!([]));
        ask.body[field] = value;
        let asked = ask.read().unwrap();
        assert_eq!((asked.exact, asked.partition), (plain.exact, plain.partition), "{field}");
        // Where it is the same word for something else, it counts.
        ask.body["nested"] = json!({ field: 1 });
        assert_ne!(ask.read().unwrap().partition, plain.partition);
    }
}

#[test]
fn what_cannot_be_told_from_all_others_has_no_key() {
    for body in
        [json!([]), json!("a"), json!({"stream": 1}), json!({"background": true}), json!({"background": 1})]
    {
        assert_eq!(Ask::new(Dialect::OpenAiResponses, "/", body.clone()).read(), None, "{body}");
    }
}

#[test]
fn keys_are_written_in_digits_and_read_again() {
    let key = chat(json!([])).read().unwrap().exact;
    let digits = key.to_string();
    assert_eq!((digits.len(), digits.parse(), digits.to_uppercase().parse()), (64, Ok(key), Ok(key)));
    for no in ["", "0", &digits[1..], &format!("{digits}0"), &format!("{}é", &digits[2..]), &"+0".repeat(32)]
    {
        assert_eq!(no.parse::<Key>(), Err(NoKey), "{no}");
    }
}

/// A field that decides, and two values for it.
fn field() -> impl Strategy<Value = (String, Value, Value)> {
    let known = prop::sample::select(vec![
        "model",
        "system",
        "instructions",
        "tools",
        "tool_choice",
        "response_format",
        "text",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "thinking",
        "reasoning",
        "dimensions",
        "encoding_format",
        "suffix",
        "store",
        "previous_response_id",
        "service_tier",
        "parallel_tool_calls",
    ]);
    let name = prop_oneof![3 => known.prop_map(str::to_owned), 1 => "x_[a-z]{1,4}"];
    let value = || {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0_i64..3).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
            prop::collection::vec("[ab]{0,1}", 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]", 0_u8..2, 0..3).prop_map(|map| json!(map)),
        ]
    };
    (name, value(), value())
}

proptest! {
    /// Whatever two requests differ in, they are in two partitions, unless it is the last text of the user; and are never
    /// the same.
    #[test]
    fn no_two_requests_that_differ_share_a_key(
        (dialect, path) in prop::sample::select(DIALECTS.to_vec()),
        (name, one, other) in field(),
        what in 0..7_u8,
        turn in "[ab]{0,2}",
        words in ("[ab ]{0,3}", "[ab ]{0,3}"),
        header in prop::sample::select(HEADERS.to_vec()),
    ) {
        let turns = json!([{"role": "user", "content": turn}, {"role": "assistant", "content": "ok"}, {"role": "user", "content": words.0}]);
        let of_turns = match dialect {
            Dialect::OpenAiChat | Dialect::AnthropicMessages => "messages",
            Dialect::OpenAiCompletions => "prompt",
            _ => "input",
        };
        let base = Ask::new(dialect, path, json!({"model": "m", of_turns: turns}));
        let mut changed = base.clone();
        let mut base = base;
        match what {
            0 => (base.body[&name], changed.body[&name]) = (one, other),
            1 => changed.body[&name] = one,
            2 => changed.tenant.push('a'),
            3 => changed.path.push_str("?a=b"),
            4 => changed.headers.push((header, "a")),
            5 => changed.embedder.push('2'),
            _ => changed.body[of_turns][2]["content"] = words.1.into(),
        }
        let (a, b) = (base.read(), changed.read());
        if base == changed || a.is_none() || b.is_none() {
            prop_assert_eq!(a, b);
            return Ok(());
        }
        let (a, b) = (a.unwrap(), b.unwrap());
        let is_text = what == 6 && a.text.is_some();
        prop_assert_ne!(a.exact, b.exact);
        prop_assert_eq!(a.partition == b.partition, is_text);
        prop_assert_ne!(a.partition, b.exact);
        prop_assert_ne!(a.partition, a.exact);
    }
}
