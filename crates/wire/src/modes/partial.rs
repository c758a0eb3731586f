use serde_json::Value;

/// The JSON in `text`, or, if it was cut off, what of it is complete: a string, key or word that is cut is left out, and
/// what is open is closed. As jiter's `partial_mode`, with which Anthropic's library reads the input of tools.
pub(super) fn parse(text: &str) -> serde_json::Result<Value> {
    let whole = serde_json::from_str(text);
    match whole {
        Err(error) if error.is_eof() => complete(text).ok_or(error),
        _ => whole,
    }
}

fn complete(text: &str) -> Option<Value> {
    let (mut open, mut in_string, mut escaped) = (Vec::new(), false, false);
    // Where the last value, or the opening of one, is complete. What is open there is so at the end, too.
    let mut cut = None;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                open.push(if byte == b'{' { '}' } else { ']' });
                cut = Some(at + 1);
            }
            b'}' | b']' => {
                open.pop();
                cut = Some(at + 1);
            }
            b',' => cut = Some(at),
            _ => {}
        }
    }
    let closers: String = open.iter().rev().collect();
    let close = |end: usize| serde_json::from_str(&[&text[..end], &closers].concat()).ok();
    // Only a number, a word or a string that ends here is complete after the cut.
    close(text.len()).or_else(|| close(cut?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_left_out_and_what_is_open_is_closed() {
        for (text, expected) in [
            (r#"{"a":1,"b":"hel"#, r#"{"a":1}"#),
            (r#"{"a":12"#, r#"{"a":12}"#),
            (r#"{"a":tru"#, "{}"),
            (r#"{"a":true"#, r#"{"a":true}"#),
            (r#"{"a":"#, "{}"),
            (r#"{"a"#, "{}"),
            ("{", "{}"),
            (r#"{"a":1,"#, r#"{"a":1}"#),
            (r#"{"a":[1,{"b":"c]}"},{"d":"#, r#"{"a":[1,{"b":"c]}"},{}]}"#),
            (r#"{"a":"x\u12"#, "{}"),
            (r#"{"a":"\"","b":"\\","c":"\"#, r#"{"a":"\"","b":"\\"}"#),
            (r#"{"a":1."#, "{}"),
            (r#"{"a":1.5"#, r#"{"a":1.5}"#),
            (r#"{"a":[],"b":{"#, r#"{"a":[],"b":{}}"#),
            (r#"{"é":"ü"#, "{}"),
            ("12", "12"),
        ] {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_not_taken_for_cut() {
        for text in ["", "\"abc", "nul", r#"{"a":nulx"#, "{]", r#"{"a":"\q"#, "[1,]", r#"{"a" 1"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
