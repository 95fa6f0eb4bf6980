//! Prompts as the objectives lay samples out.

use super::*;
use crate::model::up_to;

fn glm() -> Layout {
    layout_for_tests()
}

fn parsed(layout: &Layout, text: &str) -> Result<Prompt, String> {
    let tokenizer = Tokenizer::bytes().unwrap();
    layout
        .parse(text, &tokenizer)
        .map_err(|error| error.to_string())
}

/// Tokens, positions and second ids.
fn columns(prompt: &Prompt) -> [Vec<u32>; 3] {
    let rows = prompt.rows(0);
    let of = |field: fn(&Row) -> u32| rows.iter().map(field).collect();
    [
        of(|row| row.token),
        of(|row| row.position),
        of(|row| row.block),
    ]
}

#[test]
fn a_blank_is_filled_where_it_stands_or_behind_the_text() {
    let layout = glm();
    let SpecialIds {
        mask, gmask, sop, ..
    } = layout.special;
    let (a, b) = (u32::from(b'a'), u32::from(b'b'));
    let fill = parsed(&layout, "a[MASK]b").unwrap();
    assert_eq!(
        columns(&fill),
        [vec![a, mask, b, sop], vec![0, 1, 2, 1], vec![0, 0, 0, 1]]
    );
    let next = fill.answer_row(2, 1, 9, up_to(6));
    assert_eq!(
        (next.position, next.block, next.sequence, next.asks),
        (1, 3, 2, true)
    );
    let on = parsed(&layout, "ab[gMASK]").unwrap();
    assert_eq!(
        columns(&on),
        [vec![a, b, gmask, sop], vec![0, 1, 2, 3], vec![0, 0, 0, 1]]
    );
    let sees: Vec<_> = on.rows(0).into_iter().map(|row| row.sees).collect();
    assert_eq!(sees, [up_to(3), up_to(3), up_to(3), up_to(4)]);
    let shifted = Layout {
        gmask_positions: GmaskPositions::Shifted,
        ..layout
    };
    assert_eq!(
        columns(&parsed(&shifted, "ab[gMASK]").unwrap())[1],
        [0, 1, 2, 2]
    );
    let plain = Layout {
        mask_positions: MaskPositions::Plain,
        ..layout
    };
    assert_eq!(
        columns(&parsed(&plain, "a[MASK]b").unwrap())[1],
        [0, 1, 2, 3]
    );
    let spans = Layout {
        reads_spans: true,
        ..layout
    };
    let on = parsed(&spans, "ab[gMASK]").unwrap();
    assert_eq!(on.answer_row(0, 0, 9, up_to(5)).position, 2);
    // White space behind `[gMASK]` is that of a shell.
    assert_eq!(parsed(&layout, "ab[gMASK]\n"), parsed(&layout, "ab[gMASK]"));
    assert!(
        parsed(&layout, "[gMASK]").is_ok(),
        "nothing before it is a prompt"
    );
}

#[test]
fn a_gpt_prompt_is_read_left_to_right_from_its_first_token() {
    let layout = Layout {
        mode: ObjectiveMode::Gpt,
        ..glm()
    };
    let prompt = parsed(&layout, "ab").unwrap();
    assert_eq!(columns(&prompt), [vec![97, 98], vec![0, 1], vec![0, 0]]);
    let rows = prompt.rows(0);
    assert_eq!(rows[0].sees, up_to(1));
    assert_eq!(
        rows.iter().map(|row| row.asks).collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn a_prompt_that_cannot_be_answered_says_why() {
    let (glm, gpt) = (
        glm(),
        Layout {
            mode: ObjectiveMode::Gpt,
            ..glm()
        },
    );
    for (layout, text, said) in [
        (glm, "no blank", "put one `[MASK]` where words are missing"),
        (glm, "a [MASK] b [MASK]", "has 2 blanks"),
        (glm, "a [MASK] b [gMASK]", "has 2 blanks"),
        (glm, "a [gMASK] b", "has text behind `[gMASK]`"),
        (
            glm,
            "0123456789 0123456789 [gMASK]",
            "takes 24 slots of `model.seq_len` = 20",
        ),
        (
            gpt,
            "a [MASK]",
            "has `[MASK]`, which a run with `objective.mode = \"gpt\"` does not know",
        ),
        (gpt, "", "is empty"),
    ] {
        let error = parsed(&layout, text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
    // 18 tokens of text, the blank and sop.
    assert!(parsed(&glm, "0123456789 0123456[gMASK]").is_ok());
    assert!(parsed(&glm, "0123456789 01234567[gMASK]").is_err());
}
