//! The outcomes of a grid of arms: one axis downwards, one to the right, a table for each setting of the other axes, and in each
//! cell how many of how many runs show what the card counts. Or the differences of the metric, seed by seed.

use std::sync::Arc;

use ratatui::crossterm::event::KeyCode;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};
use sweeps::by_axis::Pairs;
use sweeps::card::{label, named, same};
use toml::Value;

use crate::colour::{Depth, strong};
use crate::command::{self, Outcome, PaneCommand, commands};
use crate::keys::{Binding, bindings, key, letter};
use crate::paint::{cut, hint, put, rows, wrapped};
use crate::pane::{Act, Entry, Keys, Pane, Place};
use crate::scroll::Scroll;
use crate::shared::{Axes, Shared, UNCOUNTED, resolve};
use crate::worker::Worked;

mod counts;
mod differences;

use counts::{Asked, Counts, DOWN, Table};
use differences::Differences;

pub(super) const ENTRY: Entry = Entry {
    name: "outcomes",
    title: "Outcomes",
    about: "outcomes by two axes, and differences seed by seed",
    corner: None,
    make: || Box::new(Outcomes::default()),
};

/// Rows that the tables keep, whatever the criteria have to say.
const FEWEST_ROWS: u16 = 4;

#[derive(Default)]
struct Outcomes {
    /// The axes that the user chose.
    chosen: Option<Asked>,
    /// Whether differences are shown, and what the user chose to take them from.
    compares: bool,
    reference: Option<(String, Value)>,
    counted: Worked<(u64, Asked), Arc<Counts>>,
    paired: Worked<(u64, (String, Value)), Vec<Pairs>>,
    table: Table,
    differences: Differences,
    /// What the criteria find, in lines that fit, and whether they are cut.
    below: Vec<String>,
    empty: &'static str,
    event: String,
}

impl Keys for Outcomes {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('t')] "t" "turn" "exchange the axes; of differences, take the next axis" |pane, shared| pane.turn(shared);
        [letter('w')] "w" "differences" "outcomes, or differences of the metric seed by seed" |pane, _| pane.compares = !pane.compares;
        [key(KeyCode::Left)] "←" "" "cell to the left (↑ ↓ up and down; enter opens its run)" |pane, shared| pane.across(shared, -1);
        [key(KeyCode::Right)] "→" "" "cell to the right" |pane, shared| pane.across(shared, 1);
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "outcomes" "KEY [KEY|down]" "axes of the outcomes, downwards and to the right" =>
            Self::choose,
            |_, shared| keys(shared),
            |pane, _| pane.chosen.as_ref().and_then(Asked::words);
        "pairs" "on|off|KEY [VALUE]" "differences of the metric from a value of an axis" =>
            Self::compare,
            |_, shared| [vec!["on".to_owned(), "off".to_owned()], keys(shared)].concat(),
            |pane, _| pane.compares.then(|| pane.reference.as_ref().map_or_else(
                || "on".to_owned(),
                |(key, value)| format!("{key} {}", label(value)),
            ));
    ];
}

fn keys(shared: &Shared) -> Vec<String> {
    shared.axes().map_or_else(Vec::new, |axes| axes.keys())
}

impl Pane for Outcomes {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        let Some(axes) = shared.axes() else {
            self.empty = UNCOUNTED;
            (self.table, self.differences) = (Table::default(), Differences::default());
            self.below.clear();
            return;
        };
        self.event.clone_from(&axes.event);
        self.prepare_below(shared, place);
        let area = self.main(place.inner());
        if self.compares {
            self.prepare_differences(shared, &axes, area);
        } else {
            self.prepare_counts(shared, &axes, area);
        }
    }

    fn hear(&mut self) -> bool {
        self.counted.hear() | self.paired.hear()
    }

    fn wait(&mut self) -> bool {
        self.counted.wait() | self.paired.wait()
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let inner = place.inner();
        let main = self.main(inner);
        let (title, right, shown) = if self.compares {
            (
                self.differences.title(),
                String::new(),
                self.differences.shown(),
            )
        } else {
            let right = format!(" runs that {} · … some to come ", self.event);
            let right = Some(right).filter(|_| !self.event.is_empty());
            (
                self.table.title(),
                right.unwrap_or_default(),
                self.table.shown(),
            )
        };
        let title = vec![
            Span::styled(" Outcomes ", strong()),
            Span::styled(title, depth.dim()),
        ];
        let right = Line::styled(right, depth.dim());
        let shown = Line::styled(shown, depth.dim()).right_aligned();
        place
            .frame(Line::from(title), right, depth)
            .title_bottom(shown)
            .render(place.area, buffer);
        let (empty, drawn) = if self.compares {
            (self.differences.is_empty(), &self.differences as &dyn Drawn)
        } else {
            (self.table.is_empty(), &self.table as &dyn Drawn)
        };
        if empty {
            hint(buffer, main, self.empty, depth);
        } else {
            drawn.draw(main, depth, buffer);
        }
        let below = rows(inner, main.height + 1, inner.height);
        for (line, text) in below.rows().zip(&self.below) {
            let text = cut(text, line.width.saturating_sub(2));
            put(buffer, line, line.x + 1, &text, Style::new());
        }
    }

    /// To the first run of a cell.
    fn click(&mut self, at: Position, place: Place, shared: &mut Shared) {
        let arm = if self.compares {
            self.differences.arm_at(at)
        } else {
            self.table.arm_at(at, self.main(place.inner()))
        };
        go(shared, arm.map(str::to_owned));
    }

    fn scroll(&mut self, by: Scroll, shared: &mut Shared) {
        let can = |arm: &str| shared.first_of(arm).is_some();
        let arm = if self.compares {
            self.differences.moved(by, &can)
        } else {
            self.table.moved(by, &can)
        };
        go(shared, arm.map(str::to_owned));
    }

    fn enter(&self, _: &mut Shared) -> Option<&'static str> {
        Some(super::runs::ENTRY.name)
    }

    fn table(&self, _: &mut Shared) -> Option<Vec<Vec<String>>> {
        let numbers = if self.compares {
            self.differences.numbers()
        } else {
            self.table.numbers()
        };
        // A heading alone tells nothing.
        Some(numbers).filter(|rows| rows.len() > 1)
    }
}

/// What a view draws in the upper part of the pane.
trait Drawn {
    fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer);
}

/// Puts the cursor on the first run of an arm.
fn go(shared: &mut Shared, arm: Option<String>) {
    if let Some(run) = arm.and_then(|arm| shared.first_of(&arm)) {
        shared.go(run);
    }
}

impl Outcomes {
    /// Where tables and differences stand: above what the criteria find.
    fn main(&self, inner: Rect) -> Rect {
        let below = match self.below.len() as u16 {
            0 => 0,
            lines => lines + 1,
        };
        rows(inner, 0, inner.height.saturating_sub(below))
    }

    /// What the criteria find, in as many lines as half of the pane has; the last one says how many are left out.
    fn prepare_below(&mut self, shared: &Shared, place: Place) {
        let inner = place.inner();
        let found = shared.so_far().map_or(&[][..], |found| &found.lines);
        let width = inner.width.saturating_sub(2);
        self.below = found.iter().flat_map(|text| wrapped(text, width)).collect();
        let most = (inner.height / 2).min(inner.height.saturating_sub(FEWEST_ROWS + 1));
        let most = usize::from(most);
        if self.below.len() > most {
            let left_out = self.below.len() - most.saturating_sub(1);
            self.below.truncate(most.saturating_sub(1));
            if most > 0 {
                let lines = words::counted(left_out as u64, "more line");
                self.below
                    .push(format!("+{lines}; `workbench verdict` says all"));
            }
        }
    }

    fn prepare_counts(&mut self, shared: &Shared, axes: &Axes, area: Rect) {
        let asked = self.asked(axes);
        self.counted.want((shared.counted(), asked.clone()), || {
            let study = shared.study();
            move || {
                Arc::new(
                    study.map_or_else(Counts::default, |study| Counts::of(&study.by_axis(), asked)),
                )
            }
        });
        match self.counted.answer() {
            Some(found) => self.table.show(found, shared.arm_here(), area),
            None => self.empty = "counting …",
        }
    }

    /// The axes of the matrix, by choice or by themselves.
    fn asked(&self, axes: &Axes) -> Asked {
        let by_itself = || match axes.matrix.clone() {
            Some((Some(down), right)) => Asked::Grid(down, right),
            Some((None, only)) => Asked::Row(only),
            None => Asked::Arms,
        };
        self.chosen.clone().unwrap_or_else(by_itself)
    }

    fn prepare_differences(&mut self, shared: &Shared, axes: &Axes, area: Rect) {
        let Some(contrast) = self.reference.clone().or_else(|| axes.contrast.clone()) else {
            self.empty = "no axis but the dose, and no control: choose one with `:pairs KEY`";
            self.differences = Differences::default();
            return;
        };
        self.paired.want((shared.counted(), contrast.clone()), || {
            let study = shared.study();
            let (key, value) = contrast.clone();
            move || study.map_or_else(Vec::new, |study| study.by_axis().pairs(&key, &value))
        });
        match self.paired.answer() {
            Some(found) => {
                self.empty = "no seed has ended in two arms that differ in this axis alone";
                self.differences
                    .show(found, &contrast, &axes.metric, shared, area);
            }
            None => self.empty = "counting …",
        }
    }

    fn turn(&mut self, shared: &Shared) {
        let Some(axes) = shared.axes() else { return };
        if !self.compares {
            self.chosen = Some(match self.asked(&axes) {
                Asked::Grid(down, right) => Asked::Grid(right, down),
                Asked::Row(only) => Asked::Column(only),
                Asked::Column(only) => Asked::Row(only),
                Asked::Arms => Asked::Arms,
            });
            return;
        }
        let now = self.reference.as_ref().or(axes.contrast.as_ref());
        let here = now.and_then(|(now, _)| axes.all.iter().position(|(key, _)| key == now));
        let next = here.map_or(0, |here| (here + 1) % axes.all.len().max(1));
        let first =
            |(key, values): &(String, Vec<Value>)| Some((key.clone(), values.first()?.clone()));
        self.reference = axes.all.get(next).and_then(first);
    }

    fn across(&mut self, shared: &mut Shared, by: isize) {
        let can = |arm: &str| shared.first_of(arm).is_some();
        let arm = if self.compares {
            None
        } else {
            self.table.across(by, &can)
        };
        go(shared, arm.map(str::to_owned));
    }

    fn choose(&mut self, shared: &mut Shared, text: &str) -> Outcome {
        let keys = keys(shared);
        let (down, right) = command::split(text);
        self.chosen = match (down, right) {
            ("", _) => None,
            (only, "") => Some(Asked::Row(resolve(only, &keys)?)),
            (only, DOWN) => Some(Asked::Column(resolve(only, &keys)?)),
            (down, right) => {
                let (down, right) = (resolve(down, &keys)?, resolve(right, &keys)?);
                if down == right {
                    return Err(format!(
                        "`{down}` cannot lie both downwards and to the right"
                    ));
                }
                Some(Asked::Grid(down, right))
            }
        };
        self.compares = false;
        Ok(())
    }

    fn compare(&mut self, shared: &mut Shared, text: &str) -> Outcome {
        let (name, value) = command::split(text);
        match (name, value) {
            ("off", "") => {
                self.compares = false;
                return Ok(());
            }
            ("" | "on", "") => self.reference = None,
            _ => {
                let axes = shared.axes().ok_or(UNCOUNTED)?;
                let key = resolve(name, &axes.keys())?;
                let reference = reference(&axes, &key, value)?;
                self.reference = Some((key, reference));
            }
        }
        self.compares = true;
        Ok(())
    }
}

/// The value of an axis that is meant by a text; the first one by none.
fn reference(axes: &Axes, key: &str, text: &str) -> Result<Value, String> {
    let values = axes.values(key);
    let first = || values.first().cloned();
    let typed = text.parse::<f64>().ok().map(Value::Float);
    let is = |value: &&Value| {
        let number = typed.as_ref().is_some_and(|typed| same(typed, value));
        number || label(value) == text || named(key, value) == text
    };
    let found = if text.is_empty() {
        first()
    } else {
        values.iter().find(is).cloned()
    };
    found.ok_or_else(|| {
        let all: Vec<String> = values.iter().map(label).collect();
        let hint = words::hint(text, all.iter());
        format!("`{key}` has no value `{text}`{hint}: {}", all.join(", "))
    })
}
