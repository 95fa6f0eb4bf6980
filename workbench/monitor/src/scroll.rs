//! How cursors move along lists.

/// How far a cursor is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scroll {
    Rows(isize),
    Pages(isize),
    /// Notches of the mouse wheel.
    Notches(isize),
    First,
    Last,
}

impl Scroll {
    /// Where it leads to from a row of `length`, with so many rows on a page and for a notch.
    pub(crate) fn from(self, row: usize, length: usize, page: usize, notch: isize) -> usize {
        let last = length.saturating_sub(1);
        let by = match self {
            Self::First => return 0,
            Self::Last => return last,
            Self::Rows(rows) => rows,
            Self::Pages(pages) => pages.saturating_mul(page.max(1) as isize),
            Self::Notches(notches) => notches.saturating_mul(notch),
        };
        row.saturating_add_signed(by).min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scroll_leaves_the_list() {
        let moved = |by: Scroll| by.from(2, 9, 4, 3);
        assert_eq!(moved(Scroll::Rows(1)), 3);
        assert_eq!(moved(Scroll::Pages(1)), 6);
        assert_eq!(moved(Scroll::Notches(-1)), 0);
        assert_eq!([moved(Scroll::First), moved(Scroll::Last)], [0, 8]);
        assert_eq!(
            [
                moved(Scroll::Rows(isize::MIN)),
                moved(Scroll::Pages(isize::MAX))
            ],
            [0, 8]
        );
        assert_eq!(
            Scroll::Pages(1).from(0, 5, 0, 1),
            1,
            "a page of no rows still moves"
        );
        assert_eq!(Scroll::Last.from(0, 0, 4, 1), 0, "an empty list");
    }
}
