//! What tells lines apart: the name of each at its end or in one line above, and what colours and shades stand for.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};
use sweeps::overview::{Chosen, LookAxis, Looks};

use super::chart::{Chart, Named};
use crate::colour::{Depth, Ink, strong};
use crate::number::compact;
use crate::paint::{cut, cut_middle, line, put, put_right, row};
use crate::shared::Shared;

/// Names and looks of all arms and, where lines are runs, names of all runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    arms: Vec<(String, String, Ink)>,
    runs: Vec<(String, String)>,
    /// What tells it, and the axis.
    axes: Vec<(&'static str, LookAxis)>,
}

/// The letter of an arm where there are no colours; after 52 they repeat.
pub(super) fn letter(arm: usize) -> char {
    let mut letters = ('a'..='z').chain('A'..='Z').cycle().skip(arm % 52);
    letters.next().unwrap_or('?')
}

impl Names {
    pub(super) fn of(shared: &Shared, of_runs: bool) -> Self {
        let looks = &shared.groups.looks;
        let arms = looks.arms.iter().enumerate();
        let brief = |run: usize| {
            let arm = shared.groups.arm_name(run, true);
            let seed = shared.run(run).and_then(|run| run.seed);
            seed.map_or_else(|| arm.to_owned(), |seed| format!("{arm} s{seed}"))
        };
        let runs = shared.runs().filter(|_| of_runs);
        let runs = runs.map(|run| (shared.label(run).text, brief(run)));
        Self {
            arms: arms
                .map(|(arm, look)| {
                    (
                        look.name.clone(),
                        look.brief.clone(),
                        shared.groups.ink(arm),
                    )
                })
                .collect(),
            runs: runs.collect(),
            axes: ["colour", "shade"]
                .into_iter()
                .zip(looks.axes.clone())
                .collect(),
        }
    }

    /// The same for a chart of some runs, all with one value of a key: what they share is not said again.
    pub(super) fn within(&self, shared: &Shared, key: &str, runs: &[usize]) -> Self {
        let mut names = self.clone();
        names.axes.retain(|(_, axis)| axis.key != key);
        if shared.groups.by.is_some() {
            return names;
        }
        let mut arms: Vec<usize> = runs.iter().map(|run| shared.arm(*run)).collect();
        arms.sort_unstable();
        arms.dedup();
        let of_arm = |arm: &usize| {
            let run = runs.iter().find(|run| shared.arm(**run) == *arm)?;
            let run = shared.run(*run)?;
            Some((run.arm.as_str(), &*run.settings))
        };
        let described: Vec<_> = arms.iter().filter_map(of_arm).collect();
        let looks = Looks::of(&described, Chosen::default()).arms;
        for (arm, look) in arms
            .iter()
            .zip(looks)
            .filter(|(_, look)| !look.name.is_empty())
        {
            for run in runs.iter().filter(|run| shared.arm(**run) == *arm) {
                let seed = shared.run(*run).and_then(|run| run.seed);
                let named = |name: &str| {
                    seed.map_or_else(|| name.to_owned(), |seed| format!("{name} s{seed}"))
                };
                if let Some(own) = names.runs.get_mut(*run) {
                    *own = (named(&look.name), named(&look.brief));
                }
            }
            (names.arms[*arm].0, names.arms[*arm].1) = (look.name, look.brief);
        }
        names
    }

    pub(super) fn arm(&self, arm: usize) -> &str {
        self.arms.get(arm).map_or("", |(name, ..)| name)
    }

    pub(super) fn ink(&self, arm: usize) -> Ink {
        self.arms
            .get(arm)
            .map_or_else(Ink::default, |(_, _, ink)| *ink)
    }

    fn name(&self, named: &Named, brief: bool) -> &str {
        if let Some(run) = named.run {
            let names = self.runs.get(run);
            return names.map_or("", |(name, short)| if brief { short } else { name });
        }
        self.arms
            .get(named.arm)
            .map_or("", |(name, short, _)| if brief { short } else { name })
    }

    /// All names in one line with their values, without them where that is too long; none where even that is.
    fn in_one_line(&self, chart: &Chart, room: u16, depth: Depth) -> Option<Line<'static>> {
        let all = |values: bool| {
            let entries = chart.legend.iter().enumerate();
            let spans = entries.flat_map(|(index, named)| self.spans(named, index, values, depth));
            Line::from(spans.collect::<Vec<_>>())
        };
        let mut lines = [true, false].into_iter().map(all);
        lines.find(|line| line.width() <= usize::from(room))
    }

    fn spans(&self, named: &Named, index: usize, values: bool, depth: Depth) -> Vec<Span<'static>> {
        let gap = if index == 0 { "" } else { "  " };
        let mark = if depth.coloured() {
            '━'
        } else {
            letter(named.arm)
        };
        let name = self.name(named, false);
        let mut spans = vec![Span::styled(
            format!("{gap}{mark} {name}"),
            depth.arm(self.ink(named.arm)),
        )];
        if values {
            spans.push(Span::styled(
                format!(" {}", compact(named.value)),
                depth.dim(),
            ));
        }
        spans
    }

    /// Width of the names beside a chart; 0 where one line above has room for all of them.
    pub(super) fn width(&self, chart: &Chart, area: Rect, depth: Depth) -> u16 {
        if self.in_one_line(chart, area.width, depth).is_some() || area.width < 40 {
            return 0;
        }
        let width = |brief: bool| {
            let names = chart
                .legend
                .iter()
                .map(|named| Line::raw(self.name(named, brief)).width());
            names.max().unwrap_or(0) as u16 + VALUE + 3
        };
        let most = area.width / 3;
        if width(false) <= most {
            width(false)
        } else {
            width(true).min(most)
        }
    }

    /// The line above: all names, or where they stand beside the chart what colours and shades mean.
    pub(super) fn above(&self, chart: &Chart, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let all = self.in_one_line(chart, area.width, depth);
        line(
            buffer,
            area,
            area.x,
            &all.unwrap_or_else(|| self.axes(depth)),
        );
    }

    fn axes(&self, depth: Depth) -> Line<'static> {
        let mut spans = Vec::new();
        for (what, axis) in &self.axes {
            let key = words::last_part(&axis.key);
            let gap = if spans.is_empty() { "" } else { "  ·  " };
            spans.push(Span::styled(format!("{gap}{what} {key}"), depth.dim()));
            for (place, value) in axis.values.iter().enumerate() {
                let ink = if *what == "shade" {
                    Ink {
                        colour: 7,
                        shade: place,
                        shades: axis.values.len(),
                    }
                } else {
                    Ink {
                        shades: 1,
                        ..Ink::plain(place)
                    }
                };
                spans.push(Span::styled(format!(" {value}"), depth.arm(ink)));
            }
        }
        Line::from(spans)
    }

    /// The names beside a chart, each as near to the end of its line as the others leave room for; `ends` are the rows of these
    /// ends. What has no room is counted in the last row.
    pub(super) fn beside(
        &self,
        chart: &Chart,
        ends: &[(usize, u16)],
        area: Rect,
        depth: Depth,
        buffer: &mut Buffer,
    ) {
        let mut entries: Vec<(usize, u16)> = ends.to_vec();
        entries.sort_by_key(|(_, row)| *row);
        let room = usize::from(area.height);
        let hidden = entries.len().saturating_sub(room);
        let shown = if hidden > 0 {
            thinned(&entries, room.saturating_sub(1))
        } else {
            entries
        };
        let rows = spread(
            &shown.iter().map(|(_, row)| *row).collect::<Vec<_>>(),
            area.height,
        );
        for ((entry, _), at) in shown.iter().zip(rows) {
            self.entry(&chart.legend[*entry], row(area, area.y + at), depth, buffer);
        }
        if hidden > 0 && room > 0 {
            let text = format!("+{} more", hidden + 1);
            put_right(
                buffer,
                row(area, area.bottom() - 1),
                area.right(),
                &text,
                depth.dim(),
            );
        }
    }

    fn entry(&self, named: &Named, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let style = if named.run.is_some() {
            strong().patch(depth.arm(self.ink(named.arm)))
        } else {
            depth.arm(self.ink(named.arm))
        };
        let mark = if depth.coloured() {
            '━'
        } else {
            letter(named.arm)
        };
        let x = put(buffer, area, area.x + 1, &format!("{mark} "), style);
        let room = (area.right() - VALUE).saturating_sub(x);
        let name = Some(self.name(named, false))
            .filter(|name| Line::raw(*name).width() <= usize::from(room));
        let name = name.map_or_else(
            || cut_middle(self.name(named, true), room),
            |name| cut(name, room),
        );
        put(buffer, area, x, &name, style);
        put_right(
            buffer,
            area,
            area.right(),
            &compact(named.value),
            depth.dim(),
        );
    }
}

/// Width of a value.
const VALUE: u16 = 9;

/// So many of some entries, evenly from first to last.
fn thinned<T: Copy>(entries: &[T], count: usize) -> Vec<T> {
    let last = entries.len().saturating_sub(1);
    let place = |index: usize| {
        if count < 2 {
            0
        } else {
            index * last / (count - 1)
        }
    };
    (0..count)
        .filter_map(|index| entries.get(place(index)).copied())
        .collect()
}

/// Rows as near to the wanted ones, which ascend, as distinct rows below `height` can be.
fn spread(wanted: &[u16], height: u16) -> Vec<u16> {
    let mut rows: Vec<u16> = Vec::with_capacity(wanted.len());
    for row in wanted {
        rows.push((*row).max(rows.last().map_or(0, |last| last + 1)));
    }
    let mut below = height;
    for row in rows.iter_mut().rev() {
        *row = (*row).min(below.saturating_sub(1));
        below = *row;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_at_their_lines_and_move_apart() {
        assert_eq!(spread(&[3, 3, 3, 9], 10), [3, 4, 5, 9]);
        assert_eq!(spread(&[9, 9, 9], 10), [7, 8, 9]);
        assert_eq!(thinned(&[0, 1, 2, 3, 4], 3), [0, 2, 4]);
    }

    proptest! {
        #[test]
        fn prop_no_two_names_share_a_row(mut wanted in prop::collection::vec(0u16..40, 0..40)) {
            wanted.sort_unstable();
            let rows = spread(&wanted, 40);
            prop_assert!(rows.windows(2).all(|pair| pair[0] < pair[1]), "{rows:?}");
            prop_assert!(rows.iter().all(|row| *row < 40));
        }
    }
}
