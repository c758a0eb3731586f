use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The fields that decide whether an answer is kept.
const DECISIVE: [&str; 17] = [
    "choices",
    "content",
    "data",
    "embedding",
    "error",
    "finish_reason",
    "function_call",
    "incomplete_details",
    "message",
    "output",
    "reason",
    "refusal",
    "status",
    "stop_reason",
    "tool_calls",
    "type",
    "usage",
];

/// A whole answer, without the fields that do not decide whether it is kept: most of what there is in one, and most of what
/// a document of it costs.
pub(super) fn essence(answer: &[u8]) -> Option<Value> {
    // All at once, where a reader of bytes looks at each text for itself, and not at those that it passes over.
    let answer = str::from_utf8(answer).ok()?;
    serde_json::from_str(answer).ok().map(|Essence(value)| value)
}

struct Essence(Value);

impl<'de> Deserialize<'de> for Essence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Essence(entry)) = list.next_element()? {
            entries.push(entry);
        }
        Ok(entries.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(Name(name)) = object.next_key()? {
            if DECISIVE.contains(&&*name) {
                let Essence(value) = object.next_value()?;
                fields.insert(name.into_owned(), value);
            } else {
                let _: IgnoredAny = object.next_value()?;
            }
        }
        Ok(fields.into())
    }
}

/// A field's name, without a copy if it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_the_answer_without_what_decides_nothing() {
        let answer = json!({
            "id": "chatcmpl-1", "created": 1.5, "usage": { "total_tokens": 3 },
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Hi\n" } }],
            "data": [{ "object": "embedding", "embedding": [0.5, -1, 2, true, null] }],
        });
        let expected = json!({
            "usage": {}, "choices": [{ "finish_reason": "stop", "message": { "content": "Hi\n" } }],
            "data": [{ "embedding": [0.5, -1, 2, true, null] }],
        });
        assert_eq!(essence(answer.to_string().as_bytes()), Some(expected));
        assert_eq!(
            essence(br#"{"\u0065rror":1,"error":2}"#),
            Some(json!({ "error": 2 })),
            "the last, as others read it"
        );
    }

    #[test]
    fn what_is_no_json_has_none() {
        for answer in [&b"{"[..], b"", b"{} {}", b"{\"id\":\"\xff\"}", b"{\"id\":}"] {
            assert_eq!(essence(answer), None, "{answer:?}");
        }
    }
}
