//! Differences of the card's metric between two values of an axis, seed by seed: a row for each two arms.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::Line,
};
use sweeps::by_axis::Pairs;
use sweeps::card::{label, named};
use toml::Value;

use super::Drawn;
use crate::colour::{Depth, Ink};
use crate::list::List;
use crate::number::compact;
use crate::paint::{cut, put, put_right, row, rows};
use crate::scroll::Scroll;
use crate::shared::Shared;

/// Narrowest part of a row in which differences are drawn.
const NARROWEST: u16 = 16;

/// Two arms.
#[derive(Debug, Clone)]
struct Pair {
    arm: String,
    name: String,
    /// Mean, interval and pairs, and the same in fewer words.
    text: String,
    brief: String,
    lost: bool,
    ink: Ink,
    pairs: Pairs,
}

#[derive(Debug, Default)]
pub(super) struct Differences {
    title: String,
    pairs: Vec<Pair>,
    list: List,
    /// The area with a frame around it.
    frame: Rect,
    here: Option<usize>,
    /// Least and greatest value drawn, zero among them.
    range: (f64, f64),
    /// Widths of names and of what is written, and whether that is in few words.
    widths: (u16, u16),
    brief: bool,
}

impl Differences {
    /// Takes in the pairs of arms against a value of an axis.
    pub(super) fn show(
        &mut self,
        found: &[Pairs],
        (key, value): &(String, Value),
        metric: &str,
        shared: &Shared,
        area: Rect,
    ) {
        self.title = format!("· difference of {metric} from {} ", named(key, value));
        self.pairs = found.iter().map(|pairs| pair(pairs, key, shared)).collect();
        let here = shared.arm_here();
        let is_here = |pair: &Pair| Some(&*pair.arm) == here;
        self.here = self.pairs.iter().position(is_here);
        self.frame = Rect {
            x: area.x.saturating_sub(1),
            y: area.y.saturating_sub(1),
            width: area.width.saturating_add(2),
            height: area.height.saturating_add(2),
        };
        let row = self.here.unwrap_or(self.list.offset);
        let row = row.min(self.pairs.len().saturating_sub(1));
        self.list.fit(row, self.pairs.len(), List::page(self.frame));
        let drawn = self.pairs.iter().flat_map(|pair| {
            let seeds = pair.pairs.differences.iter().map(|(_, value)| *value);
            let ends = pair.pairs.estimate.and_then(|found| found.interval);
            seeds.chain(ends.into_iter().flat_map(|ends| [ends.low, ends.high]))
        });
        let drawn = drawn.filter(|value| value.is_finite());
        self.range = drawn.fold((0.0, 0.0), |(low, high), value| {
            (f64::min(low, value), f64::max(high, value))
        });
        self.fit(area.width);
    }

    /// Words as long as leave room for a plot.
    fn fit(&mut self, width: u16) {
        let longest = |text: &dyn Fn(&Pair) -> &str| {
            let widths = self.pairs.iter().map(|pair| Line::raw(text(pair)).width());
            widths.max().unwrap_or(0) as u16
        };
        let names = longest(&|pair| &pair.name).min(width / 3);
        let (whole, brief) = (longest(&|pair| &pair.text), longest(&|pair| &pair.brief));
        self.brief = names + whole + NARROWEST + 6 > width;
        let texts = if self.brief { brief } else { whole };
        self.widths = (names, texts.min(width / 2));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub(super) fn title(&self) -> String {
        self.title.clone()
    }

    pub(super) fn shown(&self) -> String {
        self.list.shown(self.frame).to_string()
    }

    pub(super) fn moved(&self, by: Scroll, can: &dyn Fn(&str) -> bool) -> Option<&str> {
        let page = List::page(self.frame);
        let target = self
            .here
            .map_or(0, |here| by.from(here, self.pairs.len(), page, 3));
        let arm = &*self.pairs.get(target)?.arm;
        can(arm).then_some(arm)
    }

    pub(super) fn arm_at(&self, at: Position) -> Option<&str> {
        let row = self.list.row_at(at, self.frame)?;
        self.pairs.get(row).map(|pair| &*pair.arm)
    }

    /// All differences, for a file.
    pub(super) fn numbers(&self) -> Vec<Vec<String>> {
        let heads = ["others", "value", "reference", "seed", "difference"];
        let mut table = vec![heads.map(str::to_owned).to_vec()];
        for pair in &self.pairs {
            let pairs = &pair.pairs;
            for (seed, difference) in &pairs.differences {
                table.push(vec![
                    match others(pairs) {
                        others if others.is_empty() => "all".to_owned(),
                        others => others,
                    },
                    label(&pairs.value),
                    label(&pairs.reference),
                    seed.to_string(),
                    difference.to_string(),
                ]);
            }
        }
        table
    }

    /// Where differences are drawn within a row.
    fn plot(&self, line: Rect) -> Rect {
        let (names, texts) = self.widths;
        let left = names + texts + 5;
        Rect {
            x: line.x.saturating_add(left),
            width: line.width.saturating_sub(left + 1),
            ..line
        }
        .intersection(line)
    }

    /// Place of a value in a plot.
    fn x(&self, value: f64, plot: Rect) -> u16 {
        let (low, high) = self.range;
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        let last = f64::from(plot.width.saturating_sub(1));
        plot.x + (share.clamp(0.0, 1.0) * last).round() as u16
    }

    fn draw_pair(&self, pair: &Pair, line: Rect, depth: Depth, buffer: &mut Buffer) {
        let (names, texts) = self.widths;
        let style = depth.arm(pair.ink);
        put(buffer, line, line.x + 2, &cut(&pair.name, names), style);
        let x = line.x + names + 4;
        let said = if pair.lost {
            depth.warn()
        } else {
            Style::new()
        };
        let text = if self.brief { &pair.brief } else { &pair.text };
        put(buffer, line, x, &cut(text, texts), said);
        let plot = self.plot(line);
        if plot.width < NARROWEST {
            return;
        }
        let mut mark = |value: f64, glyph: &str, style: Style| {
            put(buffer, plot, self.x(value, plot), glyph, style);
        };
        mark(0.0, "│", depth.faint());
        let estimate = pair.pairs.estimate;
        if let Some(ends) = estimate.and_then(|found| found.interval) {
            let (low, high) = (self.x(ends.low, plot), self.x(ends.high, plot));
            for x in low..=high {
                put(buffer, plot, x, "─", depth.dim());
            }
        }
        let mut mark = |value: f64, glyph: &str, style: Style| {
            put(buffer, plot, self.x(value, plot), glyph, style);
        };
        for (_, difference) in &pair.pairs.differences {
            mark(*difference, "•", style);
        }
        if let Some(found) = estimate {
            mark(found.mean, "┃", style);
        }
    }
}

impl Drawn for Differences {
    fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let heading = rows(area, 0, 1);
        let head = "mean ┃ of seeds •, 95 % t interval ─";
        let plot = self.plot(heading);
        let (left, right) = self.range;
        if plot.width >= NARROWEST && right > left {
            for value in [left, 0.0, right] {
                let text = compact(value);
                let x = self.x(value, plot);
                if value == right {
                    put_right(buffer, plot, plot.right(), &text, depth.dim());
                } else if value == left || x > plot.x + 8 && x + 8 < plot.right() {
                    put(buffer, plot, x, &text, depth.dim());
                }
            }
        }
        let room = plot.x.saturating_sub(heading.x + 3);
        put(
            buffer,
            heading,
            heading.x + 2,
            &cut(head, room),
            depth.dim(),
        );
        let lines = self.pairs.iter().enumerate().skip(self.list.offset);
        for ((number, pair), line) in lines.zip(area.rows().skip(1)) {
            self.draw_pair(pair, row(area, line.y), depth, buffer);
            if self.here == Some(number) {
                put(buffer, line, line.x, "▸", depth.accent());
            }
        }
        self.list.scrollbar(self.frame, depth, buffer);
    }
}

fn others(pairs: &Pairs) -> String {
    let parts = pairs.at.iter().map(|(key, value)| named(key, value));
    parts.collect::<Vec<_>>().join(" ")
}

fn pair(pairs: &Pairs, key: &str, shared: &Shared) -> Pair {
    let others = others(pairs);
    let value = named(key, &pairs.value);
    let count = words::counted(pairs.differences.len() as u64, "pair");
    let lost = match pairs.not_finite {
        0 => [String::new(), String::new()],
        lost => [format!(", {lost} not finite"), format!(", {lost} ✕")],
    };
    let mean = pairs.estimate.map(|found| compact(found.mean));
    let mean = mean.unwrap_or_else(|| "–".to_owned());
    let ends = pairs.estimate.and_then(|found| found.interval);
    let ends = ends.map_or_else(String::new, |ends| {
        format!(" ({} to {})", compact(ends.low), compact(ends.high))
    });
    let ink = shared.first_of(&pairs.arm).map(|run| shared.ink(run));
    Pair {
        arm: pairs.arm.clone(),
        name: if others.is_empty() {
            value
        } else {
            format!("{others}: {value}")
        },
        text: format!("{mean}{ends}, {count}{}", lost[0]),
        brief: format!("{mean}, n={}{}", pairs.differences.len(), lost[1]),
        lost: pairs.not_finite > 0,
        ink: ink.unwrap_or_default(),
        pairs: pairs.clone(),
    }
}
