//! Where everything is. Computed from the size alone, so that drawing and mouse clicks cannot disagree.

use ratatui::layout::Rect;

use crate::state::{Column, Pane, Tab};

/// Below this size the panes make no sense and a few plain lines are drawn instead.
const SMALLEST: (u16, u16) = (44, 10);

/// The rectangles of one screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) area: Rect,
    /// Too small for panes.
    pub(crate) compact: bool,
    /// Title line and progress line.
    pub(crate) header: Rect,
    pub(crate) tabs: Vec<(Tab, Rect)>,
    pub(crate) body: Rect,
    /// Panes with their frames, in order of focus.
    pub(crate) panes: Vec<(Pane, Rect)>,
    /// Details of the run under the cursor, on the tab of the runs.
    pub(crate) details: Option<Rect>,
    pub(crate) bar: Rect,
}

impl Layout {
    pub(crate) fn new(area: Rect, tab: Tab, runs: usize) -> Self {
        let mut layout = Self {
            area,
            compact: area.width < SMALLEST.0 || area.height < SMALLEST.1,
            header: rows(area, 0, 2),
            tabs: Vec::new(),
            body: rows(area, 3, area.height.saturating_sub(4)),
            panes: Vec::new(),
            details: None,
            bar: rows(area, area.height.saturating_sub(1), 1),
        };
        if layout.compact {
            return layout;
        }
        let mut x = area.x + 1;
        for tab in Tab::ALL {
            // A digit, a space, the title, and a space on either side.
            let width = tab.title().len() as u16 + 4;
            layout
                .tabs
                .push((tab, Rect::new(x, area.y + 2, width, 1).intersection(area)));
            x += width + 1;
        }
        let body = layout.body;
        match tab {
            Tab::Overview => layout.panes = overview(body, runs),
            Tab::Runs => {
                // The details want 14 lines; the table keeps at least half.
                let details = if body.height < 14 {
                    0
                } else {
                    (body.height / 2).min(16)
                };
                let (table, rest) = split_rows(body, body.height - details);
                layout.panes.push((Pane::Runs, table));
                layout.details = (details > 0).then_some(rest);
            }
            Tab::Curves => layout.panes.push((Pane::Curves, body)),
            Tab::Layers => layout.panes.push((Pane::Layers, body)),
            Tab::Alarms => layout.panes.push((Pane::Alarms, body)),
        }
        layout
    }

    pub(crate) fn pane(&self, pane: Pane) -> Option<Rect> {
        self.panes
            .iter()
            .find(|(other, _)| *other == pane)
            .map(|(_, area)| *area)
    }

    pub(crate) fn pane_at(&self, x: u16, y: u16) -> Option<(Pane, Rect)> {
        self.panes
            .iter()
            .copied()
            .find(|(_, area)| area.contains((x, y).into()))
    }

    /// Rows of a list that fit: without frame and heading.
    pub(crate) fn page(&self, pane: Pane) -> usize {
        self.pane(pane)
            .map_or(0, |area| usize::from(list(area).height))
    }
}

/// The panes of the overview, by what the size allows.
fn overview(body: Rect, runs: usize) -> Vec<(Pane, Rect)> {
    let wanted = u16::try_from(runs + 3).unwrap_or(u16::MAX);
    if body.width >= 116 {
        let (left, right) = split_columns(body, (body.width * 43 / 100).clamp(56, 92));
        if body.height < 24 {
            return vec![(Pane::Runs, left), (Pane::Curves, right)];
        }
        let (table, alarms) = split_rows(left, wanted.clamp(8, left.height * 2 / 3));
        let (curves, layers) = split_rows(right, right.height * 64 / 100);
        vec![
            (Pane::Runs, table),
            (Pane::Curves, curves),
            (Pane::Layers, layers),
            (Pane::Alarms, alarms),
        ]
    } else if body.height >= 34 {
        let (table, rest) = split_rows(body, wanted.clamp(7, body.height * 3 / 10));
        let (curves, rest) = split_rows(rest, rest.height / 2);
        let (layers, alarms) = split_rows(rest, rest.height * 6 / 10);
        vec![
            (Pane::Runs, table),
            (Pane::Curves, curves),
            (Pane::Layers, layers),
            (Pane::Alarms, alarms),
        ]
    } else if body.height < 13 {
        // Two panes of five rows would show nothing of either.
        vec![(Pane::Runs, body)]
    } else {
        let (table, curves) = split_rows(body, wanted.max(5).min(body.height / 2));
        vec![(Pane::Runs, table), (Pane::Curves, curves)]
    }
}

/// The two charts of the curves pane: side by side where they would become too flat on top of each other.
pub(crate) fn charts(inner: Rect) -> [Rect; 2] {
    let (upper, lower) = if inner.height < 14 && inner.width >= 60 {
        split_columns(inner, inner.width / 2)
    } else {
        split_rows(inner, inner.height.div_ceil(2))
    };
    [upper, lower]
}

/// Inside of a frame.
pub(crate) fn inner(frame: Rect) -> Rect {
    if frame.width < 2 || frame.height < 2 {
        return Rect::new(frame.x, frame.y, 0, 0);
    }
    Rect::new(frame.x + 1, frame.y + 1, frame.width - 2, frame.height - 2)
}

/// The rows of a framed list, below its heading.
pub(crate) fn list(frame: Rect) -> Rect {
    let inner = inner(frame);
    rows(inner, 1, inner.height.saturating_sub(1))
}

/// The columns of the sweep table that fit into `width`, from left to right: offset and width of each.
///
/// First the state shrinks to its glyph, then columns of little use are left out; what is left over goes to the
/// arm's name and the bar.
pub(crate) fn columns(width: u16, longest_arm: u16) -> Vec<(Column, u16, u16)> {
    const LEAVE_OUT: [Column; 6] = [
        Column::Step,
        Column::Progress,
        Column::HeldOut,
        Column::Seed,
        Column::Loss,
        Column::State,
    ];
    let arm = longest_arm.clamp(4, 26);
    let least = |column| match column {
        Column::Plan | Column::State => 1,
        Column::Arm => arm.min(14),
        Column::Seed => 4,
        Column::Progress => 6,
        Column::Step | Column::Loss => 7,
        Column::HeldOut => 8,
        Column::Outcome => 9,
    };
    let mut kept: Vec<Column> = Column::ALL.to_vec();
    let needed = |kept: &[Column]| {
        kept.iter()
            .map(|column| least(*column) + 1)
            .sum::<u16>()
            .saturating_sub(1)
    };
    for column in LEAVE_OUT {
        if needed(&kept) > width {
            kept.retain(|other| *other != column);
        }
    }
    let mut spare = width.saturating_sub(needed(&kept));
    let mut widths: Vec<(Column, u16)> = kept
        .into_iter()
        .map(|column| (column, least(column)))
        .collect();
    // The state's name is worth its width whole or not at all.
    for (column, wanted) in [
        (Column::State, 12),
        (Column::Arm, arm - least(Column::Arm)),
        (Column::Progress, 14),
    ] {
        let extra = if column == Column::State && spare < wanted {
            0
        } else {
            wanted.min(spare)
        };
        if let Some((_, width)) = widths.iter_mut().find(|(other, _)| *other == column) {
            *width += extra;
            spare -= extra;
        }
    }
    let mut x = 0;
    let mut placed = Vec::with_capacity(widths.len());
    for (column, wanted) in widths {
        let column_width = wanted.min(width.saturating_sub(x));
        if column_width > 0 {
            placed.push((column, x, column_width));
        }
        x += column_width + 1;
    }
    placed
}

/// `count` rows of `area` from row `from`, as far as they exist.
pub(crate) fn rows(area: Rect, from: u16, count: u16) -> Rect {
    let from = from.min(area.height);
    Rect::new(
        area.x,
        area.y + from,
        area.width,
        count.min(area.height - from),
    )
}

fn split_rows(area: Rect, upper: u16) -> (Rect, Rect) {
    let upper = upper.min(area.height);
    (rows(area, 0, upper), rows(area, upper, area.height))
}

fn split_columns(area: Rect, left: u16) -> (Rect, Rect) {
    let left = left.min(area.width);
    (
        Rect {
            width: left,
            ..area
        },
        Rect {
            x: area.x + left,
            width: area.width - left,
            ..area
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wide_screen_shows_every_pane_and_a_narrow_one_the_essential_two() {
        let panes = |width, height| {
            let layout = Layout::new(Rect::new(0, 0, width, height), Tab::Overview, 14);
            layout
                .panes
                .iter()
                .map(|(pane, _)| *pane)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            panes(200, 50),
            [Pane::Runs, Pane::Curves, Pane::Layers, Pane::Alarms]
        );
        assert_eq!(panes(80, 24), [Pane::Runs, Pane::Curves]);
        assert_eq!(
            panes(80, 50),
            [Pane::Runs, Pane::Curves, Pane::Layers, Pane::Alarms]
        );
        assert!(panes(20, 5).is_empty());
    }

    #[test]
    fn columns_of_a_narrow_table_keep_arm_and_outcome() {
        let kept: Vec<Column> = columns(24, 12)
            .into_iter()
            .map(|(column, ..)| column)
            .collect();
        assert_eq!(kept, [Column::Plan, Column::Arm, Column::Outcome]);
        assert_eq!(columns(90, 12).len(), Column::ALL.len());
        assert!(columns(0, 12).is_empty());
    }

    proptest! {
        // Panes lie inside the screen and never overlap, at any size, with any number of runs.
        #[test]
        fn prop_panes_tile_the_body(width in 0u16..260, height in 0u16..90, runs in 0usize..200, tab in 0usize..5) {
            let area = Rect::new(0, 0, width, height);
            let layout = Layout::new(area, Tab::ALL[tab], runs);
            for (index, (_, pane)) in layout.panes.iter().enumerate() {
                prop_assert_eq!(pane.intersection(layout.body), *pane);
                for (_, other) in &layout.panes[..index] {
                    prop_assert!(pane.intersection(*other).area() == 0);
                }
            }
        }

        #[test]
        fn prop_columns_stay_inside(width in 0u16..200, arm in 0u16..80) {
            for (_, x, column_width) in columns(width, arm) {
                prop_assert!(x + column_width <= width);
            }
        }
    }
}
