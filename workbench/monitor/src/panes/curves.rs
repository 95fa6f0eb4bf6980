//! The curves: two charts with a common x axis.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Direction, Layout, Rect},
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::keys::{Binding, bindings, letter};
use crate::pane::{Act, Corner, Entry, Keys, Pane, Place};
use crate::shared::{Label, Shared, turn};
use crate::view::Revision;
use chart::Chart;
use choices::CurveChoices;

mod braille;
mod chart;
mod choices;
mod legend;
mod plot;
mod reduce;

pub(super) const ENTRY: Entry = Entry {
    name: "curves",
    title: "Curves",
    about: "curves",
    corner: Some(Corner::UpperRight),
    make: || {
        Box::new(Curves {
            signal: "grad_norm".to_owned(),
            ..Curves::default()
        })
    },
};

#[derive(Default)]
struct Curves {
    choices: CurveChoices,
    /// Signal of the lower chart, by name: the list of signals may grow meanwhile.
    signal: String,
    /// Upper and lower chart, with what they were made from.
    charts: [(Option<ChartKey>, Chart); 2],
    arms: Vec<String>,
    run: Label,
}

/// Everything a chart depends on: while it stays the same, nothing is computed.
#[derive(Debug, Clone, PartialEq)]
struct ChartKey {
    revisions: Vec<Revision>,
    chosen: Vec<usize>,
    /// Only where it shows: the focused run is drawn brighter when runs are drawn one by one.
    focus: Option<usize>,
    signal: String,
    choices: CurveChoices,
    columns: usize,
}

impl Keys for Curves {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('y')] "y" "log y" "logarithmic loss axis, on or off" |pane, _| pane.choices.log[0] = !pane.choices.log[0];
        [letter('Y')] "Y" "log lower" "logarithmic axis of the lower chart, on or off" |pane, _| pane.choices.log[1] = !pane.choices.log[1];
        [letter('z')] "z" "smooth" "smoothing on or off (debiased moving average)" |pane, _| pane.choices.smooth = !pane.choices.smooth;
        [letter('+'), letter('=')] "+" "" "stronger smoothing" |pane, _| pane.choices.smooth_by(1);
        [letter('-')] "-" "" "weaker smoothing" |pane, _| pane.choices.smooth_by(-1);
        [letter('x')] "x" "x axis" "x axis: step, tokens, time" |pane, _| pane.choices.next_axis();
        [letter('g')] "g" "group" "one curve per arm (mean, band from min to max) or per run" |pane, _| pane.choices.grouped = !pane.choices.grouped;
        [letter('v')] "v" "signal" "next signal in the lower chart" |pane, shared| turn(&mut pane.signal, &shared.signals, 1);
        [letter('V')] "V" "" "previous signal in the lower chart" |pane, shared| turn(&mut pane.signal, &shared.signals, -1);
    ];
}

impl Pane for Curves {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        self.arms.clone_from(&shared.arms);
        self.run = shared.label(shared.cursor);
        let [upper, lower] = areas(place.inner());
        self.make(0, "loss".to_owned(), upper, shared);
        self.make(1, self.signal.clone(), lower, shared);
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        place
            .frame(self.title(depth), self.right(), depth)
            .render(place.area, buffer);
        for ((_, chart), area) in self.charts.iter().zip(areas(place.inner())) {
            plot::draw(chart, &self.arms, area, depth, buffer);
        }
    }
}

impl Curves {
    /// Makes the upper (0) or lower (1) chart, unless it is what it would be.
    fn make(&mut self, index: usize, signal: String, area: Rect, shared: &mut Shared) {
        let drawn = shared.runs().filter(|run| shared.is_selected(*run));
        let key = ChartKey {
            revisions: shared.revisions(),
            chosen: drawn.collect(),
            focus: (!self.choices.grouped).then_some(shared.cursor),
            signal,
            choices: self.choices,
            columns: usize::from(area.width) * 2,
        };
        let (made_from, chart) = &mut self.charts[index];
        if made_from.as_ref() != Some(&key) {
            *chart = key.chart(shared, index);
            *made_from = Some(key);
        }
    }

    fn title(&self, depth: Depth) -> Line<'static> {
        let how = if self.choices.grouped {
            "mean of seeds, min–max band"
        } else {
            "one line per run"
        };
        let mut title = vec![
            Span::styled(" Curves ", strong()),
            Span::styled(format!("· {how} "), depth.dim()),
        ];
        if self.choices.smooth {
            let weight = format!("· smoothed {} ", self.choices.weight());
            title.push(Span::styled(weight, depth.accent()));
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
    fn chart(&self, shared: &mut Shared, index: usize) -> Chart {
        let arms = shared.arms.len();
        let curves = shared.curves(&self.chosen, &self.signal, self.choices.axis);
        chart::build(
            &self.signal,
            &curves,
            arms,
            self.choices,
            index,
            self.columns,
        )
    }
}

/// The two charts: side by side where they would become too flat on top of each other.
fn areas(inner: Rect) -> [Rect; 2] {
    let (direction, first) = if inner.height < 14 && inner.width >= 60 {
        (Direction::Horizontal, inner.width / 2)
    } else {
        (Direction::Vertical, inner.height.div_ceil(2))
    };
    Layout::new(direction, [Constraint::Length(first), Constraint::Fill(1)]).areas(inner)
}

#[cfg(test)]
mod tests;
