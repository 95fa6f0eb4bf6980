//! The small drawing helpers at their edges.

use super::*;

fn buffer(width: u16, height: u16) -> Buffer {
    Buffer::empty(Rect::new(0, 0, width, height))
}

#[test]
fn text_is_cut_at_the_row_and_never_written_outside() {
    let mut cells = buffer(6, 2);
    let plain = Style::new();
    put(&mut cells, Rect::new(0, 0, 4, 1), 1, "abcdef", plain);
    put(&mut cells, row(Rect::new(0, 0, 4, 1), 1), 0, "below", plain);
    put(&mut cells, Rect::new(50, 50, 9, 9), 50, "far away", plain);
    put_right(&mut cells, Rect::new(0, 1, 6, 1), 6, "right", plain);
    assert_eq!(crate::export::plain(&cells), " abc\n right\n");
}

#[test]
fn cut_says_that_something_is_missing_and_respects_wide_letters() {
    assert_eq!(cut("stable", 6), "stable");
    assert_eq!(cut("stability", 6), "stabi…");
    assert_eq!(cut("深度學習", 5), "深度…");
    assert_eq!(cut("abc", 1), "…");
    assert_eq!(cut("abc", 0), "");
}

#[test]
fn lines_are_broken_between_words_and_in_words_that_are_too_long() {
    let lines = |text, width| -> Vec<String> {
        let lines = wrapped(text, width);
        lines
            .iter()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    assert_eq!(lines("one two three", 7), ["one two", "three"]);
    assert_eq!(
        lines("a /very/long/path b", 6),
        ["a", "/very/", "long/p", "ath b"]
    );
    assert_eq!(lines("深度學習", 5), ["深度", "學習"]);
    assert_eq!(lines("ab", 0), ["a", "b"]);
}

/// Names of twins that differ in their ends.
#[test]
fn a_cut_in_the_middle_keeps_both_ends() {
    assert_eq!(cut_middle("└ skip @122", 17), "└ skip @122");
    assert_eq!(cut_middle("└ beta2-lower-2 @122", 17), "└ beta2-…r-2 @122");
    assert_eq!(cut_middle("└ clip-tighter @122", 17), "└ clip-t…ter @122");
    assert_eq!(cut_middle("深度學習方法", 7), "深度…法");
    assert_eq!(cut_middle("abc", 2), "…c");
    assert_eq!(cut_middle("abc", 1), "…");
    assert_eq!(cut_middle("abc", 0), "");
}

/// Names are cut where what is left still tells them apart.
#[test]
fn names_are_shortened_so_that_they_stay_apart() {
    let of = |names: &[&str], width| shortened(names, width);
    assert_eq!(of(&["ab", "cd"], 4), ["ab", "cd"]);
    assert_eq!(
        of(&["deepnorm-lr-0.001-x", "deepnorm-lr-0.003-x"], 9),
        ["0.001-x", "0.003-x"]
    );
    assert_eq!(of(&["warm-a-end", "warm-b-end"], 5), ["a-end", "b-end"]);
    assert_eq!(of(&["to-0.001-x", "to-0.003-x"], 7), ["0.001-x", "0.003-x"]);
    assert_eq!(of(&["xa-long-end", "yb-long-end"], 4), ["x…nd", "y…nd"]);
    assert_eq!(of(&["深度學習甲", "深度學習乙"], 4), ["甲", "乙"]);
    assert_eq!(of(&["ab", "cd"], 0), ["", ""]);
    assert!(of(&[], 3).is_empty());
}

#[test]
fn a_bar_is_as_full_as_its_share() {
    let bar = |share| {
        let mut cells = buffer(5, 1);
        let area = Rect::new(1, 0, 4, 1);
        gauge(area, share, Style::new(), Style::new(), &mut cells);
        crate::export::plain(&cells).trim().to_owned()
    };
    assert_eq!(
        [bar(0.0), bar(0.5), bar(0.7), bar(1.0)],
        ["────", "━━──", "━━──", "━━━━"]
    );
    assert_eq!([bar(f64::NAN), bar(7.0)], ["────", "━━━━"]);
}

#[test]
fn frames_of_one_cell_and_of_none_do_not_panic() {
    for (width, height) in [(0, 0), (1, 1), (1, 3), (3, 1), (3, 3)] {
        let mut cells = buffer(width, height);
        frame(Style::new())
            .title_top("long")
            .render(cells.area, &mut cells);
    }
}
