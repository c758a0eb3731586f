use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{
        Object,
        budget::{Budget, Full, object_weight},
        partial,
    },
    Fault, kind,
};

/// Anthropic messages: a message without content, blocks that grow, and what is known at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Anthropic {
    message: Option<Object>,
    blocks: BTreeMap<u64, Block>,
}

#[derive(Clone, Debug, Default)]
struct Block {
    fields: Object,
    /// JSON in pieces, which becomes the block's `input`.
    input: String,
}

/// What an empty block takes in the map and later in the list.
const BLOCK: usize = 256;

impl Anthropic {
    pub(super) fn event(&mut self, mut data: Object, event: &str, budget: &mut Budget) -> Result<(), Fault> {
        let kind = kind(&mut data, event);
        match kind.as_str() {
            // The library takes the first, too.
            "message_start" if self.message.is_none() => {
                let message = object(data.remove("message"))?;
                budget.take(object_weight(&message))?;
                self.message = Some(message);
            }
            "content_block_start" if self.message.is_some() => {
                let fields = object(data.remove("content_block"))?;
                budget.take(BLOCK + object_weight(&fields))?;
                self.blocks.insert(index(&data), Block { fields, input: String::new() });
            }
            "content_block_delta" => {
                let Some(block) = self.blocks.get_mut(&index(&data)) else {
                    return Err(Fault::Unreadable("there is content for a block that was not started"));
                };
                block.add(object(data.remove("delta"))?, budget)?;
            }
            "message_delta" => {
                let Some(message) = &mut self.message else {
                    return Err(Fault::Unreadable("there is more of a message that was not started"));
                };
                end(message, data, budget)?;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(self, budget: &mut Budget) -> Result<Object, Fault> {
        let mut message = self.message.ok_or(Fault::NONE)?;
        let blocks = self.blocks.into_values().map(|block| block.finish(budget));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        if !blocks.is_empty() || !message.contains_key("content") {
            message.insert("content".into(), Value::Array(blocks));
        }
        Ok(message)
    }
}

impl Block {
    fn add(&mut self, mut delta: Object, budget: &mut Budget) -> Result<(), Full> {
        let Some(Value::String(kind)) = delta.remove("type") else { return Ok(()) };
        let (name, grows) = match kind.as_str() {
            "input_json_delta" => {
                let Some(Value::String(piece)) = delta.remove("partial_json") else { return Ok(()) };
                return budget.append(&mut self.input, &piece);
            }
            "text_delta" => ("text", true),
            "thinking_delta" => ("thinking", true),
            "signature_delta" => ("signature", false),
            "compaction_delta" => ("content", false),
            "citations_delta" => {
                let Some(citation) = delta.remove("citation") else { return Ok(()) };
                if !self.fields.get("citations").is_some_and(Value::is_array) {
                    budget.put(&mut self.fields, "citations".into(), Value::Array(Vec::new()))?;
                }
                let Some(Value::Array(citations)) = self.fields.get_mut("citations") else { return Ok(()) };
                return budget.push(citations, citation);
            }
            // A kind of the future; the library ignores it too.
            _ => return Ok(()),
        };
        let Some(value) = delta.remove(name) else { return Ok(()) };
        match (self.fields.get_mut(name), value) {
            (Some(Value::String(text)), Value::String(piece)) if grows => budget.append(text, &piece),
            (_, value) => budget.put(&mut self.fields, name.into(), value),
        }
    }

    fn finish(mut self, budget: &mut Budget) -> Result<Value, Fault> {
        if !self.input.is_empty() {
            // Cut off if the model came to its limit of tokens.
            let input = partial::parse(&self.input)
                .map_err(|_| Fault::Unreadable("the input of a tool is not JSON"))?;
            budget.give(self.input.len());
            budget.put(&mut self.fields, "input".into(), input)?;
        }
        Ok(Value::Object(self.fields))
    }
}

/// `message_delta`: why the model stopped replaces what was said, and so do the counts that it states.
fn end(message: &mut Object, mut data: Object, budget: &mut Budget) -> Result<(), Fault> {
    if let Some(Value::Object(usage)) = data.remove("usage") {
        if !message.get("usage").is_some_and(Value::is_object) {
            budget.put(message, "usage".into(), Object::new().into())?;
        }
        if let Some(Value::Object(counts)) = message.get_mut("usage") {
            for (key, count) in usage {
                budget.put_unless_null(counts, key, count)?;
            }
        }
    }
    if let Some(Value::Object(delta)) = data.remove("delta") {
        for (key, value) in delta {
            budget.put_unless_null(message, key, value)?;
        }
    }
    for (key, value) in data {
        budget.put_unless_null(message, key, value)?;
    }
    Ok(())
}

fn index(data: &Object) -> u64 {
    data.get("index").and_then(Value::as_u64).unwrap_or_default()
}

fn object(value: Option<Value>) -> Result<Object, Fault> {
    match value {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(Fault::Unreadable("an event lacks what its type says")),
    }
}
