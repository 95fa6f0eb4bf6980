//! The curves: charts of several signals with a common x axis.

use std::collections::BTreeSet;

use ratatui::{
    buffer::Buffer,
    crossterm::event::KeyCode,
    layout::{Constraint, Direction, Layout, Rect},
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::command::PaneCommand;
use crate::keys::{Binding, bindings, key, letter};
use crate::number::compact;
use crate::pane::{Act, Corner, Entry, Keys, Pane, Place};
use crate::shared::{Axis, Label, Mark, Shared, turn};
use crate::view::Revision;
use chart::Chart;
use choices::{BandKind, CurveChoices};
use facets::{Facet, Faceted};
use names::Names;
use plot::Shown;

mod chart;
mod choices;
mod commands;
mod facets;
mod names;
mod plot;
mod reduce;

pub(super) const ENTRY: Entry = Entry {
    name: "curves",
    title: "Curves",
    about: "curves",
    corner: Some(Corner::UpperRight),
    make: || Box::new(Curves::default()),
};

/// Arms from which on only the one under the cursor has a band: dots of more would hide the lines.
const MOST_BANDS: usize = 8;

/// Most panels at once: more would have no rows to draw in.
const MOST_PANELS: usize = 9;

struct Curves {
    choices: CurveChoices,
    /// The charts from the first to the last.
    panels: Vec<Panel>,
    /// The panel whose signal keys change.
    active: usize,
    /// The only arm with a band, where there are too many for all.
    banded: Option<usize>,
    faceted: Faceted,
    /// Values of the facets' key that are not on the screen.
    hidden: usize,
    /// Signals whose y axis is not the one that they have at first.
    turned: BTreeSet<String>,
    names: Names,
    run: Label,
}

/// The charts of one signal, by name: the list of signals may grow meanwhile.
#[derive(Default)]
struct Panel {
    signal: String,
    /// One a facet, or one of all runs.
    charts: Vec<Charted>,
}

/// A chart of one signal and some runs.
#[derive(Default)]
struct Charted {
    facet: Option<String>,
    /// Those of its runs, where they are not those of all.
    names: Option<Names>,
    made_from: Option<ChartKey>,
    chart: Chart,
    /// Its own x and y axis, which it may share with the other facets.
    own: [(f64, f64); 2],
    marks: Vec<Mark>,
}

impl Panel {
    fn of(signal: &str) -> Self {
        Self {
            signal: signal.to_owned(),
            ..Self::default()
        }
    }

    /// The charts with runs that have recorded the signal.
    fn recorded(&self) -> impl Iterator<Item = &Chart> {
        let charts = self.charts.iter().map(|charted| &charted.chart);
        charts.filter(|chart| chart.runs > 0)
    }

    /// All facets have the same axes: those that hold all of them.
    fn share_axes(&mut self) {
        let drawn = |charted: &&Charted| {
            charted
                .chart
                .lines
                .iter()
                .any(|line| !line.points.is_empty())
        };
        let own = self.charts.iter().filter(drawn).map(|charted| charted.own);
        let wider = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let Some([x, y]) = own.reduce(|a, b| [wider(a[0], b[0]), wider(a[1], b[1])]) else {
            return;
        };
        for charted in &mut self.charts {
            (charted.chart.x, charted.chart.y) = (x, y);
        }
    }
}

/// The signals at first.
const FIRST: [&str; 2] = ["loss", "grad_norm"];

impl Default for Curves {
    fn default() -> Self {
        Self {
            choices: CurveChoices::default(),
            panels: FIRST.map(Panel::of).into(),
            active: 1,
            banded: None,
            faceted: Faceted::default(),
            hidden: 0,
            turned: BTreeSet::new(),
            names: Names::default(),
            run: Label::default(),
        }
    }
}

/// Everything a chart depends on: while it stays the same, nothing is computed.
#[derive(Debug, Clone, PartialEq)]
struct ChartKey {
    revisions: Vec<Revision>,
    chosen: Vec<usize>,
    /// Arm of every run, which grouping changes.
    arms: Vec<usize>,
    /// Only where it shows: the focused run is drawn brighter when runs are drawn one by one.
    focus: Option<usize>,
    signal: String,
    log: bool,
    choices: CurveChoices,
    columns: usize,
}

impl Keys for Curves {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('y')] "y" "log y" "logarithmic y axis of the first panel, on or off" |pane, _| pane.turn_log(0);
        [letter('Y')] "Y" "" "logarithmic y axis of the active panel (▸), on or off" |pane, _| pane.turn_log(pane.active);
        [letter('z')] "z" "smooth" "smoothing on or off (debiased moving average)" |pane, _| pane.choices.smooth = !pane.choices.smooth;
        [letter('+'), letter('=')] "+ =" "" "stronger smoothing" |pane, _| pane.choices.smooth_by(1);
        [letter('-')] "-" "" "weaker smoothing" |pane, _| pane.choices.smooth_by(-1);
        [letter('x')] "x" "x axis" "x axis: step, samples, tokens, time" |pane, _| pane.next_axis();
        [letter('X')] "X" "" "logarithmic x axis, on or off" |pane, _| pane.choices.log_x = !pane.choices.log_x;
        [letter('g')] "g" "group" "one curve per arm (mean and band) or per run" |pane, _| pane.choices.grouped = !pane.choices.grouped;
        [letter('B')] "B" "" "band: min–max, 95 % t interval, none" |pane, _| pane.choices.band = pane.choices.band.next();
        [letter('u')] "u" "facets" "a chart for every value of an axis: next axis, or none" |pane, shared| pane.faceted = pane.faceted.next(shared);
        [letter('v')] "v" "signal" "next signal in the active panel" |pane, shared| pane.turn_signal(shared, 1);
        [letter('V')] "V" "" "previous signal in the active panel" |pane, shared| pane.turn_signal(shared, -1);
        [letter('n')] "n" "panel" "make the next panel the active one" |pane, _| pane.active = (pane.active + 1) % pane.panels.len().max(1);
        [letter('p')] "p" "" "one panel more, with the next signal" |pane, shared| pane.add(shared);
        [letter('P')] "P" "" "drop the active panel" |pane, _| pane.drop();
        [letter(']')] "]" "zoom" "zoom in around the cursor" |pane, _| pane.choices.zoom_by(0.5, pane.whole());
        [letter('[')] "[" "" "zoom out" |pane, _| pane.choices.zoom_by(2.0, pane.whole());
        [letter('}')] "}" "" "what is shown moves right" |pane, _| pane.choices.pan(0.25, pane.whole());
        [letter('{')] "{" "" "what is shown moves left" |pane, _| pane.choices.pan(-0.25, pane.whole());
        [letter('0')] "0" "" "the whole x axis, without a cursor" |pane, _| (pane.choices.zoom, pane.choices.cursor) = (None, None);
        [key(KeyCode::Right)] "→" "cursor" "cursor to the right: values of all runs at its place" |pane, _| pane.choices.move_cursor(0.02, pane.whole());
        [key(KeyCode::Left)] "←" "" "cursor to the left" |pane, _| pane.choices.move_cursor(-0.02, pane.whole());
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands::COMMANDS;
}

impl Pane for Curves {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        self.names = Names::of(shared, !self.choices.grouped);
        self.run = shared.label(shared.cursor);
        let many = shared.groups.looks.arms.len() > MOST_BANDS;
        self.banded = many.then(|| shared.arm(shared.cursor));
        let facets = self.faceted.facets(shared);
        let (areas, shown) = areas(place.inner(), self.panels.len(), facets.len());
        self.hidden = facets.len() - shown;
        for (panel, areas) in areas.chunks(shown).enumerate() {
            self.make(panel, &facets[..shown], areas, shared);
        }
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        place
            .frame(self.title(depth), self.right(), depth)
            .render(place.area, buffer);
        let facets = self.panels.first().map_or(1, |panel| panel.charts.len());
        let (areas, _) = areas(place.inner(), self.panels.len(), facets);
        let charts =
            self.panels.iter().enumerate().flat_map(|(number, panel)| {
                panel.charts.iter().map(move |charted| (number, charted))
            });
        for ((number, charted), area) in charts.zip(areas) {
            let shown = Shown {
                chart: &charted.chart,
                facet: charted.facet.as_deref(),
                marks: &charted.marks,
                names: charted.names.as_ref().unwrap_or(&self.names),
                banded: self.banded,
                active: number == self.active && self.panels.len() > 2,
            };
            plot::draw(&shown, area, depth, buffer);
        }
    }

    fn table(&self, shared: &mut Shared) -> Option<Vec<Vec<String>>> {
        let drawn: Vec<usize> = shared
            .runs()
            .filter(|run| shared.is_selected(*run))
            .collect();
        let axis = self.choices.axis;
        let mut table = vec![
            ["run", "arm", "seed", "signal", axis.name(), "value"]
                .map(str::to_owned)
                .into(),
        ];
        for panel in &self.panels {
            let curves = shared.curves(&drawn, &panel.signal, axis);
            let values = curves.iter().flat_map(|curve| {
                curve.values.iter().filter_map(|(record, value)| {
                    Some((curve.run, curve.x.get(*record as usize)?, *value))
                })
            });
            let shown = |x: f64| {
                self.choices
                    .zoom
                    .is_none_or(|(low, high)| (low..=high).contains(&x))
            };
            let values: Vec<(usize, f64, f64)> = values.filter(|(_, x, _)| shown(*x)).collect();
            for (run, x, value) in values {
                let Some(of) = shared.run(run) else { continue };
                let seed = of.seed.map_or_else(String::new, |seed| seed.to_string());
                table.push(vec![
                    of.id.clone(),
                    of.arm.clone(),
                    seed,
                    panel.signal.clone(),
                    x.to_string(),
                    value.to_string(),
                ]);
            }
        }
        Some(table)
    }
}

impl Curves {
    /// Makes the charts of a panel, unless they are what they would be.
    fn make(&mut self, panel: usize, facets: &[Facet], areas: &[Rect], shared: &mut Shared) {
        let log = self.is_log(&self.panels[panel].signal);
        let view: &Shared = shared;
        let key = |facet: &Facet, area: &Rect| {
            let drawn = view.runs().filter(|run| view.is_selected(*run));
            ChartKey {
                revisions: view.revisions(),
                chosen: drawn.filter(|run| facet.has(view, *run)).collect(),
                arms: view.runs().map(|run| view.arm(run)).collect(),
                focus: (!self.choices.grouped).then_some(view.cursor),
                signal: self.panels[panel].signal.clone(),
                log,
                choices: self.choices,
                columns: usize::from(area.width) * 2,
            }
        };
        let keys = facets
            .iter()
            .zip(areas)
            .map(|(facet, area)| key(facet, area));
        let keys: Vec<ChartKey> = keys.collect();
        let panel = &mut self.panels[panel];
        panel.charts.resize_with(facets.len(), Charted::default);
        for ((charted, key), facet) in panel.charts.iter_mut().zip(keys).zip(facets) {
            charted.facet = facet.name();
            let key_of_facet = facet.key();
            charted.names = key_of_facet.map(|of| self.names.within(shared, of, &key.chosen));
            charted.marks = shared.marks(&key.chosen, &key.signal, self.choices.axis);
            if charted.made_from.as_ref() != Some(&key) {
                charted.chart = key.chart(shared);
                charted.own = [charted.chart.x, charted.chart.y];
                charted.made_from = Some(key);
            }
        }
        panel.share_axes();
    }

    /// Losses are linear at first, all else spans decades.
    fn is_log(&self, signal: &str) -> bool {
        let first = signal != "loss" && !signal.ends_with("_loss");
        first != self.turned.contains(signal)
    }

    fn turn_log(&mut self, panel: usize) {
        if let Some(panel) = self.panels.get(panel)
            && !self.turned.remove(&panel.signal)
        {
            self.turned.insert(panel.signal.clone());
        }
    }

    fn turn_signal(&mut self, shared: &Shared, by: isize) {
        if let Some(panel) = self.panels.get_mut(self.active) {
            turn(&mut panel.signal, &shared.signals, by);
        }
    }

    fn next_axis(&mut self) {
        let here = Axis::ALL
            .iter()
            .position(|(_, axis)| *axis == self.choices.axis);
        let next = here.map_or(0, |here| (here + 1) % Axis::ALL.len());
        self.choices.set_axis(Axis::ALL[next].1);
    }

    fn add(&mut self, shared: &Shared) {
        if self.panels.len() < MOST_PANELS {
            let signal = self
                .panels
                .last()
                .map_or_else(|| FIRST[0].to_owned(), |panel| panel.signal.clone());
            self.panels.push(Panel::of(&signal));
            self.active = self.panels.len() - 1;
            self.turn_signal(shared, 1);
        }
    }

    /// One panel always stays.
    fn drop(&mut self) {
        if self.panels.len() > 1 {
            self.panels.remove(self.active.min(self.panels.len() - 1));
            self.active = self.active.min(self.panels.len() - 1);
        }
    }

    /// The x axis from end to end, over all panels.
    fn whole(&self) -> (f64, f64) {
        let ends = self.panels.iter().flat_map(Panel::recorded);
        let ends = ends.map(|chart| chart.whole);
        let whole = ends.reduce(|(low, high), (from, to)| (low.min(from), high.max(to)));
        whole.unwrap_or((0.0, 1.0))
    }

    fn title(&self, depth: Depth) -> Line<'static> {
        let charts = self.panels.first().into_iter().flat_map(Panel::recorded);
        let seeds = charts.map(|chart| chart.seeds);
        let seeds = seeds.reduce(|(low, high), (a, b)| (low.min(a), high.max(b)));
        let seeds = seeds.unwrap_or((0, 0));
        let how = match (self.choices.grouped, seeds) {
            (false, _) => "one line per run".to_owned(),
            (true, (0 | 1, 0 | 1)) => "one run each".to_owned(),
            (true, (least, most)) => {
                let n = if least == most {
                    most.to_string()
                } else {
                    format!("{least}–{most}")
                };
                let of = self.banded.filter(|_| self.choices.band != BandKind::None);
                let of = of.map_or_else(String::new, |arm| format!(" of {}", self.names.arm(arm)));
                format!("mean of {n} runs{}{of}", self.choices.band.words())
            }
        };
        let mut title = vec![Span::styled(" Curves ", strong())];
        if self.hidden > 0 {
            let hidden = words::counted(self.hidden as u64, "value");
            let note = format!("· {hidden} without a chart ");
            title.push(Span::styled(note, depth.warn()));
        }
        title.push(Span::styled(format!("· {how} "), depth.dim()));
        if self.choices.smooth {
            let weight = format!("· smoothed {} ", self.choices.weight());
            title.push(Span::styled(weight, depth.accent()));
        }
        if let Some((low, high)) = self.choices.zoom {
            let shown = format!(
                "· {} {}–{} ",
                self.choices.axis.name(),
                compact(low),
                compact(high)
            );
            title.push(Span::styled(shown, depth.accent()));
        }
        Line::from(title)
    }

    /// The run under the cursor in the colour of its line, which is not its arm's.
    fn right(&self) -> Line<'static> {
        if self.choices.grouped {
            Line::default()
        } else {
            Line::styled(format!(" ━ {} ", self.run.text), strong())
        }
    }
}

impl ChartKey {
    fn chart(&self, shared: &mut Shared) -> Chart {
        let arms = shared.groups.looks.arms.len();
        let curves = shared.curves(&self.chosen, &self.signal, self.choices.axis);
        chart::build(
            &self.signal,
            &curves,
            arms,
            self.choices,
            self.log,
            self.columns,
        )
    }
}

/// Where the charts are, those of a signal one after the other, and how many facets have one: of one signal, or of one facet, as
/// many as [`tiles`] leave room for; else a row a signal and a column a facet, of at least 30 cells.
fn areas(inner: Rect, signals: usize, facets: usize) -> (Vec<Rect>, usize) {
    let signals = signals.max(1);
    if signals == 1 || facets == 1 {
        let most = if signals == 1 { MOST_PANELS } else { 1 };
        let facets = facets.min(most);
        return (tiles(inner, signals * facets), facets);
    }
    let facets = facets.min(usize::from(inner.width / 30).max(1));
    let lines = split(Direction::Vertical, inner, signals);
    let cells = lines
        .into_iter()
        .flat_map(|line| split(Direction::Horizontal, line, facets));
    (cells.collect(), facets)
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
    let tall = usize::from(inner.height / 7).max(1);
    let wide = usize::from(inner.width / 30).max(1);
    let columns = match count {
        1 | 2 if inner.height >= 14 => 1,
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
mod tests;
