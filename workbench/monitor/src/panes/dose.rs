//! What runs do along an axis of numbers: the share that shows what the card counts, with the fitted curve and the value at which
//! half of them do; or the metric, with what a wrong value costs.

use std::sync::Arc;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::command::{self, Outcome, PaneCommand, commands};
use crate::keys::{Binding, bindings, letter};
use crate::list::List;
use crate::paint::{cut, hint, put, rows};
use crate::pane::{Act, Entry, Keys, Pane, Place};
use crate::scroll::Scroll;
use crate::shared::{Shared, UNCOUNTED, resolve};
use crate::worker::Worked;

mod chart;
mod curves;

use curves::{Found, Measure, Row, Shown, numbers};

pub(super) const ENTRY: Entry = Entry {
    name: "dose",
    title: "Dose",
    about: "dose: failures, or the metric, along an axis of numbers",
    corner: None,
    make: || Box::new(Doses::default()),
};

/// The measures, as they are typed.
const MEASURES: [(&str, Measure); 2] = [("share", Measure::Share), ("metric", Measure::Metric)];

#[derive(Default)]
struct Doses {
    /// The key that the user chose.
    along: Option<String>,
    measure: Measure,
    /// What was found is of this key.
    key: String,
    found: Worked<(u64, String), Arc<(String, Found)>>,
    shown: Shown,
    list: List,
    /// The list with a frame around it, as it was drawn.
    frame: Rect,
    here: Option<usize>,
    /// What stands above the list.
    heading: String,
    title: String,
    empty: &'static str,
}

impl Keys for Doses {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('d')] "d" "axis" "next axis of numbers for the dose" |pane, shared| pane.turn(shared);
        [letter('w')] "w" "metric" "share of runs that fail, or the metric, along the dose" |pane, _| pane.measure = pane.measure.other();
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "dose" "KEY" "the axis along which runs fail" =>
            |pane, shared, key| pane.choose(shared, key),
            |_, shared| doses(shared),
            |pane, _| pane.along.clone();
        "measure" "share|metric" "what is shown along the dose" =>
            |pane, _, name| { pane.measure = command::one_of(name, MEASURES)?; Ok(()) },
            |_, _| MEASURES.map(|(name, _)| name.to_owned()).into(),
            |pane, _| (pane.measure == Measure::Metric).then(|| "metric".to_owned());
    ];
}

/// The axes that can be a dose.
fn doses(shared: &Shared) -> Vec<String> {
    shared
        .axes()
        .map_or_else(Vec::new, |axes| axes.doses.clone())
}

impl Pane for Doses {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        let axes = shared.axes();
        let chosen = self.along.clone().or_else(|| axes.as_ref()?.dose.clone());
        let (Some(axes), Some(key)) = (axes, chosen) else {
            self.empty = match shared.axes() {
                Some(_) => "the card has no axis of three numbers above zero",
                None => UNCOUNTED,
            };
            self.shown = Shown::default();
            return;
        };
        self.found.want((shared.counted(), key.clone()), || {
            let (study, counted) = (shared.study(), Arc::clone(&axes));
            move || {
                let found =
                    study.map_or_else(Found::default, |study| Found::of(&study, &counted, &key));
                Arc::new((key, found))
            }
        });
        let Some(found) = self.found.answer().cloned() else {
            self.empty = "counting …";
            return;
        };
        let (key, found) = &*found;
        self.key.clone_from(key);
        self.shown = Shown::of(found, self.measure, shared);
        (self.title, self.heading, self.empty) = match self.measure {
            Measure::Share => (
                format!("· share of runs that {} along {key} ", axes.event),
                format!(
                    "{} at which half of the runs {}, 95 % interval over seeds",
                    words::last_part(key),
                    axes.event
                ),
                "no run has an outcome at two values",
            ),
            Measure::Metric => (
                format!("· {} along {key} ", axes.metric),
                "least median, and sensitivity: what the other values cost on average".to_owned(),
                "no run has finished at two values",
            ),
        };
        let here = self.shown.chart.curves.iter().position(|curve| curve.here);
        self.here = here;
        self.frame = self.list_frame(place.inner());
        let length = self.shown.rows.len();
        let row = here.unwrap_or(self.list.offset);
        let row = row.min(length.saturating_sub(1));
        self.list.fit(row, length, List::page(self.frame));
    }

    fn hear(&mut self) -> bool {
        self.found.hear()
    }

    fn wait(&mut self) -> bool {
        self.found.wait()
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let inner = place.inner();
        let title = vec![
            Span::styled(" Dose ", strong()),
            Span::styled(self.title.clone(), depth.dim()),
        ];
        place
            .frame(Line::from(title), Line::default(), depth)
            .title_bottom(self.list.shown(self.frame).style(depth.dim()))
            .render(place.area, buffer);
        if self.shown.rows.is_empty() {
            hint(buffer, inner, self.empty, depth);
            return;
        }
        let [chart, list] = self.areas(inner);
        self.shown.chart.draw(chart, depth, buffer);
        self.draw_list(list, depth, buffer);
        self.list.scrollbar(self.frame, depth, buffer);
    }

    /// To the first arm of a curve.
    fn click(&mut self, at: Position, _: Place, shared: &mut Shared) {
        self.go(self.list.row_at(at, self.frame), shared);
    }

    fn scroll(&mut self, by: Scroll, shared: &mut Shared) {
        let page = List::page(self.frame);
        let target = self
            .here
            .map_or(0, |here| by.from(here, self.shown.rows.len(), page, 3));
        self.go(Some(target), shared);
    }

    fn enter(&self, _: &mut Shared) -> Option<&'static str> {
        Some(super::runs::ENTRY.name)
    }

    fn table(&self, _: &mut Shared) -> Option<Vec<Vec<String>>> {
        let (key, found) = &**self.found.answer()?;
        Some(numbers(found, self.measure, key))
    }
}

impl Doses {
    fn turn(&mut self, shared: &Shared) {
        let axes = doses(shared);
        let here = axes.iter().position(|key| *key == self.key);
        self.along = here.and_then(|here| axes.get((here + 1) % axes.len()).cloned());
    }

    fn choose(&mut self, shared: &Shared, key: &str) -> Outcome {
        self.along = match key {
            "" => None,
            key => Some(resolve(key, &doses(shared))?),
        };
        Ok(())
    }

    /// Puts the cursor on the first run of a curve.
    fn go(&self, row: Option<usize>, shared: &mut Shared) {
        let row = row.and_then(|row| self.shown.rows.get(row));
        let run = row.and_then(|row| row.arms.iter().find_map(|arm| shared.first_of(arm)));
        if let Some(run) = run {
            shared.go(run);
        }
    }

    /// Chart and list.
    fn areas(&self, inner: Rect) -> [Rect; 2] {
        let wanted = self.shown.rows.len() as u16 + 1;
        let sizes = [
            Constraint::Fill(1),
            Constraint::Length(wanted.min(inner.height / 2)),
        ];
        Layout::vertical(sizes).areas(inner)
    }

    /// The list with a frame around it.
    fn list_frame(&self, inner: Rect) -> Rect {
        let [_, list] = self.areas(inner);
        Rect {
            x: list.x.saturating_sub(1),
            y: list.y.saturating_sub(1),
            width: list.width.saturating_add(2),
            height: list.height.saturating_add(2),
        }
    }

    fn draw_list(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let heading = cut(&self.heading, area.width.saturating_sub(2));
        put(buffer, rows(area, 0, 1), area.x + 1, &heading, depth.dim());
        let rows = || self.shown.rows.iter();
        let longest = rows().map(|row| Line::raw(row.name.as_str()).width() as u16);
        let longest = longest.max().unwrap_or(0).min(area.width / 2);
        let listed = rows().zip(&self.shown.chart.curves).skip(self.list.offset);
        for (
            (
                Row {
                    name, text, warns, ..
                },
                curve,
            ),
            line,
        ) in listed.zip(area.rows().skip(1))
        {
            let mark = if depth.coloured() { '━' } else { curve.sign };
            let style = depth.arm(curve.ink);
            let name = cut(name, longest);
            put(buffer, line, line.x + 1, &format!("{mark} {name}"), style);
            if curve.here {
                put(buffer, line, line.x, "▸", depth.accent());
            }
            let style = if *warns { depth.warn() } else { Style::new() };
            let x = line.x + longest + 5;
            let text = cut(text, line.right().saturating_sub(x + 1));
            put(buffer, line, x, &text, style);
        }
    }
}

/// Three digits, as people write them: `0.001`, `0.00274`.
fn short(dose: f64) -> String {
    let scale = 10f64.powf(2.0 - dose.abs().log10().floor());
    let rounded = (dose * scale).round() / scale;
    words::number(if rounded.is_finite() { rounded } else { dose })
}
