//! The heat maps: one or two per-layer signals of a run, layers upwards, steps to the right, and with the screen to themselves
//! their profile over depth at a step.

use logs::Record;
use ratatui::{
    buffer::Buffer,
    crossterm::event::KeyCode,
    layout::{Constraint, Layout, Position, Rect},
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::command::{Outcome, PaneCommand, commands};
use crate::keys::{Binding, bindings, key, letter};
use crate::log::MOST_WITH_LAYERS;
use crate::number::count;
use crate::paint::hint;
use crate::pane::{Act, Corner, Drag, Entry, Keys, Pane, Place};
use crate::scroll::Scroll;
use crate::shared::{Label, Shared, turn};
use crate::view::{Revision, ended};
use heat::Heat;
use profile::Profile;

mod heat;
mod map;
mod profile;
mod steps;

/// The signal at first.
const FIRST: &str = "layer_grad_norm";

pub(super) const ENTRY: Entry = Entry {
    name: "layers",
    title: "Layers",
    about: "layers: heat maps of one or two signals",
    corner: Some(Corner::LowerRight),
    make: || {
        Box::new(Layers {
            maps: vec![Mapped::of(FIRST)],
            ..Layers::default()
        })
    },
};

#[derive(Default)]
struct Layers {
    /// From left to right, never none.
    maps: Vec<Mapped>,
    /// The step of the profiles; none is the last one.
    step: Option<u64>,
    /// First and last step that are shown, where these are not all.
    shown: Option<(u64, u64)>,
    /// First and last step of the run, as far as a map of all steps said.
    whole: Option<(u64, u64)>,
    /// Where the maps are, and what a drag spans so far.
    plots: Vec<Rect>,
    selection: Option<(Position, Position)>,
    run: Label,
    /// Whether nothing more comes of it.
    ended: bool,
}

/// A signal, by name: the list of signals may grow meanwhile.
#[derive(Default)]
struct Mapped {
    signal: String,
    /// What it was made from, which a profile at another step reads again.
    records: Vec<Record>,
    /// Length of the run when they were read from the first to the last.
    whole: usize,
    heat: Heat,
    made_from: Option<HeatKey>,
    /// At this step, or at the last one.
    profile: Profile,
    step: Option<u64>,
}

impl Mapped {
    fn of(signal: &str) -> Self {
        Self {
            signal: signal.to_owned(),
            ..Self::default()
        }
    }

    fn prepare(
        &mut self,
        shared: &mut Shared,
        area: Rect,
        (step, shown): (Option<u64>, Option<(u64, u64)>),
    ) {
        let key = HeatKey {
            run: shared.cursor,
            revision: shared.revision(shared.cursor),
            signal: self.signal.clone(),
            shown,
            columns: usize::from(map::plot(area).width),
        };
        let is_new = self.made_from.as_ref() != Some(&key);
        if is_new {
            self.read(shared, &key);
            self.heat = Heat::build(&self.records, &self.signal, key.columns);
            self.made_from = Some(key);
        }
        if is_new || self.step != step {
            self.profile = Profile::at(&self.records, &self.signal, step);
            self.step = step;
        }
    }
}

impl Mapped {
    /// Reads the records of a map, or only those that came since where it is that of the same run a moment later: a run is looked
    /// at every second, and all of its lines take a tenth of a second to read. Of a long run the lines that tell most are chosen
    /// anew each time as many have come as were chosen, so that a new record costs the reading of two lines, however long the run.
    fn read(&mut self, shared: &mut Shared, key: &HeatKey) {
        let most = self.whole + MOST_WITH_LAYERS;
        let grew = self.made_from.as_ref().is_some_and(|before| {
            // Of a part of the steps there may be none that are newer.
            let same = (before.run, &before.signal) == (key.run, &key.signal)
                && (before.shown, key.shown) == (None, None);
            same && matches!(
                (before.revision, key.revision),
                (Some((then, _)), Some((now, length))) if then == now && length <= most
            )
        });
        let last = self.records.last().filter(|_| grew);
        if let Some(last) = last.map(|record| record.step) {
            let newer = shared.layer_records_after(&self.signal, last);
            self.records.extend(newer);
        } else {
            let steps = key.shown;
            let steps = steps.map_or(0..u64::MAX, |(first, last)| first..last.saturating_add(1));
            self.records = shared.layer_records(&self.signal, steps);
            self.whole = key.revision.map_or(0, |(_, length)| length);
        }
    }
}

/// Everything a map depends on: while it stays the same, nothing is computed.
#[derive(Debug, Clone, PartialEq)]
struct HeatKey {
    run: usize,
    revision: Revision,
    signal: String,
    shown: Option<(u64, u64)>,
    columns: usize,
}

impl Keys for Layers {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('m')] "m" "signal" "next per-layer signal in the heat map" |pane, shared| pane.turn(0, shared, 1);
        [letter('M')] "M" "" "previous per-layer signal" |pane, shared| pane.turn(0, shared, -1);
        [letter('w')] "w" "two maps" "a second heat map beside the first, or one alone" |pane, shared| pane.turn_second(shared);
        [letter('W')] "W" "" "next per-layer signal in the second heat map" |pane, shared| pane.turn(1, shared, 1);
        [key(KeyCode::Right)] "→" "step" "profile over depth at a later step" |pane, _| pane.move_step(1);
        [key(KeyCode::Left)] "←" "" "profile over depth at an earlier step" |pane, _| pane.move_step(-1);
        [letter(']')] "]" "zoom" "zoom in around the step of the profile" |pane, _| pane.zoom(0.5, None);
        [letter('[')] "[" "" "zoom out" |pane, _| pane.zoom(2.0, None);
        [letter('0')] "0" "" "all steps, and the profile over depth at the last one" |pane, _| (pane.step, pane.shown) = (None, None);
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "layers" "SIGNAL [SIGNAL]" "one heat map, or two side by side" =>
            Self::set_signals,
            |_, shared| shared.layer_signals.clone(),
            |pane, _| Some(pane.signals(" ")).filter(|signals| signals != FIRST);
        "depth" "STEP" "profile over depth at this step; alone the last" =>
            Self::set_step, |_, _| Vec::new(), |pane, _| pane.step.map(|step| step.to_string());
        "steps" "FIRST LAST" "only these steps in the heat maps; alone all" =>
            Self::set_shown, |_, _| Vec::new(),
            |pane, _| pane.shown.map(|(first, last)| format!("{first} {last}"));
    ];
}

impl Pane for Layers {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        self.run = shared.label(shared.cursor);
        let here = shared.run(shared.cursor);
        self.ended = here.is_some_and(|run| ended(run.state));
        let areas = areas(place, self.maps.len());
        self.plots = areas.iter().map(|(area, _)| map::plot(*area)).collect();
        for (map, (area, _)) in self.maps.iter_mut().zip(areas) {
            map.prepare(shared, area, (self.step, self.shown));
        }
        if self.shown.is_none() {
            self.whole = self.maps.first().map(|map| map.heat.steps);
        }
    }

    fn drag(&mut self, drag: Drag, _place: Place, _shared: &mut Shared) {
        self.selection = (!drag.done).then_some((drag.from, drag.to));
        if drag.done && drag.from == drag.to {
            let pointed = self.steps_at(drag.to).map(|(step, _)| step);
            self.step = pointed.or(self.step);
            return;
        }
        let to = self.within(drag.from, drag.to);
        let spanned = to.and_then(|to| Some((self.steps_at(drag.from)?, self.steps_at(to)?, to)));
        if let Some((from, until, to)) = spanned
            && drag.done
            && to.x != drag.from.x
        {
            self.shown = Some((from.0.min(until.0), from.1.max(until.1)));
        }
    }

    fn wheel(&mut self, at: Position, notches: isize, _place: Place, shared: &mut Shared) {
        match self.steps_at(at) {
            Some((step, _)) => self.zoom(0.8f64.powi(-(notches.clamp(-9, 9) as i32)), Some(step)),
            None => self.scroll(Scroll::Notches(notches), shared),
        }
    }

    fn table(&self, shared: &mut Shared) -> Option<Vec<Vec<String>>> {
        let signals: Vec<String> = self.maps.iter().map(|map| map.signal.clone()).collect();
        table(shared, &signals)
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let lost: usize = self.maps.iter().map(|map| map.heat.nonfinite).sum();
        let right = match lost {
            0 => Line::default(),
            lost => Line::styled(
                format!(" ✕ {} non-finite ", count(lost as u64)),
                depth.bad(),
            ),
        };
        place
            .frame(self.title(depth), right, depth)
            .render(place.area, buffer);
        for (map, (area, beside)) in self.maps.iter().zip(areas(place, self.maps.len())) {
            if map.heat.layers == 0 {
                let text = if self.shown.is_some() {
                    "nothing in these steps; 0 shows all"
                } else if self.ended {
                    "this run recorded no such signal of its layers"
                } else {
                    "no such signal of this run's layers yet"
                };
                hint(buffer, area, text, depth);
            } else {
                map::draw(&map.heat, self.step, area, depth, buffer);
                profile::draw(&map.profile, &map.heat, beside, depth, buffer);
            }
        }
        self.draw_selection(buffer);
    }
}

/// A value a row: run, signal, step, layer.
fn table(shared: &mut Shared, signals: &[String]) -> Option<Vec<Vec<String>>> {
    let id = shared.run(shared.cursor)?.id.clone();
    let heading = ["run", "signal", "step", "layer", "value"];
    let mut table = vec![heading.map(str::to_owned).into()];
    for signal in signals {
        for record in shared.layer_records(signal, 0..u64::MAX) {
            let values = record.layers.get(signal.as_str()).into_iter().flatten();
            table.extend(values.enumerate().map(|(layer, value)| {
                let numbers = [
                    record.step.to_string(),
                    layer.to_string(),
                    value.to_string(),
                ];
                [vec![id.clone(), signal.clone()], numbers.into()].concat()
            }));
        }
    }
    Some(table)
}

/// Where each map stands, and its profile beside it, which is empty where there is no room.
fn areas(place: Place, maps: usize) -> Vec<(Rect, Rect)> {
    let parts = vec![Constraint::Fill(1); maps];
    let parts = Layout::horizontal(parts).spacing(1).split(place.inner());
    let divided = |area: &Rect| {
        let width = if place.alone && area.width >= 36 {
            (area.width / 3).min(30)
        } else {
            0
        };
        let [map, profile] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(*area);
        (map, profile)
    };
    parts.iter().map(divided).collect()
}

impl Layers {
    fn turn(&mut self, map: usize, shared: &Shared, by: isize) {
        if let Some(map) = self.maps.get_mut(map) {
            turn(&mut map.signal, &shared.layer_signals, by);
        }
    }

    fn turn_second(&mut self, shared: &Shared) {
        if self.maps.len() > 1 {
            self.maps.truncate(1);
        } else {
            let first = self.signals(" ");
            self.maps.push(Mapped::of(&first));
            self.turn(1, shared, 1);
        }
    }

    /// By a column of the map.
    fn move_step(&mut self, by: i64) {
        let Some(heat) = self.maps.first().map(|map| &map.heat) else {
            return;
        };
        let (first, last) = heat.steps;
        let column = ((last - first) / heat.columns.max(1) as u64).max(1) as i64;
        let here = self.step.unwrap_or(last);
        let next = here.saturating_add_signed(by * column);
        self.step = Some(next.clamp(first, last));
    }

    fn signals(&self, between: &str) -> String {
        let names: Vec<&str> = self.maps.iter().map(|map| &*map.signal).collect();
        names.join(between)
    }

    fn set_signals(&mut self, shared: &mut Shared, names: &str) -> Outcome {
        let names: Vec<&str> = names
            .split([',', ' '])
            .filter(|name| !name.is_empty())
            .collect();
        let known = &shared.layer_signals;
        // Nothing is known before a run has recorded something.
        let unknown = names
            .iter()
            .find(|name| !known.is_empty() && known.iter().all(|signal| signal != *name));
        if let Some(name) = unknown {
            let hint = words::hint(name, known);
            return Err(format!("no per-layer signal `{name}`{hint}"));
        }
        if !(1..=2).contains(&names.len()) {
            return Err("one or two per-layer signals have a heat map each".to_owned());
        }
        self.maps = names.into_iter().map(Mapped::of).collect();
        Ok(())
    }

    fn set_step(&mut self, _: &mut Shared, step: &str) -> Outcome {
        self.step = match step {
            "" => None,
            step => Some(step.parse().map_err(|_| format!("`{step}` is no step"))?),
        };
        Ok(())
    }

    fn title(&self, depth: Depth) -> Line<'static> {
        Line::from(vec![
            Span::styled(" Layers ", strong()),
            Span::styled("· ", depth.dim()),
            Span::raw(format!("{} ", self.signals(" and "))),
            self.shown_title(depth),
            Span::styled("· ", depth.dim()),
            self.run.span(depth),
            Span::raw(" "),
        ])
    }
}
