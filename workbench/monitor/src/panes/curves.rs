//! The curves: charts of several signals with a common x axis.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::{buffer::Buffer, crossterm::event::KeyCode, layout::Position, widgets::Widget};

use crate::colour::Depth;
use crate::command::PaneCommand;
use crate::keys::{Binding, bindings, key, letter};
use crate::pane::{Act, Corner, Drag, Entry, Keys, Pane, Place};
use crate::scroll::Scroll;
use crate::shared::{Axis, Label, Mark, Shared, turn};
use crate::view::Revision;
use chart::Chart;
use choices::CurveChoices;
use facets::{Faceted, Facets, MOST_ARMS};
use mouse::Selection;
use names::Names;
use plan::Plan;
use plot::Shown;

mod chart;
mod choices;
mod commands;
mod facets;
mod limits;
mod mouse;
mod names;
mod plan;
mod plot;
mod reduce;
mod title;

pub(super) const ENTRY: Entry = Entry {
    name: "curves",
    title: "Curves",
    about: "curves",
    corner: Some(Corner::UpperRight),
    make: || Box::new(Curves::default()),
};

/// Most panels at once: more would have no rows to draw in.
const MOST_PANELS: usize = 9;

struct Curves {
    choices: CurveChoices,
    /// The charts from the first to the last.
    panels: Vec<Panel>,
    /// Whether somebody chose their signals, or it is known that those at first are recorded.
    settled: bool,
    /// The panel whose signal keys change, where all panels are on the screen; else the one that is.
    active: usize,
    page: usize,
    /// The run under the cursor and its arm.
    focus: (usize, usize),
    faceted: Faceted,
    /// How many facets there are, and which charts are on the screen.
    facets: usize,
    plan: Plan,
    /// Signals whose y axis is not the one that they have at first.
    turned: BTreeSet<String>,
    /// What is shown of the y axis of a signal, where it is not all.
    limits: BTreeMap<String, (f64, f64)>,
    /// What a drag spans so far.
    selection: Option<Selection>,
    names: Names,
    run: Label,
    /// Whether nothing more is recorded.
    ended: bool,
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
    /// Whether it has so many arms that only the one under the cursor has a band: dots of more would hide the lines.
    crowded: bool,
    made_from: Option<ChartKey>,
    chart: Chart,
    /// Its own x and y axis, which it may share with the other facets.
    own: [(f64, f64); 2],
    marks: Vec<Mark>,
}

impl Charted {
    fn is_drawn(&self) -> bool {
        let mut lines = self.chart.lines.iter();
        lines.any(|line| !line.points.is_empty())
    }
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
        let drawn = self.charts.iter().filter(|charted| charted.is_drawn());
        let own = drawn.map(|charted| charted.own);
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
            settled: false,
            active: 1,
            page: 0,
            focus: (0, 0),
            faceted: Faceted::default(),
            facets: 1,
            plan: Plan::default(),
            turned: BTreeSet::new(),
            limits: BTreeMap::new(),
            selection: None,
            names: Names::default(),
            run: Label::default(),
            ended: false,
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
    /// What is shown of the y axis, in plot coordinates.
    limits: Option<(f64, f64)>,
    choices: CurveChoices,
    columns: usize,
}

impl Keys for Curves {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('y')] "y" "log y" "logarithmic y axis of the first panel, on or off" |pane, _| pane.turn_log(0);
        [letter('Y')] "Y" "" "logarithmic y axis of the active panel (▸), on or off" |pane, _| pane.turn_log(pane.active());
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
        [letter('n')] "n" "panel" "make the next panel the active one" |pane, _| pane.activate(pane.active() + 1);
        [letter('p')] "p" "" "one panel more, with the next signal" |pane, shared| pane.add(shared);
        [letter('P')] "P" "" "drop the active panel" |pane, _| pane.drop();
        [letter(']')] "]" "zoom" "zoom in around the cursor" |pane, _| pane.choices.zoom_by(0.5, pane.whole());
        [letter('[')] "[" "" "zoom out" |pane, _| pane.choices.zoom_by(2.0, pane.whole());
        [letter('}')] "}" "" "what is shown moves right" |pane, _| pane.choices.pan(0.25, pane.whole());
        [letter('{')] "{" "" "what is shown moves left" |pane, _| pane.choices.pan(-0.25, pane.whole());
        [letter(')')] ")" "" "zoom in on the y axis of the active panel" |pane, _| pane.zoom_y(pane.active(), 0.5, 0.5);
        [letter('(')] "(" "" "zoom out on the y axis" |pane, _| pane.zoom_y(pane.active(), 2.0, 0.5);
        [letter('0')] "0" "" "the whole axes, without a cursor" |pane, _| pane.show_all();
        [key(KeyCode::Right)] "→" "cursor" "cursor to the right: values of all runs at its place" |pane, _| pane.choices.move_cursor(0.02, pane.whole());
        [key(KeyCode::Left)] "←" "" "cursor to the left" |pane, _| pane.choices.move_cursor(-0.02, pane.whole());
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands::COMMANDS;
}

impl Pane for Curves {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        self.settle(shared);
        self.names = Names::of(shared, !self.choices.grouped);
        self.run = shared.label(shared.cursor);
        self.ended = shared.ended();
        self.focus = (shared.cursor, shared.arm(shared.cursor));
        let mut facets = self.faceted.facets(shared);
        self.plan = self.plan(place, &facets);
        // By themselves facets are no good where they would hide curves that fit into one chart.
        let all = self.plan.areas.len() == facets.all.len() * self.panels.len();
        if self.faceted == Faceted::ByShape && !place.alone && !all {
            facets = Facets::one(shared);
            self.plan = self.plan(place, &facets);
        }
        self.facets = facets.all.len();
        for panel in self.plan.panels.clone() {
            self.make(panel, &facets, shared);
        }
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        place
            .frame(self.title(depth), self.right(), depth)
            .render(place.area, buffer);
        for (panel, facet, area) in self.plan.charts() {
            if let Some(shown) = self.shown(panel, facet) {
                plot::draw(&shown, area, depth, buffer);
            }
        }
        self.draw_selection(buffer);
    }

    fn drag(&mut self, drag: Drag, _place: Place, _shared: &mut Shared) {
        self.drag_over(drag);
    }

    fn wheel(&mut self, at: Position, notches: isize, _place: Place, shared: &mut Shared) {
        if !self.wheel_over(at, notches) {
            self.scroll(Scroll::Notches(notches), shared);
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
    /// Which charts are where.
    fn plan(&self, place: Place, facets: &Facets) -> Plan {
        let here = facets.of_run(self.focus.0).unwrap_or(0);
        let page = self.page.min(self.panels.len().saturating_sub(1));
        let panels = (self.panels.len(), page);
        Plan::new(place.inner(), panels, (facets.all.len(), here))
    }

    /// A chart that is on the screen, with what it is drawn with.
    fn shown(&self, panel: usize, facet: usize) -> Option<Shown<'_>> {
        let charted = self.panels.get(panel)?.charts.get(facet)?;
        Some(Shown {
            chart: &charted.chart,
            facet: charted.facet.as_deref(),
            marks: &charted.marks,
            names: charted.names.as_ref().unwrap_or(&self.names),
            focus: self.focus,
            crowded: charted.crowded,
            ended: self.ended,
            active: panel == self.active() && self.is_marked(),
        })
    }

    /// Makes the charts of a panel, unless they are what they would be.
    fn make(&mut self, panel: usize, facets: &Facets, shared: &mut Shared) {
        let log = self.is_log(&self.panels[panel].signal);
        let limits = self.limits_of(&self.panels[panel].signal, log);
        let view: &Shared = shared;
        let key = |facet: usize, width: u16| ChartKey {
            revisions: view.revisions(),
            chosen: facets.runs_of(facet),
            arms: view.runs().map(|run| view.arm(run)).collect(),
            focus: (!self.choices.grouped).then_some(view.cursor),
            signal: self.panels[panel].signal.clone(),
            log,
            limits,
            choices: self.choices,
            columns: usize::from(width) * 2,
        };
        let charts = self.plan.charts().filter(|(of, ..)| *of == panel);
        let first = self.plan.facets.start;
        let keys = charts.map(|(_, at, area)| (first + at, key(first + at, area.width)));
        let keys: Vec<(usize, ChartKey)> = keys.collect();
        let panel = &mut self.panels[panel];
        panel.charts.resize_with(keys.len(), Charted::default);
        for (charted, (facet, key)) in panel.charts.iter_mut().zip(keys) {
            let facet = &facets.all[facet];
            charted.facet = facets::name(facet);
            charted.names = (!facet.is_empty()).then(|| {
                let keys: Vec<&str> = facet.iter().map(|(key, _)| &**key).collect();
                self.names.within(shared, &keys, &key.chosen)
            });
            charted.crowded = key.is_crowded();
            charted.marks = shared.marks(&key.chosen, &key.signal, self.choices.axis);
            if charted.made_from.as_ref() != Some(&key) {
                charted.chart = key.chart(shared);
                charted.own = [charted.chart.x, charted.chart.y];
                charted.made_from = Some(key);
            }
        }
        panel.share_axes();
    }

    /// Runs that were imported may lack what panels show at first: then these show the next signals that there are.
    fn settle(&mut self, shared: &Shared) {
        if self.settled || shared.signals.is_empty() {
            return;
        }
        self.settled = true;
        let there = |signal: &&str| shared.signals.iter().any(|known| known == signal);
        if self.signals() != FIRST.join(",") || FIRST.iter().all(there) {
            return;
        }
        let others = shared.signals.iter().map(String::as_str);
        let mut others: Vec<&str> = others.filter(|signal| !FIRST.contains(signal)).collect();
        // What is a loss by its name first.
        others.sort_by_key(|signal| !signal.ends_with("loss"));
        let shown = FIRST.into_iter().filter(there).chain(others);
        let shown: Vec<&str> = shown.take(FIRST.len()).collect();
        self.panels = shown.into_iter().map(Panel::of).collect();
        self.active = self.panels.len() - 1;
    }

    /// The panel that keys change.
    fn active(&self) -> usize {
        if self.plan.panels.len() < self.panels.len() && !self.plan.areas.is_empty() {
            self.plan.panels.start
        } else {
            self.active
        }
    }

    /// Whether the active panel has a mark: of two it is the second, unless somebody chose the first.
    fn is_marked(&self) -> bool {
        let all = self.plan.panels.len();
        all > 2 || (all == 2 && self.active != 1)
    }

    fn activate(&mut self, panel: usize) {
        self.active = panel % self.panels.len().max(1);
        self.page = self.active;
    }

    /// Losses are linear at first, all else spans decades.
    fn is_log(&self, signal: &str) -> bool {
        // Imported runs have names like `val/loss`.
        let first = !signal.ends_with("loss");
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
        let active = self.active();
        if let Some(panel) = self.panels.get_mut(active) {
            turn(&mut panel.signal, &shared.signals, by);
        }
    }

    fn show_all(&mut self) {
        (self.choices.zoom, self.choices.cursor) = (None, None);
        self.limits.clear();
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
            self.activate(self.panels.len() - 1);
            if let Some(panel) = self.panels.last_mut() {
                turn(&mut panel.signal, &shared.signals, 1);
            }
        }
    }

    /// One panel always stays.
    fn drop(&mut self) {
        if self.panels.len() > 1 {
            let dropped = self.active().min(self.panels.len() - 1);
            self.panels.remove(dropped);
            self.activate(dropped.min(self.panels.len() - 1));
        }
    }

    /// The x axis from end to end, over all panels.
    fn whole(&self) -> (f64, f64) {
        let ends = self.panels.iter().flat_map(Panel::recorded);
        let ends = ends.map(|chart| chart.whole);
        let whole = ends.reduce(|(low, high), (from, to)| (low.min(from), high.max(to)));
        whole.unwrap_or((0.0, 1.0))
    }
}

impl ChartKey {
    fn is_crowded(&self) -> bool {
        let mut arms: Vec<usize> = self.chosen.iter().map(|run| self.arms[*run]).collect();
        arms.sort_unstable();
        arms.dedup();
        arms.len() > MOST_ARMS
    }

    fn chart(&self, shared: &mut Shared) -> Chart {
        let arms = shared.groups.looks.arms.len();
        let curves = shared.curves(&self.chosen, &self.signal, self.choices.axis);
        chart::build(
            &self.signal,
            &curves,
            arms,
            self.choices,
            (self.log, self.limits),
            self.columns,
        )
    }
}

#[cfg(test)]
mod tests;
