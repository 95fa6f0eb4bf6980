use super::*;
use crate::catalogue;

fn rules(clean: Cleaning) -> Entry {
    Entry {
        clean,
        format: TextFormat::Text,
        ..catalogue::find("gutenberg").unwrap().clone()
    }
}

fn clean(clean: Cleaning, files: &[&[u8]]) -> Vec<String> {
    let files = files
        .iter()
        .map(|bytes| (String::new(), bytes.to_vec()))
        .collect();
    documents(&rules(clean), files).unwrap()
}

/// Mixed line endings and one ISO-8859-1 book are what the Gutenberg package really holds.
#[test]
fn encodings_and_line_endings_are_made_one() {
    let latin1 = Cleaning {
        latin1: true,
        ..Cleaning::default()
    };
    assert_eq!(clean(latin1, &[b"caf\xe9\r\nb\rc"]), ["caf\u{e9}\nb\nc"]);
    assert_eq!(
        clean(Cleaning::default(), &["\u{feff}a\u{c}b".as_bytes()]),
        ["a\nb"]
    );
    let error = documents(
        &rules(Cleaning::default()),
        vec![("x.txt".into(), vec![0xe9])],
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("`x.txt` is not UTF-8")
    );
}

/// Untranslated lines and repeated ones are dropped, wrapped ones joined.
#[test]
fn rules_on_lines() {
    let han = Cleaning {
        min_han: 2,
        unique_lines: true,
        join_lines: true,
        ..Cleaning::default()
    };
    let files: [&[u8]; 2] = [
        "中文行\nEnglish\n第二行".as_bytes(),
        "中文行\n第三行".as_bytes(),
    ];
    assert_eq!(clean(han, &files), ["中文行第二行", "第三行"]);
    let cap = Cleaning {
        max_file_bytes: 4,
        ..Cleaning::default()
    };
    assert_eq!(clean(cap, &["中文".as_bytes()]), ["中"]);
}

/// The first megabytes must hold all books, and no text may get lost.
#[test]
fn dealing_takes_turns() {
    let dealt = Cleaning {
        deal_bytes: 2,
        ..Cleaning::default()
    };
    let files: [&[u8]; 2] = [b"a1\n\na2\n\na3", b"b1\n\nb2"];
    assert_eq!(clean(dealt, &files), ["a1", "b1", "a2", "b2", "a3"]);
}

/// A package without text must be an error, not an empty corpus.
#[test]
fn nothing_left_is_an_error() {
    let error = documents(
        &rules(Cleaning::default()),
        vec![("a".into(), b" \n".to_vec())],
    );
    assert!(error.unwrap_err().to_string().contains("no text is left"));
}
