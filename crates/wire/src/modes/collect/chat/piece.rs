//! Most chunks of a stream: a piece of text, and around it what has been said before.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Number, Value};

use super::{
    super::super::{Object, budget::Budget},
    Chat, Fault,
    form::Form,
    is_said,
};

/// A chunk with no other fields than these, each of them once; read without a copy, where a document of it is one of a dozen
/// names and values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece<'a> {
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
    #[serde(default)]
    created: Said<Number>,
    #[serde(borrow, default)]
    id: Said<Text<'a>>,
    #[serde(borrow, default)]
    model: Said<Text<'a>>,
    #[serde(borrow, default)]
    object: Said<Text<'a>>,
    #[serde(default, rename = "obfuscation")]
    _obfuscation: IgnoredAny,
    #[serde(borrow, default)]
    service_tier: Said<Text<'a>>,
    #[serde(borrow, default)]
    system_fingerprint: Said<Text<'a>>,
    #[serde(default)]
    usage: Said<Never>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
    #[serde(default)]
    finish_reason: Said<Never>,
    index: u64,
    #[serde(default)]
    logprobs: Said<Never>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Text<'a>,
    #[serde(borrow, default)]
    role: Said<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value that a piece does not have.
#[derive(Deserialize)]
enum Never {}

#[derive(Default)]
enum Said<T> {
    #[default]
    Nothing,
    Null,
    This(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::This))
    }
}

impl<T> Said<T> {
    /// Whether it adds nothing to what is known.
    fn is_known(&self, object: &Object, key: &str, is_same: impl FnOnce(&T, &Value) -> bool) -> bool {
        match self {
            Self::Nothing => true,
            Self::Null => object.contains_key(key),
            Self::This(new) => object.get(key).is_some_and(|old| is_same(new, old)),
        }
    }
}

impl Chat {
    /// Adds a chunk that is a piece of text and says nothing else that is new, just as [`chunk`](Self::chunk) would; whether
    /// it is one.
    pub(in super::super) fn piece(&mut self, data: &str, budget: &mut Budget) -> Result<bool, Fault> {
        if let Some((text, index)) = self.form.as_ref().and_then(|form| form.text(data)) {
            return self.append(text, index, budget);
        }
        let Ok(Piece {
            choices: [choice],
            created,
            id,
            model,
            object,
            service_tier,
            system_fingerprint,
            usage,
            ..
        }) = serde_json::from_str(data)
        else {
            return Ok(false);
        };
        let (head, same) = (&self.head, |new: &Text<'_>, old: &Value| *old == *new.0);
        let is_head_known = created.is_known(head, "created", |_, old| is_said(old))
            && id.is_known(head, "id", |_, old| is_said(old))
            && model.is_known(head, "model", |_, old| is_said(old))
            && object.is_known(head, "object", same)
            && service_tier.is_known(head, "service_tier", same)
            && system_fingerprint.is_known(head, "system_fingerprint", same)
            && usage.is_known(head, "usage", |never, _| match *never {});
        let Some(known) = self.choices.get_mut(&choice.index).filter(|_| is_head_known) else {
            return Ok(false);
        };
        let is_choice_known = known.get("index").is_some_and(|index| *index == choice.index)
            && choice.finish_reason.is_known(known, "finish_reason", |never, _| match *never {})
            && choice.logprobs.is_known(known, "logprobs", |never, _| match *never {});
        let Some(Value::Object(message)) = known.get_mut("message").filter(|_| is_choice_known) else {
            return Ok(false);
        };
        if !choice.delta.role.is_known(message, "role", same) {
            return Ok(false);
        }
        // One with escapes leaves the form before it, which still holds.
        self.form = Form::of(data, &choice.delta.content.0, choice.index).or(self.form.take());
        self.append(&choice.delta.content.0, choice.index, budget)
    }

    /// Adds a text to that of a choice; whether there is one.
    fn append(&mut self, text: &str, index: u64, budget: &mut Budget) -> Result<bool, Fault> {
        let message = self.choices.get_mut(&index).and_then(|choice| choice.get_mut("message"));
        let content = message.and_then(|message| message.get_mut("content"));
        let Some(Value::String(content)) = content else { return Ok(false) };
        budget.append(content, text)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// After each of the chunks, what came of it and whether it was taken for a piece; and the same without pieces.
    fn both(chunks: &[Value]) -> Vec<bool> {
        let (mut with, mut without) = (Chat::default(), Chat::default());
        let mut budgets = [(); 2].map(|()| Budget::new(1 << 20));
        let mut pieces = Vec::new();
        for chunk in chunks {
            let text = chunk.to_string();
            let object: Object = serde_json::from_str(&text).unwrap();
            let is_piece = with.piece(&text, &mut budgets[0]).unwrap();
            if !is_piece {
                with.chunk(object.clone(), &mut budgets[0]).unwrap();
            }
            without.chunk(object, &mut budgets[1]).unwrap();
            pieces.push(is_piece);
            let [ours, theirs] = [&with, &without].map(|chat| chat.clone().finish().unwrap());
            assert_eq!(ours, theirs, "{text}");
            assert_eq!(format!("{:?}", budgets[0]), format!("{:?}", budgets[1]), "{text}");
        }
        pieces
    }

    fn chunk(more: &Value, delta: &Value) -> Value {
        let mut chunk = json!({
            "id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": null,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": null, "logprobs": null }],
        });
        chunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        chunk
    }

    #[test]
    fn a_piece_of_text_is_added_as_any_chunk_is() {
        let first = chunk(&json!({}), &json!({ "role": "assistant", "content": "" }));
        let text = |text: &str| chunk(&json!({}), &json!({ "content": text }));
        let again = chunk(
            &json!({ "id": "c-2", "created": 2 }),
            &json!({ "role": "assistant", "content": "\n\u{e9}" }),
        );
        let noise = chunk(&json!({ "obfuscation": "xyz" }), &json!({ "content": "!" }));
        assert_eq!(both(&[first, text("Hel"), text("lo"), again, noise]), [false, true, true, true, true]);
    }

    #[test]
    fn what_says_something_new_is_no_piece() {
        let first = chunk(&json!({}), &json!({ "role": "assistant", "content": "a" }));
        for second in [
            chunk(&json!({ "usage": { "total_tokens": 1 } }), &json!({ "content": "b" })),
            chunk(&json!({ "usage": null }), &json!({ "content": "b" })),
            chunk(&json!({ "service_tier": "default" }), &json!({ "content": "b" })),
            chunk(&json!({ "system_fingerprint": "fp" }), &json!({ "content": "b" })),
            chunk(&json!({ "x": 1 }), &json!({ "content": "b" })),
            chunk(&json!({ "choices": [] }), &json!({})),
            chunk(&json!({}), &json!({ "content": null })),
            chunk(&json!({}), &json!({ "role": "tool", "content": "b" })),
            chunk(&json!({}), &json!({ "content": "b", "refusal": null })),
            chunk(&json!({}), &json!({ "tool_calls": [{ "index": 0, "id": "t" }] })),
            json!({ "choices": [{ "index": 1, "delta": { "content": "b" } }] }),
            json!({ "choices": [{ "index": 0, "delta": { "content": "b" }, "finish_reason": "stop" }] }),
            json!({ "choices": [{ "index": 0, "delta": { "content": "b" }, "logprobs": { "content": [] } }] }),
        ] {
            let text = chunk(&json!({}), &json!({ "content": "c" }));
            assert!(!both(&[first.clone(), second.clone(), text])[1], "{second}");
        }
    }

    #[test]
    fn there_is_room_for_no_more_than_the_budget() {
        let (mut chat, mut budget) = (Chat::default(), Budget::new(8192));
        let first = chunk(&json!({}), &json!({ "role": "assistant", "content": "" }));
        chat.chunk(first.as_object().unwrap().clone(), &mut budget).unwrap();
        let text = chunk(&json!({}), &json!({ "content": "x".repeat(1000) })).to_string();
        let added = (0..8).map(|_| chat.piece(&text, &mut budget)).take_while(Result::is_ok).count();
        assert!((1..8).contains(&added), "{added}");
    }
}
