mod form;
mod piece;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{Object, budget::Budget},
    Fault,
    merge::merge,
};
use form::Form;

/// OpenAI chat completions: chunks, each with a delta for some of the choices.
#[derive(Clone, Debug, Default)]
pub(super) struct Chat {
    /// All of the answer but its choices.
    head: Object,
    choices: BTreeMap<u64, Object>,
    begun: bool,
    /// The last piece of text, without the text.
    form: Option<Form>,
}

impl Chat {
    pub(super) fn chunk(&mut self, mut chunk: Object, budget: &mut Budget) -> Result<(), Fault> {
        self.begun = true;
        // What is said from here on may say something new.
        self.form = None;
        // Noise, so that nobody learns the length of a token from the length of its packet.
        chunk.remove("obfuscation");
        let choices = chunk.remove("choices");
        for (key, value) in chunk {
            match key.as_str() {
                // The same in all chunks, but empty in those of Azure's filter.
                "id" | "created" | "model" if self.head.get(&key).is_some_and(is_said) => {}
                _ => budget.put_unless_null(&mut self.head, key, value)?,
            }
        }
        let Some(Value::Array(choices)) = choices else { return Ok(()) };
        for choice in choices {
            let Value::Object(choice) = choice else {
                return Err(Fault::Unreadable("a choice of a chunk is not an object"));
            };
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or_default();
            budget.take(if self.choices.contains_key(&index) { 0 } else { CHOICE })?;
            add_choice(self.choices.entry(index).or_default(), choice, budget)?;
        }
        Ok(())
    }

    /// Whether every choice has said why it stopped. Servers that are compatible in all else leave the marker out.
    pub(super) fn has_stopped(&self) -> bool {
        let has_stopped =
            |choice: &Object| choice.get("finish_reason").is_some_and(|reason| reason.is_string());
        !self.choices.is_empty() && self.choices.values().all(has_stopped)
    }

    pub(super) fn finish(self) -> Result<Object, Fault> {
        let mut answer = self.head;
        answer.insert("object".into(), "chat.completion".into());
        let choices = self.choices.into_values().map(|mut choice| {
            without_index(&mut choice);
            Value::Object(choice)
        });
        answer.insert("choices".into(), choices.collect());
        if self.begun { Ok(answer) } else { Err(Fault::NONE) }
    }
}

fn is_said(value: &Value) -> bool {
    !value.is_null() && *value != "" && *value != 0
}

/// What an empty choice takes, in the map and later in the list, and the first node of its own map.
const CHOICE: usize = 1024;

fn add_choice(into: &mut Object, choice: Object, budget: &mut Budget) -> Result<(), Fault> {
    for (key, value) in choice {
        match (key.as_str(), value) {
            ("delta", Value::Object(delta)) => {
                if !into.contains_key("message") {
                    budget.put(into, "message".into(), Object::new().into())?;
                }
                if let Some(Value::Object(message)) = into.get_mut("message") {
                    merge(message, delta, budget)?;
                }
            }
            ("delta", _) => {}
            // Two lists that grow. Other servers have lists here that grow too, as vLLM its `token_ids`.
            (_, value @ Value::Array(_)) => merge(into, Object::from_iter([(key, value)]), budget)?,
            ("logprobs", value) => merge(into, Object::from_iter([(key, value)]), budget)?,
            (_, value) => budget.put_unless_null(into, key, value)?,
        }
    }
    Ok(())
}

/// Tool calls have an index in streams only.
fn without_index(choice: &mut Object) {
    let Some(Value::Array(calls)) =
        choice.get_mut("message").and_then(|message| message.get_mut("tool_calls"))
    else {
        return;
    };
    for call in calls {
        if let Value::Object(call) = call {
            call.remove("index");
        }
    }
}
