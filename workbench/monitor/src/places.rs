//! Where everything is. Computed from the size alone, so that drawing and mouse clicks cannot disagree.

use ratatui::layout::{Constraint, Layout, Position, Rect};

use crate::pane::{Corner, Entry, Place};
use crate::panes::Tab;

/// Below this size the panes make no sense and a few plain lines are drawn instead.
const SMALLEST: (u16, u16) = (44, 10);

/// The rectangles of one screen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub(crate) area: Rect,
    /// Too small for panes.
    pub(crate) compact: bool,
    /// Title line and progress line.
    pub(crate) header: Rect,
    pub(crate) tabs: Rect,
    pub(crate) bar: Rect,
    /// Numbers of the panes on the screen with their frames, in order of focus.
    pub(crate) panes: Vec<(usize, Rect)>,
}

impl Places {
    /// Of a screen of this size that shows a tab of a sweep of so many `runs`.
    pub(crate) fn new(area: Rect, tab: Tab, panes: &[Entry], runs: usize) -> Self {
        let [header, tabs, body, bar] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        let compact = area.width < SMALLEST.0 || area.height < SMALLEST.1;
        let panes = match tab.pane {
            _ if compact => Vec::new(),
            Some(pane) => vec![(pane, body)],
            None => overview(body, runs)
                .into_iter()
                .filter_map(|(corner, area)| Some((in_corner(panes, corner)?, area)))
                .collect(),
        };
        Self {
            area,
            compact,
            header,
            tabs,
            bar,
            panes,
        }
    }

    /// Where a pane stands, if it is on the screen.
    pub(crate) fn place(&self, pane: usize, focus: usize) -> Option<Place> {
        let mut panes = self.panes.iter();
        let (_, area) = panes.find(|(number, _)| *number == pane)?;
        Some(Place {
            area: *area,
            focused: pane == focus,
            alone: self.panes.len() == 1,
        })
    }

    pub(crate) fn pane_at(&self, at: Position) -> Option<usize> {
        let mut panes = self.panes.iter();
        let (pane, _) = panes.find(|(_, area)| area.contains(at))?;
        Some(*pane)
    }
}

fn in_corner(panes: &[Entry], corner: Corner) -> Option<usize> {
    panes.iter().position(|pane| pane.corner == Some(corner))
}

/// The corners in order of focus, as many as a size has room for. The upper left one grows with the number of runs.
fn overview(body: Rect, runs: usize) -> Vec<(Corner, Rect)> {
    let wanted = u16::try_from(runs + 3).unwrap_or(u16::MAX);
    let areas = if body.width >= 116 {
        let (left, right) = columns(body, (body.width * 43 / 100).clamp(56, 92));
        if body.height < 24 {
            vec![left, right]
        } else {
            let (upper_left, lower_left) = rows(left, wanted.clamp(8, left.height * 2 / 3));
            let (upper_right, lower_right) = rows(right, right.height * 64 / 100);
            vec![upper_left, upper_right, lower_right, lower_left]
        }
    } else if body.height >= 34 {
        let (first, rest) = rows(body, wanted.clamp(7, body.height * 3 / 10));
        let (second, rest) = rows(rest, rest.height / 2);
        let (third, fourth) = rows(rest, rest.height * 6 / 10);
        vec![first, second, third, fourth]
    } else if body.height < 13 {
        // Two panes of five rows would show nothing of either.
        vec![body]
    } else {
        let (first, second) = rows(body, wanted.max(5).min(body.height / 2));
        vec![first, second]
    };
    Corner::ALL.into_iter().zip(areas).collect()
}

fn rows(area: Rect, upper: u16) -> (Rect, Rect) {
    let [upper, lower] =
        Layout::vertical([Constraint::Length(upper), Constraint::Fill(1)]).areas(area);
    (upper, lower)
}

fn columns(area: Rect, left: u16) -> (Rect, Rect) {
    let [left, right] =
        Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(area);
    (left, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panes::{PANES, tabs};
    use proptest::prelude::*;

    #[test]
    fn a_wide_screen_shows_every_corner_and_a_narrow_one_the_essential_two() {
        let panes = |width, height| {
            let area = Rect::new(0, 0, width, height);
            let places = Places::new(area, Tab::OVERVIEW, &PANES, 14);
            let panes = places.panes.iter().map(|(pane, _)| PANES[*pane].name);
            panes.collect::<Vec<_>>()
        };
        assert_eq!(panes(200, 50), ["runs", "curves", "layers", "alarms"]);
        assert_eq!(panes(80, 24), ["runs", "curves"]);
        assert_eq!(panes(80, 50), ["runs", "curves", "layers", "alarms"]);
        assert!(panes(20, 5).is_empty());
    }

    proptest! {
        // Panes lie inside the screen and never overlap, at any size, with any number of runs.
        #[test]
        fn prop_panes_never_overlap(width in 0u16..260, height in 0u16..90, runs in 0usize..200, tab in 0usize..5) {
            let area = Rect::new(0, 0, width, height);
            let tab = tabs(&PANES).nth(tab).unwrap();
            let places = Places::new(area, tab, &PANES, runs);
            for (index, (_, pane)) in places.panes.iter().enumerate() {
                prop_assert_eq!(pane.intersection(area), *pane);
                let others = places.panes[..index].iter().map(|(_, other)| *other);
                for other in others.chain([places.header, places.tabs, places.bar]) {
                    prop_assert!(pane.intersection(other).is_empty());
                }
            }
        }
    }
}
