//! A list in a frame: a heading, the rows that fit below it, and a scroll bar where more do not.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::Line,
    widgets::{Block, Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget},
};

use crate::colour::Depth;
use crate::paint;

/// Which rows of a list are on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// The first of them.
    pub(crate) offset: usize,
    length: usize,
}

impl List {
    /// The place of the rows: below the heading, inside the frame.
    pub(crate) fn area(frame: Rect) -> Rect {
        let inner = Block::bordered().inner(frame);
        paint::rows(inner, 1, inner.height.saturating_sub(1))
    }

    /// How many rows fit.
    pub(crate) fn page(frame: Rect) -> usize {
        usize::from(Self::area(frame).height)
    }

    /// Moves the window over a list of `length` rows so that `row` is inside and no space is wasted.
    pub(crate) fn fit(&mut self, row: usize, length: usize, page: usize) {
        let page = page.max(1);
        self.length = length;
        self.offset = self
            .offset
            .clamp((row + 1).saturating_sub(page), row)
            .min(length.saturating_sub(page));
    }

    /// The row under the pointer.
    pub(crate) fn row_at(self, at: Position, frame: Rect) -> Option<usize> {
        let area = Self::area(frame);
        let row = self.offset + usize::from(at.y.saturating_sub(area.y));
        (area.contains(at) && row < self.length).then_some(row)
    }

    /// Which rows are shown, for the lower edge of the frame; empty when all are.
    pub(crate) fn shown(self, frame: Rect) -> Line<'static> {
        let page = Self::page(frame);
        if self.length <= page || frame.width <= 24 {
            return Line::default();
        }
        let last = (self.offset + page).min(self.length);
        let first = (self.offset + 1).min(self.length);
        Line::raw(format!(" {first}–{last} of {} ", self.length)).right_aligned()
    }

    /// The scroll bar, on the right edge of the frame.
    pub(crate) fn scrollbar(self, frame: Rect, depth: Depth, buffer: &mut Buffer) {
        let area = Self::area(frame);
        let hidden = self.length.saturating_sub(usize::from(area.height));
        if hidden == 0 || area.is_empty() {
            return;
        }
        let edge = Rect {
            x: area.right(),
            width: 1,
            ..area
        };
        let mut state = ScrollbarState::new(hidden + 1)
            .position(self.offset)
            .viewport_content_length(usize::from(area.height));
        Scrollbar::new(ScrollbarOrientation::VerticalRight)
            .begin_symbol(None)
            .end_symbol(None)
            .track_symbol(None)
            .thumb_symbol("┃")
            .thumb_style(depth.dim())
            .render(edge, buffer, &mut state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // Lists may be empty or shrink between two keys; the row under the cursor must stay on the screen, which stays full.
        #[test]
        fn prop_the_row_is_inside_and_no_space_is_wasted(steps in prop::collection::vec((0usize..40, 0usize..40, 0usize..9), 1..20)) {
            let mut list = List::default();
            for (row, length, page) in steps {
                let row = row.min(length.saturating_sub(1));
                list.fit(row, length, page);
                prop_assert!(list.offset <= row && row < list.offset + page.max(1));
                prop_assert!(list.offset <= length.saturating_sub(page.max(1)));
            }
        }
    }

    #[test]
    fn the_scroll_bar_stands_where_the_window_does() {
        let frame = Rect::new(0, 0, 3, 8);
        let bar = |offset| {
            let mut buffer = Buffer::empty(frame);
            let list = List { offset, length: 20 };
            list.scrollbar(frame, Depth::Mono, &mut buffer);
            let rows = 0..frame.height;
            rows.map(|y| {
                if buffer[(2, y)].symbol() == "┃" {
                    '┃'
                } else {
                    '.'
                }
            })
            .collect::<String>()
        };
        assert_eq!(bar(0), "..┃.....");
        assert_eq!(bar(15), "......┃.");
        let mut buffer = Buffer::empty(frame);
        let all = List {
            offset: 0,
            length: 5,
        };
        all.scrollbar(frame, Depth::Mono, &mut buffer);
        assert_eq!(buffer, Buffer::empty(frame), "nothing to scroll");
    }
}
