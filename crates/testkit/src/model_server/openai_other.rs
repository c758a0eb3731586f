//! `POST /v1/completions`, `POST /v1/embeddings` and `GET /v1/models`.

use rand_distr::{Distribution, StandardNormal};
use serde_json::{Value, json};

use super::{
    ask::Ask,
    openai_chat,
    reply::{Choice, Finish, Reply},
    script::{Events, Script},
    text,
};

pub(super) fn completion(reply: &Reply) -> Value {
    let choices = reply.choices.iter().enumerate();
    let choices =
        choices.map(|(index, choice)| completion_choice(index, &choice.text(), finish(choice).into()));
    let mut body = completion_head(reply);
    body["choices"] = choices.collect();
    body["usage"] = openai_chat::usage(reply);
    body
}

pub(super) fn completion_stream(ask: &Ask, reply: &Reply) -> Script {
    let mut events = Events::default();
    for turn in reply.turns() {
        let finish = if turn.last { finish(turn.choice).into() } else { Value::Null };
        let mut chunk = completion_head(reply);
        chunk["choices"] = json!([completion_choice(turn.index, &turn.text, finish)]);
        events.data(&chunk, turn.time);
    }
    if ask.include_usage() {
        let mut last = completion_head(reply);
        last["choices"] = json!([]);
        last["usage"] = openai_chat::usage(reply);
        events.data(&last, 0);
    }
    events.done()
}

fn completion_head(reply: &Reply) -> Value {
    json!({
        "id": reply.id("cmpl-"), "object": "text_completion", "created": reply.created, "model": reply.model,
        "system_fingerprint": null,
    })
}

fn completion_choice(index: usize, text: &str, finish: Value) -> Value {
    json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish})
}

fn finish(choice: &Choice) -> &'static str {
    if choice.finish == Finish::Length { "length" } else { "stop" }
}

/// Unit vectors: the sum of a fixed random vector for each word, so that texts that share words lie close together.
///
/// # Errors
///
/// What is wrong with `dimensions`.
pub(super) fn embeddings(ask: &Ask, seed: u64) -> Result<Value, String> {
    let dimensions = match ask.body.get("dimensions") {
        None | Some(Value::Null) => 1536,
        Some(asked) => {
            asked.as_u64().filter(|n| (1..=4096).contains(n)).ok_or("dimensions: from 1 to 4096")?
        }
    };
    let base64 = ask.body.get("encoding_format").is_some_and(|format| format == "base64");
    let input = &ask.body["input"];
    let inputs: Vec<&Value> = match input {
        Value::Array(list) if list.iter().any(|item| !item.is_number()) => list.iter().collect(),
        one => vec![one],
    };
    let vectors = inputs.iter().enumerate().map(|(index, input)| {
        let vector = embed(seed, input, dimensions as usize);
        let vector = if base64 { to_base64(&vector).into() } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": vector})
    });
    let tokens = ask.input_tokens;
    Ok(json!({
        "object": "list", "data": vectors.collect::<Vec<_>>(), "model": ask.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

fn embed(seed: u64, input: &Value, dimensions: usize) -> Vec<f32> {
    let text = input.as_str().map_or_else(|| input.to_string(), str::to_lowercase);
    let mut sum = vec![0_f32; dimensions];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut rng = text::rng(text::hash(seed, word.as_bytes()), 0);
        for x in &mut sum {
            *x += Distribution::<f32>::sample(&StandardNormal, &mut rng);
        }
    }
    let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        sum.iter_mut().for_each(|x| *x /= norm);
    } else {
        sum[0] = 1.0;
    }
    sum
}

/// The floats as little-endian bytes in base64, which OpenAI's SDK asks for unless told otherwise.
fn to_base64(vector: &[f32]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = (group >> (18 - 6 * i)) as usize & 63;
            text.push(if i <= chunk.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

pub(super) fn models(models: &[String]) -> Value {
    json!({"object": "list", "data": models.iter().map(|id| model(id)).collect::<Vec<_>>()})
}

pub(super) fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "dashpot"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_lie_close_together() {
        let vector = |text: &str| embed(0, &json!(text), 256);
        let close = |a: &str, b: &str| vector(a).iter().zip(vector(b)).map(|(a, b)| a * b).sum::<f32>();
        assert!((close("How tall is it?", "how tall is it") - 1.0).abs() < 1e-5);
        assert!(close("how tall is it", "how tall is that") > 0.6);
        assert!(close("how tall is it", "bread with butter") < 0.3);
        assert!((close("", "") - 1.0).abs() < 1e-5);
    }

    #[test]
    fn base64_is_padded_as_it_must_be() {
        assert_eq!(to_base64(&[1.0]), "AACAPw==");
        assert_eq!(to_base64(&[1.0, -2.5]), "AACAPwAAIMA=");
        assert_eq!(to_base64(&[1.0, -2.5, 0.0]), "AACAPwAAIMAAAAAA");
    }
}
