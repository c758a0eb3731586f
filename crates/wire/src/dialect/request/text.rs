//! The texts of a request: what the model will read, and what its user said last.

use std::{borrow::Cow, mem};

use serde::de::{Error, MapAccess, SeqAccess};

use super::{
    content::{Content, Word},
    shape::{Expected, Key, Read, Shape, Text, ignore},
    tools::Measure,
};
use crate::dialect::Dialect;

/// What the model will read.
#[derive(Default)]
pub(super) struct Prompt<'de> {
    pub(super) last_user_text: Option<Cow<'de, str>>,
    pub(super) estimate: Estimate,
}

#[derive(Default)]
pub(super) struct Estimate {
    bytes: u64,
    /// Given as numbers, or known without counting.
    tokens: u64,
}

impl Estimate {
    const BYTES_PER_TOKEN: u64 = 4;
    const TOKENS_PER_MESSAGE: u64 = 4;

    pub(super) fn text(&mut self, text: &str) {
        self.bytes += text.len() as u64;
    }

    pub(super) fn tokens(&self) -> u64 {
        self.bytes.div_ceil(Self::BYTES_PER_TOKEN) + self.tokens
    }
}

/// `messages` or `contents`: a list of turns.
pub(super) struct Turns<'a, 'de> {
    pub(super) name: &'static str,
    pub(super) dialect: Dialect,
    pub(super) prompt: &'a mut Prompt<'de>,
    /// Set if there is a list.
    pub(super) found: &'a mut bool,
}

impl<'de> Shape<'de> for Turns<'_, 'de> {
    fn expected(&self) -> Expected {
        Expected(self.name, "be a list of objects")
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        *self.found = true;
        let Self { name, dialect, prompt, .. } = self;
        while list.next_element_seed(Read(Turn { name, dialect, prompt: &mut *prompt }))?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let Self { name, dialect, prompt, found } = self;
        // Vertex AI takes one for a list of one.
        if dialect != Dialect::Gemini {
            return Err(Expected(name, "be a list of objects").not("an object"));
        }
        *found = true;
        Turn { name, dialect, prompt }.object(object)
    }
}

/// One message, or one item of OpenAI responses.
struct Turn<'a, 'de> {
    name: &'static str,
    dialect: Dialect,
    prompt: &'a mut Prompt<'de>,
}

impl<'de> Shape<'de> for Turn<'_, 'de> {
    fn expected(&self) -> Expected {
        Expected(self.name, "hold only objects")
    }

    fn null<E: Error>(self) -> Result<(), E> {
        Err(self.expected().not("null"))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        use Dialect::{Gemini, OpenAiChat, OpenAiResponses};
        let dialect = self.dialect;
        let Prompt { last_user_text, estimate } = self.prompt;
        let (mut role, mut heard) = (None, None);
        let (mut has_role, mut has_content) = (false, false);
        let once = |seen: &mut bool, name| match mem::replace(seen, true) {
            true => Err(A::Error::custom(format_args!("{name} is there twice"))),
            false => Ok(()),
        };
        while let Some(Key(key)) = object.next_key()? {
            match (&*key, dialect) {
                ("role", _) => {
                    once(&mut has_role, "`role`")?;
                    if dialect == OpenAiResponses {
                        object.next_value_seed(Read(Word(&mut role)))?;
                    } else {
                        object.next_value_seed(Read(Text("`role`", &mut role)))?;
                    }
                }
                ("parts", Gemini) => {
                    once(&mut has_content, "`parts`")?;
                    object.next_value_seed(Read(Content::heard("`parts`", dialect, &mut heard, estimate)))?;
                }
                ("content", _) if dialect != Gemini => {
                    once(&mut has_content, "`content`")?;
                    object.next_value_seed(Read(Content::heard(
                        "`content`",
                        dialect,
                        &mut heard,
                        estimate,
                    )))?;
                }
                ("output", OpenAiResponses) => {
                    object.next_value_seed(Read(Content::unheard("`output`", dialect, estimate)))?;
                }
                ("tool_calls" | "function_call", OpenAiChat) | ("arguments" | "input", OpenAiResponses) => {
                    object.next_value_seed(Read(Measure(estimate)))?;
                }
                _ => ignore(&mut object)?,
            }
        }
        estimate.tokens += Estimate::TOKENS_PER_MESSAGE;
        // Gemini takes a turn without a role for the user's.
        let is_user = role.map_or(dialect == Gemini, |role| {
            role == "user" || dialect == Gemini && role.eq_ignore_ascii_case("user")
        });
        if is_user && heard.is_some() {
            *last_user_text = heard;
        }
        Ok(())
    }
}

/// `input` or `prompt`: a text, tokens, a list of either, or (responses) of turns.
pub(super) struct Input<'a, 'de> {
    pub(super) name: &'static str,
    pub(super) dialect: Dialect,
    pub(super) prompt: &'a mut Prompt<'de>,
}

impl<'de> Shape<'de> for Input<'_, 'de> {
    fn expected(&self) -> Expected {
        Expected(self.name, "be a string or a list")
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        self.prompt.estimate.text(&text);
        if !text.is_empty() {
            self.prompt.last_user_text = Some(text);
        }
        Ok(())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { name, dialect, prompt } = self;
        while list.next_element_seed(Read(Element(Input { name, dialect, prompt: &mut *prompt })))?.is_some()
        {
        }
        Ok(())
    }
}

/// An element of an input.
struct Element<'a, 'de>(Input<'a, 'de>);

impl<'de> Shape<'de> for Element<'_, 'de> {
    fn expected(&self) -> Expected {
        self.0.expected()
    }

    fn number<E: Error>(self, _: Option<u64>) -> Result<(), E> {
        self.0.prompt.estimate.tokens += 1;
        Ok(())
    }

    fn string<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        self.0.string(text)
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.0.list(list)
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let Input { name, dialect, prompt } = self.0;
        Turn { name, dialect, prompt }.object(object)
    }
}
