use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{Object, budget::Budget, budget::weight},
    Fault, kind,
};

/// OpenAI responses: the last event has the whole answer in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Responses {
    response: Option<Object>,
    /// The items that are done, should the last event not repeat them.
    items: BTreeMap<u64, Value>,
}

/// What an item takes in the map and later in the list.
const ITEM: usize = 256;

impl Responses {
    pub(super) fn event(&mut self, mut data: Object, event: &str, budget: &mut Budget) -> Result<(), Fault> {
        match kind(&mut data, event).as_str() {
            "response.output_item.done" => {
                let index = data.get("output_index").and_then(Value::as_u64).unwrap_or_default();
                let item = data.remove("item").unwrap_or_default();
                budget.take(ITEM + weight(&item))?;
                self.items.insert(index, item);
            }
            "response.completed" | "response.incomplete" => {
                let Some(response @ Value::Object(_)) = data.remove("response") else {
                    return Err(Fault::Unreadable("the last event has no response in it"));
                };
                if has_output(&response) {
                    for item in std::mem::take(&mut self.items).into_values() {
                        budget.give(ITEM + weight(&item));
                    }
                }
                budget.take(weight(&response))?;
                if let Value::Object(response) = response {
                    self.response = Some(response);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Object, Fault> {
        let mut response = self.response.ok_or(Fault::NONE)?;
        if !self.items.is_empty() || !response.contains_key("output") {
            response.insert("output".into(), self.items.into_values().collect());
        }
        Ok(response)
    }
}

fn has_output(response: &Value) -> bool {
    response.get("output").and_then(Value::as_array).is_some_and(|output| !output.is_empty())
}
