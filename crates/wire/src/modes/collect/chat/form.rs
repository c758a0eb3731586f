//! All of a piece of text but the text: what is the same in one piece after the other.

use memchr::memchr2;

/// A longer one is not kept, so that what is kept beside the answer is little.
const LONGEST: usize = 1024;

/// The bytes before and after the text of a piece. Between them any other text makes a piece too that says nothing else.
#[derive(Clone, Debug)]
pub(super) struct Form {
    before: Box<str>,
    after: Box<str>,
    /// The choice whose text it is.
    index: u64,
}

impl Form {
    /// The form of a piece whose `text` is a part of its `data`; `None` if the text has escapes, and is a copy.
    pub(super) fn of(data: &str, text: &str, index: u64) -> Option<Self> {
        let start = (text.as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
        let (before, after) = (data.get(..start)?, data.get(start + text.len()..)?);
        // An empty text may point anywhere.
        let is_there = before.ends_with('"') && after.starts_with('"');
        (is_there && data.len() <= LONGEST).then(|| Self {
            before: before.into(),
            after: after.into(),
            index,
        })
    }

    /// The text of a piece of this form, and whose it is; `None` if it is of another, or has escapes.
    pub(super) fn text<'d>(&self, data: &'d str) -> Option<(&'d str, u64)> {
        let text = data.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let is_plain =
            memchr2(b'"', b'\\', text.as_bytes()).is_none() && text.bytes().all(|byte| byte >= b' ');
        is_plain.then_some((text, self.index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_plain_text_is_found_in_the_form_of_a_piece() {
        let data = r#"{"a":"x","content":"text","b":1}"#;
        let form = Form::of(data, &data[20..24], 3).unwrap();
        let with = |text: &str| data.replace("text", text);
        for text in ["text", "", " a word", "\u{e9}, \u{1f600}"] {
            assert_eq!(form.text(&with(text)), Some((text, 3)), "{text}");
        }
        for text in ["\\n", "\"", "x\",\"c\":\"y", "\n", "\\"] {
            assert_eq!(form.text(&with(text)), None, "{text}");
        }
        assert_eq!(form.text(&data.replace('1', "2")), None);
        assert_eq!(form.text(&data[1..]), None);
    }

    #[test]
    fn a_text_that_is_elsewhere_has_no_form() {
        let data = r#"{"content":"text"}"#;
        assert!(Form::of(data, &String::from("text"), 0).is_none(), "a copy");
        assert!(Form::of(data, &data[13..15], 0).is_none(), "a part of the text");
        let long = format!(r#"{{"content":"{}"}}"#, "x".repeat(LONGEST));
        assert!(Form::of(&long, &long[12..13 + LONGEST - 1], 0).is_none(), "too long to be kept");
    }
}
