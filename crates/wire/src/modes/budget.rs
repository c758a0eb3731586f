use serde_json::Value;

use super::Object;

/// How much more may be kept.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: usize,
}

/// There is no room.
#[derive(Debug)]
pub(super) struct Full;

/// A node of a `BTreeMap` has room for eleven entries, of 24 and 32 bytes, and is at least five full but for the root.
const NODE: usize = 640;
const ENTRY: usize = NODE / 5 + 32;

/// A vector grows by doubling, and a value takes 32 bytes.
const ELEMENT: usize = 64;

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: bytes }
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Full> {
        self.left = self.left.checked_sub(bytes).ok_or(Full)?;
        Ok(())
    }

    pub(super) fn give(&mut self, bytes: usize) {
        self.left += bytes;
    }

    pub(super) fn append(&mut self, text: &mut String, piece: &str) -> Result<(), Full> {
        self.take(piece.len())?;
        text.push_str(piece);
        Ok(())
    }

    pub(super) fn push(&mut self, list: &mut Vec<Value>, value: Value) -> Result<(), Full> {
        self.take(ELEMENT + weight(&value))?;
        list.push(value);
        Ok(())
    }

    pub(super) fn set(&mut self, slot: &mut Value, value: Value) -> Result<(), Full> {
        self.give(weight(slot));
        self.take(weight(&value))?;
        *slot = value;
        Ok(())
    }

    /// Sets the field, whether it is there or not.
    pub(super) fn put(&mut self, object: &mut Object, key: String, value: Value) -> Result<(), Full> {
        if let Some(slot) = object.get_mut(&key) {
            return self.set(slot, value);
        }
        self.take(ENTRY + key.len() + weight(&value))?;
        object.insert(key, value);
        Ok(())
    }

    /// Sets the field unless that would take something back.
    pub(super) fn put_unless_null(
        &mut self,
        object: &mut Object,
        key: String,
        value: Value,
    ) -> Result<(), Full> {
        if value.is_null() && object.contains_key(&key) { Ok(()) } else { self.put(object, key, value) }
    }
}

/// What a value takes of memory beside its own 32 bytes, about.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|value| ELEMENT + weight(value)).sum(),
        Value::Object(object) => object_weight(object),
    }
}

pub(super) fn object_weight(object: &Object) -> usize {
    NODE + object.iter().map(|(key, value)| ENTRY + key.len() + weight(value)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_replaced_gives_its_room_back() {
        let mut budget = Budget::new(NODE + ENTRY + 100);
        let mut object = Object::new();
        for text in ["x".repeat(90), "y".repeat(99), "z".into()] {
            budget.put(&mut object, "k".into(), text.into()).unwrap();
        }
        assert!(budget.put(&mut object, "k".into(), "x".repeat(NODE + 100).into()).is_err());
    }

    #[test]
    fn what_is_small_in_text_but_large_in_memory_weighs_what_it_takes() {
        assert!(weight(&json!([[{}, {}], {"a": 0}])) > 3 * NODE);
        assert_eq!(weight(&json!("text")), 4);
    }
}
