//! What tells lines apart: the name of each at its end or in one line above, and what colours and shades stand for.

use std::ops::Range;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
};
use sweeps::overview::{Chosen, LookAxis, Looks};

use super::chart::{Chart, Named};
use crate::colour::{Depth, Ink, strong};
use crate::number::compact;
use crate::paint::{line, put, put_right, row, rows, shortened};
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

    /// The same for a chart of some runs, all with one value of some keys: what they share is not said again.
    pub(super) fn within(&self, shared: &Shared, keys: &[&str], runs: &[usize]) -> Self {
        let mut names = self.clone();
        names.axes.retain(|(_, axis)| !keys.contains(&&*axis.key));
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

    /// All names in one line with their values; unless these are asked for, without them where that is too long, and in a narrow
    /// chart as short as they can be. None where even that is too long.
    fn in_one_line(&self, chart: &Chart, room: u16, depth: Depth) -> Option<Line<'static>> {
        let all = |how: Entry| {
            let entries = chart.legend.iter().enumerate();
            let spans = entries.flat_map(|(index, named)| self.spans(named, index, how, depth));
            Line::from(spans.collect::<Vec<_>>())
        };
        let asked = chart.choices.cursor.is_some();
        let whole = Entry {
            values: true,
            brief: false,
            gap: 2,
        };
        let named = (!asked).then_some(Entry {
            values: false,
            ..whole
        });
        let brief = (!asked && room < NARROW).then_some(Entry {
            values: false,
            brief: true,
            gap: 1,
        });
        let mut lines = [Some(whole), named, brief].into_iter().flatten().map(all);
        lines.find(|line| line.width() <= usize::from(room))
    }

    fn spans(&self, named: &Named, index: usize, how: Entry, depth: Depth) -> Vec<Span<'static>> {
        let gap = " ".repeat(if index == 0 { 0 } else { how.gap });
        let mark = if depth.coloured() {
            '━'
        } else {
            letter(named.arm)
        };
        let name = self.name(named, how.brief);
        let mut spans = vec![Span::styled(
            format!("{gap}{mark} {name}"),
            depth.arm(self.ink(named.arm)),
        )];
        if how.values {
            spans.push(Span::styled(
                format!(" {}", compact(named.value)),
                depth.dim(),
            ));
        }
        spans
    }

    /// Width of the names beside a chart; 0 where one line above has room for all of them, and where the plot would have none.
    pub(super) fn width(&self, chart: &Chart, area: Rect, depth: Depth) -> u16 {
        if self.in_one_line(chart, area.width, depth).is_some() || area.width < 28 {
            return 0;
        }
        let value = if area.width < NARROW {
            value_width(chart)
        } else {
            MOST_VALUE
        };
        let most = if area.width < NARROW {
            area.width * 2 / 5
        } else {
            area.width / 3
        };
        let (whole, brief) = (self.longest(chart, false), self.longest(chart, true));
        if whole + value + MARK <= most {
            whole + value + MARK
        } else {
            (brief + value + MARK).min(most)
        }
    }

    /// Width of the longest name.
    fn longest(&self, chart: &Chart, brief: bool) -> u16 {
        let names = chart.legend.iter();
        let widths = names.map(|named| Line::raw(self.name(named, brief)).width());
        widths.max().unwrap_or(0) as u16
    }

    /// Width of the values beside names: none where names would be cut for values that nobody asked for.
    fn value_room(&self, chart: &Chart, room: u16) -> u16 {
        let value = value_width(chart);
        let asked = chart.choices.cursor.is_some();
        if asked || self.longest(chart, true) + value + MARK <= room {
            value
        } else {
            0
        }
    }

    /// The line above: all names, or where they stand beside the chart what colours and shades mean.
    pub(super) fn above(&self, chart: &Chart, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let all = self.in_one_line(chart, area.width, depth);
        line(
            buffer,
            area,
            area.x,
            &all.unwrap_or_else(|| self.axes(area.width, depth)),
        );
    }

    /// What colours and shades mean. Where the line has no room for that, its parts stand closer together, and then words are cut;
    /// numbers never are, since a part of one is another.
    fn axes(&self, room: u16, depth: Depth) -> Line<'static> {
        let is_word = |value: &&String| value.parse::<f64>().is_err();
        let values = self.axes.iter().flat_map(|(_, axis)| &axis.values);
        let words = values.filter(is_word).count().max(1);
        let room = usize::from(room);
        let left = room.saturating_sub(self.axes_of((" · ", 0), depth).width());
        let each = u16::try_from(left / words).unwrap_or(u16::MAX).max(2);
        let ways = [("  ·  ", u16::MAX), (" · ", u16::MAX), (" · ", each)];
        let mut lines = ways.map(|way| self.axes_of(way, depth)).into_iter();
        let fits = lines.find(|line| line.width() <= room);
        fits.unwrap_or_else(|| self.axes_of((" · ", each), depth))
    }

    /// The same with words of at most so many cells.
    fn axes_of(&self, (between, most): (&'static str, u16), depth: Depth) -> Line<'static> {
        let mut spans = Vec::new();
        for (what, axis) in &self.axes {
            let key = words::last_part(&axis.key);
            let gap = if spans.is_empty() { "" } else { between };
            spans.push(Span::styled(format!("{gap}{what} {key}"), depth.dim()));
            let values: Vec<&str> = axis.values.iter().map(String::as_str).collect();
            let numbers = values.iter().all(|value| value.parse::<f64>().is_ok());
            let most = if numbers { u16::MAX } else { most };
            for (place, value) in shortened(&values, most).into_iter().enumerate() {
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
    /// ends. Where not all have room, those around the run under the cursor stand there, and the last row says how many there are
    /// above and below them.
    pub(super) fn beside(
        &self,
        (chart, focus): (&Chart, (usize, usize)),
        ends: &[(usize, u16)],
        area: Rect,
        depth: Depth,
        buffer: &mut Buffer,
    ) {
        let is_focus = |entry: usize| {
            let named = &chart.legend[entry];
            named.run.map_or(named.arm == focus.1, |run| run == focus.0)
        };
        let mut entries: Vec<(usize, u16)> = ends.to_vec();
        entries.sort_by_key(|(_, row)| *row);
        let room = usize::from(area.height);
        let names = if entries.len() > room {
            rows(area, 0, area.height.saturating_sub(1))
        } else {
            area
        };
        let here = entries.iter().position(|(entry, _)| is_focus(*entry));
        let shown = window(entries.len(), usize::from(names.height), here.unwrap_or(0));
        let wanted: Vec<u16> = entries[shown.clone()].iter().map(|(_, row)| *row).collect();
        let width = self.value_room(chart, area.width);
        let briefs: Vec<&str> = chart.legend.iter().map(|at| self.name(at, true)).collect();
        let briefs = shortened(&briefs, area.width.saturating_sub(width + MARK));
        for ((entry, _), at) in entries[shown.clone()]
            .iter()
            .zip(spread(&wanted, names.height))
        {
            let place = row(names, names.y + at);
            let named = (&chart.legend[*entry], briefs[*entry].as_str());
            self.entry(named, (place, width), depth, buffer);
            if is_focus(*entry) && entries.len() > 1 {
                buffer.set_style(place.intersection(buffer.area), Modifier::BOLD);
                put(buffer, place, place.x, "▸", depth.accent());
            }
        }
        if names != area {
            let (above, below) = (shown.start, entries.len() - shown.end);
            let text = format!("↑{above} ↓{below} more");
            let last = row(area, area.bottom().saturating_sub(1));
            put_right(buffer, last, area.right(), &text, depth.dim());
        }
    }

    /// A name, whole where there is room, and its value.
    fn entry(
        &self,
        (named, brief): (&Named, &str),
        (area, width): (Rect, u16),
        depth: Depth,
        buffer: &mut Buffer,
    ) {
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
        let room = (area.right().saturating_sub(width)).saturating_sub(x);
        let whole = self.name(named, false);
        let name = if Line::raw(whole).width() <= usize::from(room) {
            whole
        } else {
            brief
        };
        put(buffer, area, x, name, style);
        if width > 0 {
            let value = compact(named.value);
            put_right(buffer, area, area.right(), &value, depth.dim());
        }
    }
}

/// How a name stands in a line with others.
#[derive(Debug, Clone, Copy)]
struct Entry {
    values: bool,
    brief: bool,
    /// Blanks before it.
    gap: usize,
}

/// Cells before a name: that of `▸`, the mark, a blank.
const MARK: u16 = 3;

/// Charts below this width have their names as short as they can be.
const NARROW: u16 = 60;

/// Most cells of a value and the blank before it.
const MOST_VALUE: u16 = 9;

/// Width of the values of a chart and the blank before them.
fn value_width(chart: &Chart) -> u16 {
    let widths = chart.legend.iter().map(|named| compact(named.value).len());
    (widths.max().unwrap_or(0) as u16 + 1).min(MOST_VALUE)
}

/// So many of some entries, `here` among them and if it can be in their middle.
fn window(length: usize, count: usize, here: usize) -> Range<usize> {
    let count = count.min(length);
    let first = here.saturating_sub(count / 2).min(length - count);
    first..first + count
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
        assert_eq!(
            [window(9, 4, 0), window(9, 4, 4), window(9, 4, 8)],
            [0..4, 2..6, 5..9]
        );
        assert_eq!([window(2, 4, 1), window(3, 0, 2)], [0..2, 2..2]);
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
