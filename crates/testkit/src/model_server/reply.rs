use serde_json::Value;

use super::{Config, ask::Ask, text};

/// Enough for any test, and a bound on memory whatever the distribution.
const MOST_TOKENS: f64 = 100_000.0;

/// What the model says to an [`Ask`]; follows from its hash alone.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) hash: u64,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) choices: Vec<Choice>,
    pub(super) input_tokens: u64,
    pub(super) tokens_per_event: usize,
}

#[derive(Debug)]
pub(super) struct Choice {
    /// One a token: of the text, or of a tool call's arguments.
    pub(super) tokens: Vec<String>,
    /// The name of the tool that is called.
    pub(super) tool: Option<String>,
    pub(super) finish: Finish,
}

/// One step of one choice.
pub(super) struct Turn<'a> {
    pub(super) index: usize,
    pub(super) choice: &'a Choice,
    pub(super) text: String,
    pub(super) first: bool,
    pub(super) last: bool,
    /// Tokens whose time passes before it.
    pub(super) time: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
    Tool,
}

impl Reply {
    pub(super) fn new(ask: &Ask, config: &Config) -> Self {
        Self {
            hash: ask.hash,
            // A time of the past that a date can show.
            created: 1_700_000_000 + ask.hash % 10_000_000,
            model: ask.model.clone(),
            choices: (1..=ask.n).map(|part| Choice::new(ask, config, part)).collect(),
            input_tokens: ask.input_tokens,
            tokens_per_event: config.tokens_per_event as usize,
        }
    }

    pub(super) fn output_tokens(&self) -> u64 {
        self.choices.iter().map(|choice| choice.tokens.len() as u64).sum()
    }

    /// The longest choice, which is as long as it takes: choices are made side by side.
    pub(super) fn steps(&self) -> usize {
        self.choices.iter().map(|choice| choice.tokens.len()).max().unwrap_or(0)
    }

    /// What each event of a stream adds, in order: all choices grow side by side.
    pub(super) fn turns(&self) -> impl Iterator<Item = Turn<'_>> {
        (0..self.steps()).step_by(self.tokens_per_event).flat_map(move |at| {
            // The time of a step passes once, whatever the number of choices.
            let mut time = self.tokens_per_event.min(self.steps() - at);
            self.choices.iter().enumerate().filter_map(move |(index, choice)| {
                let end = choice.tokens.len().min(at + self.tokens_per_event);
                let tokens = choice.tokens.get(at..end).filter(|tokens| !tokens.is_empty())?;
                let (first, last) = (at == 0, end == choice.tokens.len());
                Some(Turn {
                    index,
                    choice,
                    text: tokens.concat(),
                    first,
                    last,
                    time: std::mem::take(&mut time),
                })
            })
        })
    }

    /// An id like the provider's own.
    pub(super) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.hash)
    }
}

impl Choice {
    fn new(ask: &Ask, config: &Config, part: u64) -> Self {
        let mut rng = text::rng(ask.hash, part);
        let json = |value: Value| text::pieces(&value.to_string(), 4);
        if let Some(tool) = &ask.tool {
            let arguments = match text::instance(&tool.schema, &mut rng) {
                Value::Object(arguments) => arguments,
                _ => serde_json::Map::new(),
            };
            // Never cut short by `max_tokens`: half a call is of no use to any test so far.
            return Self {
                tokens: json(arguments.into()),
                tool: Some(tool.name.clone()),
                finish: Finish::Tool,
            };
        }
        let mut tokens = match &ask.schema {
            Some(schema) => json(text::instance(schema, &mut rng)),
            None => {
                let length = config.output_tokens.sample(&mut rng).min(MOST_TOKENS).round() as usize;
                text::prose(&mut rng, length.max(1))
            }
        };
        let limit = ask.max_tokens.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let finish = if tokens.len() > limit { Finish::Length } else { Finish::Stop };
        tokens.truncate(limit);
        Self { tokens, tool: None, finish }
    }

    pub(super) fn text(&self) -> String {
        self.tokens.concat()
    }
}
