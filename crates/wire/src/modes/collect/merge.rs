use serde_json::{Number, Value};

use super::super::{
    Object,
    budget::{Budget, Full},
};

/// Adds a delta of OpenAI's chat completions to what its predecessors said, as `accumulate_delta` of OpenAI's library:
/// texts are joined, numbers added, objects merged, and entries of lists merged by their `index`, or appended without.
pub(super) fn merge(into: &mut Object, delta: Object, budget: &mut Budget) -> Result<(), Full> {
    for (key, new) in delta {
        // Even the first list is merged: it can hold several pieces of one entry.
        let first = if new.is_array() { Value::Array(Vec::new()) } else { Value::Null };
        if into.get(&key).is_none_or(Value::is_null) {
            budget.put(into, key.clone(), first)?;
        }
        let Some(old) = into.get_mut(&key) else { continue };
        if new.is_null() {
            continue;
        }
        let label = is_label(&key);
        match (old, new) {
            (old @ Value::Null, new) => budget.set(old, new)?,
            (old, new) if label && new != "" => budget.set(old, new)?,
            (Value::String(old), Value::String(new)) => budget.append(old, &new)?,
            (Value::Number(old), Value::Number(new)) => *old = sum(old, &new),
            (Value::Object(old), Value::Object(new)) => merge(old, new, budget)?,
            (Value::Array(old), Value::Array(new)) => {
                for entry in new {
                    merge_entry(old, entry, budget)?;
                }
            }
            // What was a text cannot become a list.
            _ => {}
        }
    }
    Ok(())
}

/// These name something and are not joined. OpenAI's library knows `index` and `type`; other servers state the role and
/// the id of a call with each piece, and OpenRouter the `format` of its reasoning.
fn is_label(key: &str) -> bool {
    matches!(key, "format" | "id" | "index" | "role" | "type")
}

/// The list stays sorted by the index of its entries.
fn merge_entry(list: &mut Vec<Value>, entry: Value, budget: &mut Budget) -> Result<(), Full> {
    let Some(index) = index(&entry) else { return budget.push(list, entry) };
    let at = list.partition_point(|other| self::index(other).is_none_or(|other| other < index));
    match (list.get_mut(at), entry) {
        (Some(Value::Object(old)), Value::Object(entry)) if index_of(old) == Some(index) => {
            merge(old, entry, budget)
        }
        (_, entry) => {
            budget.push(list, entry)?;
            list[at..].rotate_right(1);
            Ok(())
        }
    }
}

fn index(entry: &Value) -> Option<u64> {
    index_of(entry.as_object()?)
}

fn index_of(entry: &Object) -> Option<u64> {
    entry.get("index")?.as_u64()
}

fn sum(a: &Number, b: &Number) -> Number {
    let whole = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b)).map(Number::from);
    let real = || Number::from_f64(a.as_f64()? + b.as_f64()?);
    // A sum that no number holds leaves what was there.
    whole.or_else(real).unwrap_or_else(|| a.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(deltas: &[Value]) -> Value {
        let (mut into, mut budget) = (Object::new(), Budget::new(1 << 20));
        for delta in deltas {
            merge(&mut into, delta.as_object().unwrap().clone(), &mut budget).unwrap();
        }
        Value::Object(into)
    }

    #[test]
    fn texts_are_joined_and_labels_are_not() {
        let deltas = [
            json!({"role": "assistant", "content": null, "x": 1, "y": "text"}),
            json!({"role": "assistant", "content": "Hel", "x": 2, "y": ["list"]}),
            json!({"role": "", "content": "lo", "x": 0.5}),
            json!({"content": null}),
        ];
        assert_eq!(merged(&deltas), json!({"role": "assistant", "content": "Hello", "x": 3.5, "y": "text"}));
    }

    #[test]
    fn entries_of_lists_are_merged_by_their_index_in_whatever_order_they_come() {
        let deltas = [
            json!({"calls": [{"index": 2, "a": "x"}, {"index": 2, "a": "y"}]}),
            json!({"calls": [{"index": 0, "a": "0"}, {"index": 1, "b": {"c": "1"}}]}),
            json!({"calls": [{"index": 2, "a": "z"}, {"index": 1, "b": {"c": "1", "d": null}}]}),
        ];
        assert_eq!(
            merged(&deltas)["calls"],
            json!([
                {"index": 0, "a": "0"},
                {"index": 1, "b": {"c": "11", "d": null}},
                {"index": 2, "a": "xyz"},
            ])
        );
    }

    #[test]
    fn other_lists_grow() {
        let deltas = [json!({"list": [1]}), json!({"list": null}), json!({"list": [{"a": 2}, 3]})];
        assert_eq!(merged(&deltas)["list"], json!([1, {"a": 2}, 3]));
    }

    #[test]
    fn numbers_that_cannot_be_added_are_no_fault() {
        let huge = json!({"n": f64::MAX});
        assert_eq!(merged(&[huge.clone(), huge.clone()]), huge);
        assert_eq!(merged(&[json!({"n": i64::MAX}), json!({"n": 1})])["n"], json!(i64::MAX as f64 + 1.0));
    }
}
