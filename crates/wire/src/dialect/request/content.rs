//! What a turn says, in one text or in parts.

use std::borrow::Cow;

use serde::de::{Error, MapAccess, SeqAccess};

use super::{
    shape::{Expected, Key, Read, Shape, ignore},
    text::Estimate,
    tools::Measure,
};
use crate::dialect::Dialect;

/// What a turn says: a text, a part, or a list of either.
pub(super) struct Content<'a, 'de> {
    name: &'static str,
    dialect: Dialect,
    /// An item or a part may be of a kind that is not known, so that any shape may be right.
    lenient: bool,
    /// Where the text goes, if it is the turn's own and not, say, what a tool gave back.
    heard: Option<&'a mut Option<Cow<'de, str>>>,
    estimate: &'a mut Estimate,
}

impl<'a, 'de> Content<'a, 'de> {
    pub(super) fn heard(
        name: &'static str,
        dialect: Dialect,
        text: &'a mut Option<Cow<'de, str>>,
        estimate: &'a mut Estimate,
    ) -> Self {
        Self { heard: Some(text), ..Self::unheard(name, dialect, estimate) }
    }

    pub(super) fn unheard(name: &'static str, dialect: Dialect, estimate: &'a mut Estimate) -> Self {
        Self { name, dialect, lenient: dialect == Dialect::OpenAiResponses, heard: None, estimate }
    }

    fn reborrow(&mut self) -> Content<'_, 'de> {
        let heard = self.heard.as_deref_mut();
        Content { heard, estimate: &mut *self.estimate, ..*self }
    }

    /// What stands where a text or parts should.
    fn other<E: Error>(self, found: &str) -> Result<(), E> {
        if self.lenient { Ok(()) } else { Err(self.expected().not(found)) }
    }
}

impl<'de> Shape<'de> for Content<'_, 'de> {
    fn expected(&self) -> Expected {
        Expected(self.name, "be a string or a list of parts")
    }

    fn boolean<E: Error>(self, _: bool) -> Result<(), E> {
        self.other("a boolean")
    }

    fn number<E: Error>(self, _: Option<u64>) -> Result<(), E> {
        self.other("a number")
    }

    fn fraction<E: Error>(self, _: f64) -> Result<(), E> {
        self.other("a fraction")
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        self.estimate.text(&text);
        match self.heard.filter(|_| !text.is_empty()) {
            Some(Some(heard)) => {
                let heard = heard.to_mut();
                heard.push('\n');
                heard.push_str(&text);
            }
            Some(heard) => *heard = Some(text),
            None => {}
        }
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Read(self.reborrow()))?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        use Dialect::{AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses};
        while let Some(Key(key)) = object.next_key()? {
            match (&*key, self.dialect) {
                ("text", _) | ("refusal", OpenAiChat | OpenAiResponses) => {
                    object.next_value_seed(Read(Said(self.reborrow())))?;
                }
                ("parts", Gemini) => object.next_value_seed(Read(self.reborrow()))?,
                // What a tool gave back, in parts of its own.
                ("content", AnthropicMessages) => {
                    let content = Content::unheard("`content`", self.dialect, self.estimate);
                    object.next_value_seed(Read(Content { lenient: true, ..content }))?;
                }
                ("source", AnthropicMessages) => {
                    object.next_value_seed(Read(Source(self.dialect, self.estimate)))?;
                }
                ("thinking" | "input" | "title" | "context", AnthropicMessages)
                | ("functionCall" | "function_call" | "functionResponse" | "function_response", Gemini) => {
                    object.next_value_seed(Read(Measure(self.estimate)))?;
                }
                _ => ignore(&mut object)?,
            }
        }
        Ok(())
    }
}

/// The text of a part; what else a part of some other kind calls `text` is only measured.
struct Said<'a, 'de>(Content<'a, 'de>);

impl<'de> Shape<'de> for Said<'_, 'de> {
    const ANY_SCALAR: bool = true;

    fn expected(&self) -> Expected {
        Expected("`text`", "be a value")
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        self.0.string(text)
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Measure(self.0.estimate).list(list)
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        Measure(self.0.estimate).object(object)
    }
}

/// The role of an item, if it is a string: an item of some other kind may call anything so.
pub(super) struct Word<'a, 'de>(pub(super) &'a mut Option<Cow<'de, str>>);

impl<'de> Shape<'de> for Word<'_, 'de> {
    const ANY_SCALAR: bool = true;

    fn expected(&self) -> Expected {
        Expected("`role`", "be a value")
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        *self.0 = Some(text);
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Measure(&mut Estimate::default()).list(list)
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        Measure(&mut Estimate::default()).object(object)
    }
}

/// Where Anthropic's part has its content from: a text, parts, or what counts nothing, as a picture does.
struct Source<'a>(Dialect, &'a mut Estimate);

impl<'de> Shape<'de> for Source<'_> {
    const ANY_SCALAR: bool = true;

    fn expected(&self) -> Expected {
        Expected("`source`", "be a value")
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        self.1.text(&text);
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Measure(self.1).list(list)
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(dialect, estimate) = self;
        let (mut kind, mut data) = (None, None);
        while let Some(Key(key)) = object.next_key()? {
            match &*key {
                "type" => object.next_value_seed(Read(Word(&mut kind)))?,
                "data" => object.next_value_seed(Read(Word(&mut data)))?,
                "content" => {
                    let content = Content::unheard("`content`", dialect, estimate);
                    object.next_value_seed(Read(Content { lenient: true, ..content }))?;
                }
                _ => ignore(&mut object)?,
            }
        }
        if let (Some("text"), Some(data)) = (kind.as_deref(), data) {
            estimate.text(&data);
        }
        Ok(())
    }
}
