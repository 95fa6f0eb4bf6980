use super::*;
use proptest::prelude::*;

fn text_of(line: &str) -> Result<(String, u64), String> {
    let members = members(line)?;
    let found = members.iter().rfind(|(name, _)| name == "text");
    string(found.ok_or("none")?.1)
}

/// What stands beside the text comes from programs that are not strict and is not used.
#[test]
fn members_are_found_whatever_stands_beside_them() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for beside in [
        "NaN",
        "-Infinity",
        "1e999",
        "\"\\ud800\"",
        "\"\\x\"",
        "'single'",
        "{\"text\": 1, \"b\": [\"}]\", {}]}",
        "\"a \\\" quote, \\\\\"",
        "\"tab\there\"",
        &deep,
    ] {
        let line = format!("{{\"a\": {beside}, \"text\" : \"x\\ny\" , \"b\":{beside} }}");
        assert_eq!(text_of(&line), Ok(("x\ny".to_owned(), 0)), "{line}");
    }
    assert_eq!(text_of("{\"\\u0074ext\": \"x\"}"), Ok(("x".to_owned(), 0)));
    assert_eq!(members(" { } "), Ok(Vec::new()));
}

/// A half of a pair names no character; a whole pair is one.
#[test]
fn lone_surrogates_are_replaced_and_counted() {
    for (raw, text, replaced) in [
        (r#""\ud83d\ude00""#, "😀", 0),
        (r#""\ud83d""#, "\u{fffd}", 1),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}", 2),
        (r#""\ud83d\ud83d\uDE00x""#, "\u{fffd}😀x", 1),
        (r#""\\ud83d""#, "\\ud83d", 0),
        (r#""\\\ud83d""#, "\\\u{fffd}", 1),
    ] {
        assert_eq!(string(raw), Ok((text.to_owned(), replaced)), "{raw}");
    }
}

/// A message must show where it is, also where nothing can be seen.
#[test]
fn what_is_no_object_is_refused_with_its_place() {
    for (line, expected) in [
        ("{\"text\"", "expected `:` in column 8, found nothing"),
        ("{\"text\": \"a", "ends inside a string"),
        ("{\"text\": \"a\\", "ends inside a string"),
        (
            "{\"text\": \"a\" \"b\"}",
            "expected `}` in column 14, found `\u{22}`",
        ),
        (
            "{\"text\": [1}",
            "expected the bracket that is open in column 12",
        ),
        ("{\"text\": }", "expected a value in column 10, found `}`"),
        ("{\"text\": [", "expected a closing bracket"),
        (
            "{\"é\": 1}\u{feff}{",
            "in column 9, found a byte order mark (U+FEFF)",
        ),
        ("{\u{a0}}", "found the character U+00A0"),
        ("[1]", "it is not an object"),
        ("3", "it is not an object"),
        ("null", "it is not an object"),
        ("word", "expected `{` in column 1, found `w`"),
    ] {
        let error = members(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

proptest! {
    /// What a strict reader accepts is read alike, and nothing panics.
    #[test]
    fn prop_strict_json_reads_alike(
        text in any::<String>(),
        other in any::<String>(),
        noise in "[\\{\\}\\[\\]\",:\\\\u0d89a é😀]{0,40}",
    ) {
        let line = serde_json::json!({ "other": [other.clone(), { other: 1.5 }], "text": text.clone() });
        prop_assert_eq!(text_of(&line.to_string()), Ok((text, 0)));
        let strict: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&noise);
        let found = members(&noise);
        if strict.is_ok() {
            prop_assert!(found.is_ok(), "{}", noise);
        }
        without_lone_surrogates(&noise);
        without_lone_surrogates(&format!("\\u{noise}"));
    }
}
