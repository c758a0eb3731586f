//! Reading JSON of which only some shapes are welcome at each place.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::MapAccessDeserializer,
    },
};
use serde_json::Number;

/// What may stand at one place, and where it goes. What is not taken is refused: by the place's name, since that is
/// what a caller can use, and without a copy, since the text is a stranger's and may be long.
pub(super) trait Shape<'de>: Sized {
    /// Whether booleans and numbers are passed over instead of refused.
    const ANY_SCALAR: bool = false;

    /// What is asked, for the error.
    fn expected(&self) -> Expected;

    /// By default the same as if the field were not there.
    fn null<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn boolean<E: Error>(self, _: bool) -> Result<(), E> {
        if Self::ANY_SCALAR { Ok(()) } else { Err(self.expected().not("a boolean")) }
    }

    /// A whole number; `None` if it is negative.
    fn number<E: Error>(self, _: Option<u64>) -> Result<(), E> {
        if Self::ANY_SCALAR { Ok(()) } else { Err(self.expected().not("a number")) }
    }

    fn fraction<E: Error>(self, _: f64) -> Result<(), E> {
        if Self::ANY_SCALAR { Ok(()) } else { Err(self.expected().not("a fraction")) }
    }

    fn string<E: Error>(self, _: Cow<'de, str>) -> Result<(), E> {
        Err(self.expected().not("a string"))
    }

    fn list<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.expected().not("a list"))
    }

    fn object<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.expected().not("an object"))
    }
}

/// The name of a place and what it must do.
#[derive(Clone, Copy)]
pub(super) struct Expected(pub(super) &'static str, pub(super) &'static str);

impl Expected {
    pub(super) fn not<E: Error>(self, found: &str) -> E {
        E::custom(format_args!("{self}, not {found}"))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must {}", self.0, self.1)
    }
}

/// Reads a value that is to have the shape.
pub(super) struct Read<S>(pub(super) S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Read<S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Read<S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.null()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.boolean(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.number(Some(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.number(value.try_into().ok())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.fraction(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.string(Cow::Owned(text.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.0.string(Cow::Borrowed(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        self.0.object(object)
    }
}

/// The key of a member, without a copy where it holds no escape.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Passes over the value of a member.
pub(super) fn ignore<'de, A: MapAccess<'de>>(object: &mut A) -> Result<(), A::Error> {
    object.next_value::<IgnoredAny>().map(drop)
}

/// A string, for the field of this name.
pub(super) struct Text<'a, 'de>(pub(super) &'static str, pub(super) &'a mut Option<Cow<'de, str>>);

impl<'de> Shape<'de> for Text<'_, 'de> {
    fn expected(&self) -> Expected {
        Expected(self.0, "be a string")
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        *self.1 = Some(text);
        Ok(())
    }
}

/// `true` or `false`.
pub(super) struct Flag<'a>(pub(super) &'static str, pub(super) &'a mut bool);

impl<'de> Shape<'de> for Flag<'_> {
    fn expected(&self) -> Expected {
        Expected(self.0, "be true or false")
    }

    fn boolean<E: Error>(self, value: bool) -> Result<(), E> {
        *self.1 = value;
        Ok(())
    }
}

/// A whole number, also one written as `1e2`; a negative one, which some servers take for "no limit", says nothing.
pub(super) struct Limit<'a> {
    pub(super) name: &'static str,
    pub(super) limit: &'a mut Option<u64>,
    /// Whether it may be a string of digits, as in protocol buffers' JSON.
    pub(super) quoted: bool,
}

impl<'de> Shape<'de> for Limit<'_> {
    fn expected(&self) -> Expected {
        Expected(self.name, "be a whole number")
    }

    fn number<E: Error>(self, number: Option<u64>) -> Result<(), E> {
        *self.limit = number;
        Ok(())
    }

    fn fraction<E: Error>(self, value: f64) -> Result<(), E> {
        if value.fract() != 0.0 {
            return Err(self.expected().not("a fraction"));
        }
        // What is too large for a `u64` is no less of a limit.
        self.number((value >= 0.0).then_some(value as u64))
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        match text.parse::<i64>() {
            Ok(number) if self.quoted => self.number(number.try_into().ok()),
            _ => Err(self.expected().not("a string")),
        }
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        // So numbers come where any crate of the build turns on serde_json's `arbitrary_precision`.
        match Number::deserialize(MapAccessDeserializer::new(object)) {
            Ok(number) if number.is_f64() => self.fraction(number.as_f64().unwrap_or(f64::NAN)),
            Ok(number) => self.number(number.as_u64()),
            Err(_) => Err(self.expected().not("an object")),
        }
    }
}
