//! A text of rows that may be longer than its place, and the window through which it is seen.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, text::Line};

use crate::colour::{Depth, Ink, strong};
use crate::paint::{cut, put, put_right};
use crate::scroll::Scroll;

/// Rows for a notch of the wheel.
const NOTCH: isize = 3;

/// How a piece of a row is drawn, before the depth of the terminal is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tone {
    Plain,
    Dim,
    Faint,
    Accent,
    Warn,
    /// In the colour of an arm.
    Of(Ink),
}

impl Tone {
    pub(crate) fn style(self, depth: Depth) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Dim => depth.dim(),
            Self::Faint => depth.faint(),
            Self::Accent => depth.accent(),
            Self::Warn => depth.warn(),
            Self::Of(ink) => depth.arm(ink),
        }
    }
}

/// Some words at a place of their row, cut where the next ones begin.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    /// Left edge, or the right one of what is aligned to the right.
    x: u16,
    right: bool,
    text: String,
    tone: Tone,
}

/// A row in pieces from left to right.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TextRow(Vec<Piece>);

impl TextRow {
    pub(crate) fn of(text: impl Into<String>, tone: Tone) -> Self {
        Self::default().and(1, text, tone)
    }

    /// The same row with words that begin at `x`.
    pub(crate) fn and(mut self, x: u16, text: impl Into<String>, tone: Tone) -> Self {
        self.0.push(Piece {
            x,
            right: false,
            text: text.into(),
            tone,
        });
        self
    }

    /// The same row with words that end left of `x`.
    pub(crate) fn and_right(mut self, x: u16, text: impl Into<String>, tone: Tone) -> Self {
        self = self.and(x, text, tone);
        if let Some(last) = self.0.last_mut() {
            last.right = true;
        }
        self
    }

    /// Whether it holds a text, in upper or lower case.
    fn holds(&self, lower: &str) -> bool {
        let has = |piece: &Piece| piece.text.to_lowercase().contains(lower);
        self.0.iter().any(has)
    }

    fn draw(&self, row: Rect, depth: Depth, buffer: &mut Buffer) {
        for (number, piece) in self.0.iter().enumerate() {
            let x = row.x + piece.x;
            let style = piece.tone.style(depth);
            if piece.right {
                put_right(buffer, row, x.min(row.right()), &piece.text, style);
                continue;
            }
            // The next piece, or the end of the row, behind a free cell.
            let next = self.0[number + 1..].iter().find(|next| !next.right);
            let end = next.map_or(row.right(), |next| (row.x + next.x).min(row.right()));
            let room = end.saturating_sub(x + 1);
            put(buffer, row, x, &cut(&piece.text, room), style);
        }
    }
}

/// The first row after `from`, or from the top again, that holds a text.
pub(crate) fn find(rows: &[TextRow], text: &str, from: usize) -> Option<usize> {
    let lower = text.to_lowercase();
    let found = |row: &usize| rows.get(*row).is_some_and(|row| row.holds(&lower));
    (from..rows.len())
        .find(found)
        .or_else(|| (0..from).find(found))
}

/// Draws the rows in a window; those that hold `marked` stand out.
pub(crate) fn draw(
    rows: &[TextRow],
    window: Window,
    marked: &str,
    area: Rect,
    depth: Depth,
    buffer: &mut Buffer,
) {
    let lower = marked.to_lowercase();
    for (line, row) in area.rows().zip(rows.iter().skip(window.top())) {
        row.draw(line, depth, buffer);
        if !lower.is_empty() && row.holds(&lower) {
            buffer.set_style(
                line.intersection(buffer.area),
                depth.accent().patch(strong()),
            );
        }
    }
}

/// Which rows of a text are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first row, where one was chosen; else the text is shown from its beginning, or up to its end as it grows.
    pub(crate) chosen: Option<usize>,
    at_end: bool,
    length: usize,
    height: usize,
}

impl Window {
    /// Takes in how long the text and how high its place is, and whether it is its end that matters.
    pub(crate) fn fit(&mut self, length: usize, height: u16, at_end: bool) {
        (self.length, self.height, self.at_end) = (length, usize::from(height), at_end);
        self.chosen = self.chosen.map(|row| row.min(self.hidden()));
    }

    /// Rows that do not fit.
    fn hidden(self) -> usize {
        self.length.saturating_sub(self.height)
    }

    fn natural(self) -> usize {
        if self.at_end { self.hidden() } else { 0 }
    }

    pub(crate) fn top(self) -> usize {
        self.chosen.unwrap_or(self.natural())
    }

    /// Shows a row, as the first one if there are enough behind it.
    pub(crate) fn show(&mut self, row: usize) {
        let row = row.min(self.hidden());
        self.chosen = Some(row).filter(|row| *row != self.natural());
    }

    pub(crate) fn scroll(&mut self, by: Scroll) {
        self.show(by.from(self.top(), self.hidden() + 1, self.height, NOTCH));
    }

    /// Which rows are shown, for the edge of a frame; empty when all are.
    pub(crate) fn shown(self) -> Line<'static> {
        if self.hidden() == 0 || self.height == 0 {
            return Line::default();
        }
        let (first, last) = (self.top() + 1, self.top() + self.height);
        Line::raw(format!(" {first}–{last} of {} ", self.length)).right_aligned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_whose_end_matters_follows_its_end_until_somebody_scrolls() {
        let mut window = Window::default();
        window.fit(20, 5, true);
        assert_eq!(window.top(), 15);
        window.fit(21, 5, true);
        assert_eq!(window.top(), 16);
        window.scroll(Scroll::Rows(-1));
        window.fit(30, 5, true);
        assert_eq!(window.top(), 15, "stays where it was put");
        window.scroll(Scroll::Last);
        window.fit(40, 5, true);
        assert_eq!(window.top(), 35, "and follows again from the end on");
    }

    #[test]
    fn the_next_row_with_a_text_is_found_around_the_end_whatever_its_case() {
        let rows = ["a", "Loss", "b", "loss"].map(|text| TextRow::of(text, Tone::Plain));
        assert_eq!(find(&rows, "loss", 0), Some(1));
        assert_eq!(find(&rows, "loss", 2), Some(3));
        assert_eq!(find(&rows, "LOSS", 4), Some(1));
        assert_eq!(find(&rows, "c", 9), None);
    }

    #[test]
    fn a_piece_ends_before_the_next_one_and_before_the_edge() {
        let area = Rect::new(0, 0, 12, 1);
        let mut buffer = Buffer::empty(area);
        let row = TextRow::of("name that is long", Tone::Dim).and(7, "value", Tone::Plain);
        draw(
            &[row],
            Window::default(),
            "",
            area,
            Depth::Mono,
            &mut buffer,
        );
        assert_eq!(crate::export::plain(&buffer), " name… val…\n");
    }

    proptest! {
        // Texts may shrink between two keys; what is shown is always some of them, and no space is wasted.
        #[test]
        fn prop_the_window_stays_inside(
            steps in prop::collection::vec((0usize..40, 0u16..12, any::<bool>(), -20isize..20), 1..20),
        ) {
            let mut window = Window::default();
            for (length, height, at_end, by) in steps {
                window.fit(length, height, at_end);
                window.scroll(Scroll::Rows(by));
                prop_assert!(window.top() <= length.saturating_sub(usize::from(height)));
            }
        }
    }
}
