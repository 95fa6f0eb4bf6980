//! Which charts stand where.

use std::ops::Range;

use ratatui::layout::{Constraint, Direction, Layout, Rect};

/// Most charts of one signal at once: more would have no rows to draw in.
const MOST: usize = 9;
/// Least size of a chart in cells.
const LEAST: (u16, u16) = (30, 7);
/// Charts of this width at least stand in one row, where their y axes can be compared.
const WIDE: u16 = 40;

/// The panels and facets that are on the screen, and the area of each chart, panel after panel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) panels: Range<usize>,
    pub(super) facets: Range<usize>,
    pub(super) areas: Vec<Rect>,
}

impl Plan {
    /// All panels with all facets where every chart has room; else those of the panel `active` alone, as many as have room, `here`
    /// among them.
    pub(super) fn new(
        inner: Rect,
        (panels, active): (usize, usize),
        (facets, here): (usize, usize),
    ) -> Self {
        let panels = panels.max(1);
        if let Some(areas) = Self::whole(inner, panels, facets) {
            return Self {
                panels: 0..panels,
                facets: 0..facets,
                areas,
            };
        }
        let shown = facets.min(room(inner)).clamp(1, MOST);
        let first = (here / shown * shown).min(facets - shown);
        Self {
            panels: active..active + 1,
            facets: first..first + shown,
            areas: tiles(inner, shown),
        }
    }

    /// The areas of all charts, if they have room: those of one facet or of one signal as [`tiles`]; else for each signal a row, or
    /// tiles of its own.
    fn whole(inner: Rect, panels: usize, facets: usize) -> Option<Vec<Rect>> {
        if facets == 1 {
            return Some(tiles(inner, panels));
        }
        if panels == 1 {
            return (facets <= room(inner).min(MOST)).then(|| tiles(inner, facets));
        }
        if panels > usize::from(inner.height / LEAST.1) {
            return None;
        }
        let rows = split(Direction::Vertical, inner, panels);
        if facets <= usize::from(inner.width / WIDE) {
            let cells = rows.into_iter();
            let cells = cells.flat_map(|row| split(Direction::Horizontal, row, facets));
            return Some(cells.collect());
        }
        let least = rows.iter().map(|row| room(*row)).min().unwrap_or(0);
        let cells = rows.into_iter().flat_map(|row| tiles(row, facets));
        (facets <= least).then(|| cells.collect())
    }

    /// Areas with the panel and the facet of each.
    pub(super) fn charts(&self) -> impl Iterator<Item = (usize, usize, Rect)> {
        let facets = self.facets.len().max(1);
        let areas = self.areas.iter().enumerate();
        areas.map(move |(at, area)| (self.panels.start + at / facets, at % facets, *area))
    }
}

/// How many charts have room.
fn room(inner: Rect) -> usize {
    usize::from(inner.height / LEAST.1) * usize::from(inner.width / LEAST.0)
}

fn split(direction: Direction, area: Rect, parts: usize) -> Vec<Rect> {
    Layout::new(direction, vec![Constraint::Fill(1); parts])
        .split(area)
        .to_vec()
}

/// One or two on top of each other, more of them, or where they would become too flat, in as many columns of at least 30 cells as
/// leave each of them seven rows.
fn tiles(inner: Rect, count: usize) -> Vec<Rect> {
    let count = count.max(1);
    let tall = usize::from(inner.height / LEAST.1).max(1);
    let wide = usize::from(inner.width / LEAST.0).max(1);
    let columns = match count {
        1 | 2 if inner.height >= 2 * LEAST.1 => 1,
        3.. if inner.width >= 140 => count.div_ceil(tall.min(2)).clamp(1, wide),
        _ => count.div_ceil(tall).clamp(1, wide.min(count)),
    };
    let lines = count.div_ceil(columns);
    let lines = split(Direction::Vertical, inner, lines);
    let cells = lines
        .into_iter()
        .flat_map(|line| split(Direction::Horizontal, line, columns));
    cells.take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(size: (u16, u16), panels: usize, facets: (usize, usize)) -> Plan {
        Plan::new(Rect::new(1, 1, size.0, size.1), (panels, 0), facets)
    }

    /// Two signals of a sweep with four facets: all eight charts where they have room, else all facets of one signal.
    #[test]
    fn a_small_screen_has_all_facets_of_one_signal_before_some_of_two() {
        for (size, panels) in [((78, 18), 1), ((118, 34), 2), ((198, 54), 2)] {
            let plan = plan(size, 2, (4, 0));
            assert_eq!(
                (plan.panels.len(), plan.facets.len()),
                (panels, 4),
                "{size:?}"
            );
        }
    }

    #[test]
    fn where_not_all_have_room_those_around_the_cursor_are_shown() {
        let shown = |here| plan((78, 18), 1, (10, here)).facets;
        assert_eq!([shown(0), shown(5), shown(9)], [0..4, 4..8, 6..10]);
    }

    proptest! {
        // Every chart is inside, overlaps no other, and the facet of the cursor has one.
        #[test]
        fn prop_charts_never_overlap(width in 1u16..260, height in 1u16..90, panels in 0usize..10, facets in 1usize..40, at in 0usize..40) {
            let (inner, here) = (Rect::new(1, 1, width, height), at % facets);
            let active = at % panels.max(1);
            let plan = Plan::new(inner, (panels, active), (facets, here));
            prop_assert_eq!(plan.areas.len(), plan.panels.len() * plan.facets.len());
            prop_assert!(plan.facets.contains(&here) && plan.panels.contains(&active));
            for (index, area) in plan.areas.iter().enumerate() {
                prop_assert_eq!(area.intersection(inner), *area);
                prop_assert!(plan.areas[..index].iter().all(|other| other.intersection(*area).is_empty()));
            }
        }
    }
}
