use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

fn merge(left: &str, right: &str) -> Merge {
    (left.to_owned(), right.to_owned())
}

/// Merges of spaces, ASCII and of the bytes of one Han character (天 is E5 A4 A9).
static MERGED: LazyLock<Tokenizer> = LazyLock::new(|| {
    let merges = [
        ("t", "h"),
        ("th", "e"),
        ("Ġ", "the"),
        ("å", "¤"),
        ("å¤", "©"),
        ("Ġ", "Ġ"),
    ];
    Tokenizer::from_merges(280, merges.map(|(l, r)| merge(l, r)).to_vec()).unwrap()
});
static BYTES: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::bytes().unwrap());

proptest! {
    /// Decoding gives back every text exactly, whatever it holds; a text can never produce a
    /// special or unused id, also if it spells one.
    #[test]
    fn prop_any_text_round_trips(
        text in prop_oneof![any::<String>(), "( ?the|天|[ \n\r\t]|\\[MASK\\]|<eos>|[a-z]|é|😀){0,40}"],
    ) {
        for tokenizer in [&*MERGED, &*BYTES] {
            let tokens = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.decode(&tokens), text.clone());
            prop_assert!(tokens.iter().all(|id| *id < 262 && *id < tokenizer.special().mask));
        }
    }
}

/// Models and reports rely on these ids.
#[test]
fn ids_are_bytes_then_merges_then_special_tokens() {
    assert_eq!(BYTES.encode("aé").unwrap(), [0x61, 0xc3, 0xa9]);
    assert_eq!(
        BYTES.special(),
        SpecialIds {
            mask: 256,
            gmask: 257,
            sop: 258,
            eop: 259,
            eos: 260,
            pad: 261
        }
    );
    assert_eq!(MERGED.encode("the the天").unwrap(), [257, 258, 260]);
    assert_eq!(MERGED.special().pad, 279);
    assert_eq!(MERGED.decode(&[274, 258, 279, 265]), "[MASK] the<pad>");
    assert_eq!(MERGED.decode(&[0xe5, 9999]), "\u{fffd}\u{fffd}");
}

/// The saved file must mean the same to the Hugging Face libraries, and load as itself.
#[test]
fn json_is_a_hugging_face_tokenizer() {
    let json = MERGED.to_json().unwrap();
    let theirs = tokenizers::Tokenizer::from_bytes(&json).unwrap();
    for (offset, name) in SPECIAL.into_iter().enumerate() {
        assert_eq!(
            theirs.token_to_id(name),
            Some(274 + offset as u32),
            "{name}"
        );
    }
    let text = "the 天 the.";
    let encoding = theirs.encode(text, false).unwrap();
    assert_eq!(encoding.get_ids(), MERGED.encode(text).unwrap());
    assert_eq!(theirs.decode(encoding.get_ids(), true).unwrap(), text);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    fs::write(&path, &json).unwrap();
    assert_eq!(Tokenizer::load(&path, 280).unwrap().hash(), MERGED.hash());
    fs::write(&path, &json[..json.len() / 2]).unwrap();
    assert!(Tokenizer::load(&path, 280).is_none());
}

/// Long documents are encoded in pieces; none may be lost, and only the last one ends.
#[test]
fn pieces_cover_the_document() {
    let long_lines = "天".repeat(30_000) + &"line\n".repeat(20_000);
    for document in ["", "short", &long_lines] {
        let pieces = pieces(document);
        assert_eq!(
            pieces.iter().map(|(text, _)| *text).collect::<String>(),
            document
        );
        assert!(pieces.iter().all(|(text, _)| text.len() <= PIECE_BYTES));
        assert_eq!(pieces.iter().filter(|(_, ends)| *ends).count(), 1);
        assert!(pieces.last().unwrap().1);
    }
    assert_eq!(
        MERGED.decode(&MERGED.encode(&long_lines).unwrap()),
        long_lines
    );
}
