//! Where answers come from: numbers and words that follow from a hash of the request.

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::Value;

/// Plain words, and a few whose UTF-8 is longer than their letters.
const WORDS: &str = "the a of and to in that it is was for on with as at by from this which but not have had they \
    one all when there more if out so up what about some time could them other than then its over also after first \
    new way water river stone light morning evening house garden window paper letter engine valve pressure motion \
    spring summer winter harbour island mountain valley bridge station signal pattern measure balance gentle steady \
    quiet slow quick early late small large narrow open clear simple careful carries holds keeps turns moves follows \
    finds gives takes leaves returns begins ends learns shows waits café naïve piñata Zürich smørrebrød 東京 ☕";

const CITIES: [&str; 8] = ["Paris", "Tokyo", "Nairobi", "Lima", "Oslo", "Montréal", "Zürich", "Wellington"];

/// FNV-1a over `bytes`, then mixed: stable over releases, platforms and runs.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let fold = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut x = bytes.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, fold);
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// A generator for the `part`-th use of `hash`.
pub(super) fn rng(hash: u64, part: u64) -> SmallRng {
    SmallRng::seed_from_u64(hash ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// `n` tokens of prose: words with the space before them, in sentences.
pub(super) fn prose(rng: &mut SmallRng, n: usize) -> Vec<String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut left_in_sentence = 0;
    (0..n)
        .map(|i| {
            let word = words[rng.random_range(0..words.len())];
            let mut token = if i == 0 { String::new() } else { " ".to_owned() };
            if left_in_sentence == 0 {
                left_in_sentence = rng.random_range(5..14);
                let mut letters = word.chars();
                token.extend(letters.next().into_iter().flat_map(char::to_uppercase));
                token.push_str(letters.as_str());
            } else {
                token.push_str(word);
            }
            left_in_sentence -= 1;
            if left_in_sentence == 0 || i + 1 == n {
                token.push('.');
            }
            token
        })
        .collect()
}

/// `text` in pieces of at most `chars` characters; one empty piece if it is empty.
pub(super) fn pieces(text: &str, chars: usize) -> Vec<String> {
    let all: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = all.chunks(chars).map(String::from_iter).collect();
    if pieces.is_empty() { vec![String::new()] } else { pieces }
}

/// A value that fits `schema`, for the parts of JSON Schema that tools and structured outputs use.
pub(super) fn instance(schema: &Value, rng: &mut SmallRng) -> Value {
    fit(schema, schema, "", 0, rng)
}

fn fit(schema: &Value, root: &Value, name: &str, depth: u32, rng: &mut SmallRng) -> Value {
    // A schema can refer to itself.
    if depth > 16 {
        return Value::Null;
    }
    let mut go = |schema: &Value, name: &str| fit(schema, root, name, depth + 1, rng);
    if let Some(target) = schema["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?)) {
        return go(target, name);
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return values[rng.random_range(0..values.len())].clone();
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[key].as_array().and_then(|all| all.first()) {
            return go(first, name);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|&kind| kind != "null"),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") | None => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(|(name, schema)| (name.clone(), go(schema, name))).collect()
        }
        Some("array") => vec![go(&schema["items"], name)].into(),
        Some("integer") => (schema["minimum"].as_i64().unwrap_or(1) + rng.random_range(0..3)).into(),
        Some("number") => (schema["minimum"].as_f64().unwrap_or(1.0) + 0.5).into(),
        Some("boolean") => rng.random::<bool>().into(),
        Some("string") => words_for(name, rng).into(),
        Some(_) => Value::Null,
    }
}

fn words_for(name: &str, rng: &mut SmallRng) -> String {
    if ["city", "location", "place"].iter().any(|place| name.contains(place)) {
        return CITIES[rng.random_range(0..CITIES.len())].to_owned();
    }
    let words = prose(rng, 3).concat();
    words.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prose_follows_from_its_seed_and_reads_as_sentences() {
        let text = prose(&mut rng(1, 0), 200).concat();
        assert_eq!(text, prose(&mut rng(1, 0), 200).concat());
        assert_ne!(text, prose(&mut rng(2, 0), 200).concat());
        assert!(text.chars().next().unwrap().is_uppercase() || !text.is_ascii(), "{text}");
        assert!(text.ends_with('.') && !text.contains("  "), "{text}");
        assert_eq!(prose(&mut rng(1, 0), 1).len(), 1);
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        assert_eq!(hash(0, b""), 0xefd0_1f60_ba99_2926);
        assert_ne!(hash(0, b"a"), hash(1, b"a"));
    }

    #[test]
    fn pieces_join_to_the_text() {
        assert_eq!(pieces("", 3), [""]);
        assert_eq!(pieces("Zürich", 4), ["Züri", "ch"]);
    }

    #[test]
    fn an_instance_fits_its_schema() {
        let schema = json!({
            "type": "object",
            "$defs": {"Unit": {"enum": ["C", "F"]}, "Loop": {"properties": {"again": {"$ref": "#/$defs/Loop"}}}},
            "properties": {
                "city": {"type": "string"},
                "unit": {"$ref": "#/$defs/Unit"},
                "days": {"type": "integer", "minimum": 5},
                "tags": {"type": "array", "items": {"type": ["null", "string"]}},
                "exact": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                "loop": {"$ref": "#/$defs/Loop"}
            }
        });
        let value = instance(&schema, &mut rng(3, 0));
        assert!(CITIES.contains(&value["city"].as_str().unwrap()));
        assert!(["C", "F"].contains(&value["unit"].as_str().unwrap()));
        assert!(value["days"].as_i64().unwrap() >= 5);
        assert!(value["tags"][0].is_string() && value["exact"].is_boolean());
    }
}
