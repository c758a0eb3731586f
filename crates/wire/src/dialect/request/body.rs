use std::borrow::Cow;

use serde::de::{DeserializeSeed, Error, MapAccess};

use super::{
    content::Content,
    shape::{Expected, Flag, Key, Limit, Read, Shape, Text, ignore},
    text::{Input, Prompt, Turns},
    tools::Tools,
};
use crate::dialect::Dialect;

/// What the body of a request says.
#[derive(Default)]
pub(super) struct Body<'de> {
    pub(super) model: Option<Cow<'de, str>>,
    pub(super) stream: bool,
    pub(super) tools: usize,
    pub(super) prompt: Prompt<'de>,
    pub(super) has_turns: bool,
    pub(super) max_output_tokens: Option<u64>,
}

/// Reads the whole of `json`.
pub(super) fn read(dialect: Dialect, json: &[u8]) -> Result<Body<'_>, serde_json::Error> {
    let mut body = Body::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Read(Root(dialect, &mut body)).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(body)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Model,
    Stream,
    Tools,
    /// The older form of `tools`.
    Functions,
    MaxTokens,
    /// Chat's newer name for `max_tokens`, which it overrides.
    MaxCompletionTokens,
    GenerationConfig,
    Instructions,
    Turns,
    Input,
}

/// The field that a key is in a dialect, and how errors name it; other keys are nobody's business.
fn field(dialect: Dialect, key: &str) -> Option<(Field, &'static str)> {
    use Dialect::{
        AnthropicMessages, Gemini, OpenAiChat, OpenAiCompletions, OpenAiEmbeddings, OpenAiResponses,
    };
    Some(match (key, dialect) {
        ("model", _) => (Field::Model, "`model`"),
        ("stream", OpenAiChat | OpenAiCompletions | OpenAiResponses | AnthropicMessages) => {
            (Field::Stream, "`stream`")
        }
        ("tools", OpenAiChat | OpenAiResponses | AnthropicMessages | Gemini) => (Field::Tools, "`tools`"),
        ("functions", OpenAiChat) => (Field::Functions, "`functions`"),
        ("max_tokens", OpenAiChat | OpenAiCompletions | AnthropicMessages) => {
            (Field::MaxTokens, "`max_tokens`")
        }
        ("max_output_tokens", OpenAiResponses) => (Field::MaxTokens, "`max_output_tokens`"),
        ("max_completion_tokens", OpenAiChat) => (Field::MaxCompletionTokens, "`max_completion_tokens`"),
        // Protocol buffers' JSON takes either spelling of a name.
        ("generationConfig" | "generation_config", Gemini) => (Field::GenerationConfig, "`generationConfig`"),
        ("systemInstruction" | "system_instruction", Gemini) => (Field::Instructions, "`systemInstruction`"),
        ("system", AnthropicMessages) => (Field::Instructions, "`system`"),
        ("instructions", OpenAiResponses) => (Field::Instructions, "`instructions`"),
        ("messages", OpenAiChat | AnthropicMessages) => (Field::Turns, "`messages`"),
        ("contents", Gemini) => (Field::Turns, "`contents`"),
        ("input", OpenAiResponses | OpenAiEmbeddings) => (Field::Input, "`input`"),
        ("prompt", OpenAiCompletions) => (Field::Input, "`prompt`"),
        _ => return None,
    })
}

/// The body itself.
struct Root<'a, 'de>(Dialect, &'a mut Body<'de>);

impl<'de> Shape<'de> for Root<'_, 'de> {
    fn expected(&self) -> Expected {
        Expected("the body", "be a JSON object")
    }

    fn null<E: Error>(self) -> Result<(), E> {
        Err(self.expected().not("null"))
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(dialect, body) = self;
        let (mut seen, mut max_tokens) = (0_u16, None);
        while let Some(Key(key)) = object.next_key()? {
            let Some((field, name)) = field(dialect, &key) else {
                ignore(&mut object)?;
                continue;
            };
            // Of two equal keys, parsers take the first or the last: we and the upstream might not read the same.
            if seen & 1 << field as u8 != 0 {
                return Err(A::Error::custom(format_args!("{name} is there twice")));
            }
            seen |= 1 << field as u8;
            match field {
                Field::Model => object.next_value_seed(Read(Text(name, &mut body.model)))?,
                Field::Stream => object.next_value_seed(Read(Flag(name, &mut body.stream)))?,
                Field::Tools | Field::Functions => {
                    object.next_value_seed(Read(Tools {
                        name,
                        dialect,
                        count: &mut body.tools,
                        estimate: &mut body.prompt.estimate,
                    }))?;
                }
                Field::MaxTokens => {
                    object.next_value_seed(Read(Limit { name, limit: &mut max_tokens, quoted: false }))?;
                }
                Field::MaxCompletionTokens => {
                    object.next_value_seed(Read(Limit {
                        name,
                        limit: &mut body.max_output_tokens,
                        quoted: false,
                    }))?;
                }
                Field::GenerationConfig => {
                    object.next_value_seed(Read(GenerationConfig(&mut body.max_output_tokens)))?;
                }
                Field::Instructions => {
                    object.next_value_seed(Read(Content::unheard(
                        name,
                        dialect,
                        &mut body.prompt.estimate,
                    )))?;
                }
                Field::Turns => {
                    let turns = Turns { name, dialect, prompt: &mut body.prompt, found: &mut body.has_turns };
                    object.next_value_seed(Read(turns))?;
                }
                Field::Input => {
                    object.next_value_seed(Read(Input { name, dialect, prompt: &mut body.prompt }))?;
                }
            }
        }
        body.max_output_tokens = body.max_output_tokens.or(max_tokens);
        Ok(())
    }
}

/// Gemini's `generationConfig`.
struct GenerationConfig<'a>(&'a mut Option<u64>);

impl<'de> Shape<'de> for GenerationConfig<'_> {
    fn expected(&self) -> Expected {
        Expected("`generationConfig`", "be an object")
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = object.next_key()? {
            match &*key {
                "maxOutputTokens" | "max_output_tokens" => {
                    object.next_value_seed(Read(Limit {
                        name: "`maxOutputTokens`",
                        limit: self.0,
                        quoted: true,
                    }))?;
                }
                _ => ignore(&mut object)?,
            }
        }
        Ok(())
    }
}
