use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

static PATHS: Paths<u8> =
    Paths::new(&[("a", 0), ("a/b", 1), ("a/b/c", 2), ("a/bc", 3), ("ab", 4), ("b/a", 5), ("c/c/c/c", 6)]);

/// A report that owns what it says.
#[derive(Clone, Debug, PartialEq)]
enum Found {
    Null,
    Bool(bool),
    Number(String),
    Str(Vec<u8>),
    Object,
}

fn scan_pieces<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<(u8, Found)> {
    let (mut scanner, mut found) = (Scanner::new(), Vec::new());
    for piece in pieces {
        scanner.push(&PATHS, piece, |field, scalar| {
            found.push((
                field,
                match scalar {
                    Scalar::Null => Found::Null,
                    Scalar::Bool(value) => Found::Bool(value),
                    Scalar::Number(text) => Found::Number(String::from_utf8(text.to_vec()).unwrap()),
                    Scalar::Str(head) => Found::Str(head.to_vec()),
                    Scalar::Object => Found::Object,
                },
            ));
        });
    }
    found
}

fn scan(text: &str) -> Vec<(u8, Found)> {
    scan_pieces([text.as_bytes()])
}

fn text(value: &str) -> Found {
    Found::Str(value.into())
}

/// What a parser that holds the whole document finds, in its order.
fn expected(value: &Value, path: &str, found: &mut Vec<(u8, Found)>) {
    let field = PATHS.entries().iter().find(|(known, _)| *known == path).map(|(_, field)| *field);
    let here = match value {
        Value::Null => Found::Null,
        Value::Bool(value) => Found::Bool(*value),
        Value::Number(number) => Found::Number(number.to_string()),
        Value::String(text) => Found::Str(text.bytes().take(HEAD).collect()),
        Value::Object(_) => Found::Object,
        Value::Array(elements) => {
            return elements.iter().for_each(|element| expected(element, path, found));
        }
    };
    found.extend(field.map(|field| (field, here)));
    if let Value::Object(members) = value {
        for (key, value) in members {
            // What no table holds, so that neither an empty key nor one with a separator makes a path.
            let key = if key.is_empty() { "?".into() } else { key.replace('/', "?") };
            let path = if path.is_empty() { key } else { format!("{path}/{key}") };
            expected(value, &path, found);
        }
    }
}

#[test]
fn scalars_are_found_at_their_exact_paths() {
    let document = r#" { "a" : { "b" : [ {"c": 1}, {"c": -2.5e3} ], "bc": "x" }, "ab": true, "abc": 1, "b": {"a": null, "b": 9} } "#;
    let found = scan(document);
    let number = |text: &str| Found::Number(text.into());
    assert_eq!(
        found,
        [
            (0, Found::Object),
            (1, Found::Object),
            (2, number("1")),
            (1, Found::Object),
            (2, number("-2.5e3")),
            (3, text("x")),
            (4, Found::Bool(true)),
            (5, Found::Null),
        ]
    );
}

#[test]
fn nothing_passes_for_a_key_that_is_not_one() {
    for document in [
        r#"{"x":"\"ab\":1,","y":"{\"ab\":1}"}"#,
        r#"{"x":{"ab":1},"y":[{"ab":[1]}],"z":{"a":{"bc":1}}}"#,
        r#"{"":{"ab":1}}"#,
        r#"{"":1,"b/a":1,"b":{"/a":1,"a/":1}}"#,
        r#"{"x":"\\","y":"\\\"","A":1,"ab\u0000":1,"\u0000ab":1}"#,
        r#"[["ab",1],"ab",{"x":["ab"]}]"#,
    ] {
        assert_eq!(scan(document), [], "{document}");
        assert!(serde_json::from_str::<Value>(document).is_ok());
    }
}

#[test]
fn an_escaped_key_is_the_key_it_spells() {
    assert_eq!(scan(r#"{"\u0061b":"\u00e9\n\/\"\\"}"#), [(4, text("\u{e9}\n/\"\\"))]);
    assert_eq!(scan(r#"{"ab":"\ud83d\ude00"}"#), [(4, text("\u{fffd}\u{fffd}"))]);
}

#[test]
fn only_the_head_of_a_long_value_is_kept() {
    let found = scan(&json!({"ab": "x".repeat(100_000), "b": {"a": ""}}).to_string());
    assert_eq!(found, [(4, text(&"x".repeat(HEAD))), (5, text(""))]);
}

#[test]
fn a_fault_ends_the_report_until_the_reset() {
    for broken in [
        r#"{"ab" 1,"b":{"a":1}}"#,
        r#"{"ab":1]"#,
        r#"{"ab":1}}"#,
        r#"{"ab":nul,"b":{"a":1}}"#,
        r#"{"ab":"\x","b":{"a":1}}"#,
        r#"{"ab":"\u12g4","b":{"a":1}}"#,
        r#"{ab:1}"#,
        "[DONE]",
        "]",
        "}",
        ",",
    ] {
        let mut scanner = Scanner::new();
        scanner.push(&PATHS, broken.as_bytes(), |field, _| assert_eq!(field, 4, "{broken}"));
        scanner.push(&PATHS, br#"{"b":{"a":1}}"#, |_, _| panic!("{broken}"));
        scanner.reset();
        let mut found = 0;
        scanner.push(&PATHS, br#"{"b":{"a":1}}"#, |_, _| found += 1);
        assert_eq!(found, 1, "{broken}");
    }
}

#[test]
fn depth_costs_neither_stack_nor_memory() {
    let deep = 1_000_000;
    let document = format!(r#"{{"x":{}{},"ab":1}}"#, "[".repeat(deep), "]".repeat(deep));
    assert_eq!(scan(&document).len(), 1);
    // Where a path of interest goes on, it is followed to `MAX_DEPTH` and no further.
    let document = format!(r#"{{"ab":{}1{},"b":{{"a":1}}}}"#, "[".repeat(deep), "]".repeat(deep));
    assert_eq!(scan(&document), [(5, Found::Number("1".into()))]);
}

#[test]
fn the_state_is_small() {
    assert!(size_of::<Scanner>() <= 96, "{}", size_of::<Scanner>());
}

fn document() -> impl Strategy<Value = Value> {
    let key = || {
        prop_oneof![
            8 => prop::sample::select(vec!["a", "b", "c", "ab", "bc"]).prop_map(str::to_owned),
            1 => "[abc/\"\\\\\u{e9}]{0,3}",
        ]
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ab\"\\\\{}\\[\\]:,/\n\u{e9}\u{1f600}]{0,60}".prop_map(Value::from),
    ];
    // At most six containers deep: what lies deeper than MAX_DEPTH is not reported.
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => prop::collection::vec((key(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The pieces of `bytes` when cut at `cuts`.
fn cut<'b>(bytes: &'b [u8], cuts: &[prop::sample::Index]) -> Vec<&'b [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.clone());
    starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect()
}

proptest! {
    #[test]
    fn any_document_reads_as_a_parser_reads_it_in_any_pieces(
        value in document(), pretty: bool, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let document = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        // A number alone has no end.
        let document = document + "\n";
        let mut found = Vec::new();
        expected(&value, "", &mut found);
        prop_assert_eq!(&scan(&document), &found);
        prop_assert_eq!(&scan_pieces(cut(document.as_bytes(), &cuts)), &found);
        prop_assert_eq!(&scan_pieces(document.as_bytes().chunks(1)), &found);
    }

    #[test]
    fn any_bytes_read_the_same_in_any_pieces(
        bytes in "[ab\"\\\\{}\\[\\]:,/u0 1nulltrue\n\u{e9}-]{0,80}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = scan(&bytes);
        prop_assert_eq!(&scan_pieces(cut(bytes.as_bytes(), &cuts)), &whole);
        prop_assert_eq!(&scan_pieces(bytes.as_bytes().chunks(1)), &whole);
    }
}
