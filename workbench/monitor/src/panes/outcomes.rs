//! The outcomes of a grid of arms: one axis downwards, one to the right, in each cell how many of how many runs failed.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};
use sweeps::overview::{GridCell, LookAxis};

use crate::colour::{Depth, strong};
use crate::command::{self, Outcome, PaneCommand, commands};
use crate::keys::{Binding, bindings, letter};
use crate::paint::{cut, cut_middle, hint, put, put_right, rows};
use crate::pane::{Act, Entry, Keys, Pane, Place};
use crate::shared::{Shared, resolve};

pub(super) const ENTRY: Entry = Entry {
    name: "outcomes",
    title: "Outcomes",
    about: "outcomes: failed runs by two axes",
    corner: None,
    make: || Box::new(Outcomes::default()),
};

#[derive(Default)]
struct Outcomes {
    /// The keys that the user chose, downwards and to the right.
    chosen: Option<(String, String)>,
    across: bool,
    down: Option<LookAxis>,
    right: Option<LookAxis>,
    cells: Vec<Vec<GridCell>>,
    /// What the criteria find so far, and the outcomes from which they do.
    so_far: Vec<String>,
    made_from: Option<Vec<Option<sweeps::Outcome>>>,
}

impl Keys for Outcomes {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('t')] "t" "turn" "exchange the axes of the outcomes" |pane, _| pane.across = !pane.across;
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "outcomes" "KEY [KEY]" "axes of the outcomes, downwards and to the right" =>
            Self::choose,
            |_, shared| shared.groups.arms.axes.iter().map(|axis| axis.key.clone()).collect(),
            |pane, _| pane.chosen.as_ref().map(|(down, right)| format!("{down} {right}"));
    ];
}

impl Pane for Outcomes {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        if place.is_none() {
            return;
        }
        let looks = &shared.groups.arms;
        let place = |key: &str| looks.axes.iter().position(|axis| axis.key == key);
        let chosen = self
            .chosen
            .as_ref()
            .and_then(|(down, right)| Some((place(down)?, place(right))));
        let (mut down, mut right) = chosen.unwrap_or((0, (looks.axes.len() > 1).then_some(1)));
        if let (true, Some(other)) = (self.across, right) {
            (down, right) = (other, Some(down));
        }
        let runs = shared
            .runs()
            .filter(|run| shared.is_shown(*run) && !shared.is_branch(*run));
        let runs = runs.map(|run| (shared.groups.arm_of(run), shared.sweep().runs[run].outcome));
        self.cells = looks.grid(down, right, runs);
        let outcomes = shared.sweep().runs.iter().map(|run| run.outcome);
        let outcomes: Vec<Option<sweeps::Outcome>> = outcomes.collect();
        if self.made_from.as_ref() != Some(&outcomes) {
            self.so_far = shared.so_far();
            self.made_from = Some(outcomes);
        }
        self.down = looks.axes.get(down).cloned();
        self.right = right.and_then(|right| looks.axes.get(right)).cloned();
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let right = Line::styled(" failed of judged runs · … some to come ", depth.dim());
        place
            .frame(self.title(depth), right, depth)
            .render(place.area, buffer);
        let inner = place.inner();
        let Some(down) = &self.down else {
            hint(buffer, inner, "the arms differ in no axis of a card", depth);
            return;
        };
        let places = Cells::new(down, self.columns(), inner);
        for (column, value) in self.columns().iter().enumerate() {
            let head = places.cell(0, column, inner);
            put_right(
                buffer,
                head,
                head.right(),
                &cut_middle(value, head.width),
                depth.dim(),
            );
        }
        for (number, (value, cells)) in down.values.iter().zip(&self.cells).enumerate() {
            let line = rows(inner, number as u16 + 1, 1);
            if line.is_empty() {
                break;
            }
            put(
                buffer,
                line,
                line.x + 1,
                &cut_middle(value, places.gutter - 1),
                depth.dim(),
            );
            for (column, cell) in cells.iter().enumerate() {
                draw_cell(
                    cell,
                    places.cell(number as u16 + 1, column, inner),
                    depth,
                    buffer,
                );
            }
        }
        let below = rows(inner, down.values.len() as u16 + 2, inner.height);
        for (line, text) in below.rows().zip(&self.so_far) {
            put(
                buffer,
                line,
                line.x + 1,
                &cut(text, line.width.saturating_sub(2)),
                Style::new(),
            );
        }
    }

    /// To the first run of a cell.
    fn click(&mut self, at: Position, place: Place, shared: &mut Shared) {
        let inner = place.inner();
        let Some(down) = &self.down else { return };
        let places = Cells::new(down, self.columns(), inner);
        let found = shared.runs().find(|run| {
            let arm = shared.groups.arm_of(*run);
            let row = down.of_arm(arm).map_or(0, |row| row as u16 + 1);
            let column = self
                .right
                .as_ref()
                .and_then(|axis| axis.of_arm(arm))
                .unwrap_or(0);
            !shared.is_branch(*run) && places.cell(row, column, inner).contains(at)
        });
        if let Some(run) = found {
            shared.go(run);
        }
    }

    fn table(&self, _: &mut Shared) -> Option<Vec<Vec<String>>> {
        let down = self.down.as_ref()?;
        let key = |axis: Option<&LookAxis>| axis.map_or_else(String::new, |axis| axis.key.clone());
        let heads = ["failed", "judged", "runs"].map(str::to_owned);
        let mut table = vec![
            [
                vec![down.key.clone(), key(self.right.as_ref())],
                heads.into(),
            ]
            .concat(),
        ];
        for (value, cells) in down.values.iter().zip(&self.cells) {
            for (other, cell) in self.columns().iter().zip(cells) {
                let counts = [cell.failed, cell.judged, cell.runs].map(|count| count.to_string());
                table.push([vec![value.clone(), other.clone()], counts.into()].concat());
            }
        }
        Some(table)
    }
}

/// Where the cells are.
struct Cells {
    /// Width of the values downwards.
    gutter: u16,
    /// Width of a column with the gap before it.
    width: u16,
}

impl Cells {
    fn new(down: &LookAxis, columns: &[String], inner: Rect) -> Self {
        let longest = |values: &[String]| {
            values
                .iter()
                .map(|value| Line::raw(value.as_str()).width())
                .max()
                .unwrap_or(0) as u16
        };
        let gutter = (longest(&down.values) + 2).clamp(4, (inner.width / 3).max(4));
        let room = inner.width.saturating_sub(gutter) / (columns.len() as u16).max(1);
        Self {
            gutter,
            width: (longest(columns) + 2).max(10).min(room),
        }
    }

    fn cell(&self, row: u16, column: usize, inner: Rect) -> Rect {
        let x = inner.x + self.gutter + self.width.saturating_mul(column as u16);
        Rect::new(x + 1, inner.y + row, self.width.saturating_sub(1), 1).intersection(inner)
    }
}

/// The share that failed as the colour of the cell, from dark to bright; without colours the numbers have to do.
fn draw_cell(cell: &GridCell, area: Rect, depth: Depth, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let more = if cell.runs > cell.judged { "…" } else { "" };
    if cell.judged == 0 {
        put_right(
            buffer,
            area,
            area.right(),
            if cell.runs > 0 { "…" } else { "·" },
            depth.dim(),
        );
        return;
    }
    let share = cell.failed as f64 / cell.judged as f64;
    let style = if depth.coloured() {
        depth.on_heat(share)
    } else if share >= 0.5 {
        depth.cursor()
    } else {
        Style::new()
    };
    buffer.set_style(area, style);
    put_right(
        buffer,
        area,
        area.right(),
        &format!("{}/{}{more} ", cell.failed, cell.judged),
        style,
    );
}

impl Outcomes {
    fn columns(&self) -> &[String] {
        match &self.right {
            Some(axis) => &axis.values,
            None => std::slice::from_ref(&*ALL),
        }
    }

    fn title(&self, depth: Depth) -> Line<'static> {
        let mut title = vec![Span::styled(" Outcomes ", strong())];
        let axes = [(&self.down, "↓"), (&self.right, "→")];
        let axes = axes
            .into_iter()
            .filter_map(|(axis, arrow)| Some(format!("· {arrow} {} ", axis.as_ref()?.key)));
        title.extend(axes.map(|text| Span::styled(text, depth.dim())));
        Line::from(title)
    }

    fn choose(&mut self, shared: &mut Shared, keys: &str) -> Outcome {
        let axes: Vec<String> = shared
            .groups
            .arms
            .axes
            .iter()
            .map(|axis| axis.key.clone())
            .collect();
        let (down, right) = command::split(keys);
        if down.is_empty() {
            self.chosen = None;
            return Ok(());
        }
        let right = if right.is_empty() {
            String::new()
        } else {
            resolve(right, &axes)?
        };
        self.chosen = Some((resolve(down, &axes)?, right));
        self.across = false;
        Ok(())
    }
}

/// The only column where there is one axis.
static ALL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "all".to_owned());
