use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};

/// A JSON document to be made into a key: what must be told apart, and nothing more.
///
/// The order of fields is not, nor is white space, an escape, or `1` from `1.0`. Numbers that are the same as doubles are the
/// same, so whole numbers beyond what a double holds exactly must fit 64 bits. A document that has a field twice is none:
/// of two, parsers take the first or the last.
#[derive(Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Whole(i128),
    Fraction(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// Sorted by name.
    Object(Vec<(Cow<'a, str>, Self)>),
    /// A text that was taken out.
    Taken,
}

impl<'a> Json<'a> {
    pub(super) fn read(document: &'a [u8]) -> Option<Self> {
        // All of it at once, where a reader of bytes looks at each text for itself.
        serde_json::from_str(str::from_utf8(document).ok()?).ok()
    }

    /// The field of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        let at = fields.binary_search_by(|(field, _)| (**field).cmp(name)).ok()?;
        Some(&fields[at].1)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(fields) = self else { return None };
        let at = fields.binary_search_by(|(field, _)| (**field).cmp(name)).ok()?;
        Some(&mut fields[at].1)
    }

    /// Takes the field out of an object.
    pub(super) fn remove(&mut self, name: &str) {
        if let Self::Object(fields) = self {
            fields.retain(|(field, _)| field != name);
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Fraction(number) => Some(*number),
            _ => None,
        }
    }

    /// Feeds it to a hash so that no two documents feed the same: each value with its kind, each length before what is so
    /// long.
    pub(super) fn hash(&self, hash: &mut Sha256) {
        match self {
            Self::Null => hash.update(b"n"),
            Self::Bool(false) => hash.update(b"f"),
            Self::Bool(true) => hash.update(b"t"),
            Self::Whole(number) => {
                hash.update(b"i");
                hash.update(number.to_be_bytes());
            }
            Self::Fraction(number) => {
                hash.update(b"d");
                hash.update(number.to_bits().to_be_bytes());
            }
            Self::Text(text) => {
                hash.update(b"s");
                hash_bytes(hash, text.as_bytes());
            }
            Self::List(entries) => {
                hash.update(b"[");
                hash.update((entries.len() as u64).to_be_bytes());
                entries.iter().for_each(|entry| entry.hash(hash));
            }
            Self::Object(fields) => {
                hash.update(b"{");
                hash.update((fields.len() as u64).to_be_bytes());
                for (name, value) in fields {
                    hash_bytes(hash, name.as_bytes());
                    value.hash(hash);
                }
            }
            Self::Taken => hash.update(b"?"),
        }
    }
}

/// Bytes with their length before them.
pub(super) fn hash_bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json<'de>, E> {
        const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
        if number.fract() != 0.0 {
            return Ok(Json::Fraction(number));
        }
        // Beyond, it stands for other numbers too: which one was written, the double does not tell.
        if number.abs() < EXACT { Ok(Json::Whole(number as i128)) } else { Err(E::custom("is not exact")) }
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            entries.push(entry);
        }
        Ok(Json::List(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some(Name(name)) = object.next_key()? {
            fields.push((name, object.next_value()?));
        }
        fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if fields.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom("a field is there twice"));
        }
        Ok(Json::Object(fields))
    }
}

/// A field's name, without a copy if it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(document: &str) -> Option<[u8; 32]> {
        let mut hash = Sha256::new();
        Json::read(document.as_bytes())?.hash(&mut hash);
        Some(hash.finalize().into())
    }

    #[test]
    fn what_is_written_otherwise_and_means_the_same_is_the_same() {
        for (a, b) in [
            (r#"{"a":1,"b":[2,"x"]}"#, "{ \"b\" : [2, \"\\u0078\"],\n\"a\" : 1.0 }"),
            (r#"{"\u0061":null}"#, r#"{"a":null}"#),
            ("0", "-0.0"),
            ("0.1", "0.10"),
            ("1e2", "100"),
        ] {
            assert_eq!(digest(a).unwrap(), digest(b).unwrap(), "{a} {b}");
        }
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_no_document() {
        for document in [
            "",
            "{",
            r#"{"a":1,"a":1}"#,
            r#"[{"a":1,"\u0061":1}]"#,
            "18446744073709551616",
            "9007199254740992.0",
            "1e400",
            "1 2",
            "\"\\ud800\"",
        ] {
            assert_eq!(digest(document), None, "{document}");
        }
        assert!(digest("18446744073709551615").is_some() && digest("-9223372036854775808").is_some());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-4_i32..4).prop_map(|number| (f64::from(number) / 2.0).into()),
            "[a-c\\[\\]{}\",:n?]{0,3}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                    .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// With numbers as they are compared here.
    fn plain(value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::Number(number) if number.is_f64() => {
                let number = number.as_f64().unwrap();
                if number.fract() == 0.0 { (number as i64).into() } else { number.into() }
            }
            Value::Array(list) => list.into_iter().map(plain).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, plain(value))).collect(),
            value => value,
        }
    }

    proptest! {
        #[test]
        fn documents_are_the_same_only_if_they_mean_the_same(a in json(), b in json()) {
            let same = digest(&a.to_string()) == digest(&b.to_string());
            prop_assert_eq!(same, plain(a) == plain(b));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Json::read(&bytes);
        }
    }
}
