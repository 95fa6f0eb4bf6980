//! The arms: how many runs each has, and the mean or the least of their last losses.

use ratatui::{
    buffer::Buffer,
    layout::Position,
    text::Line,
    widgets::{Paragraph, Widget},
};

use crate::colour::{Depth, strong};
use crate::keys::{Binding, bindings, letter};
use crate::number::compact;
use crate::pane::{Act, Entry, Keys, Pane, Place};
use crate::shared::Shared;

pub(super) const ENTRY: Entry = Entry {
    name: "arms",
    title: "Arms",
    about: "arms: the losses of each",
    corner: None,
    make: || Box::new(Arms::default()),
};

#[derive(Default)]
struct Arms {
    least: bool,
    lines: Vec<String>,
}

impl Keys for Arms {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('m')] "m" "mean/least" "mean or least of an arm's losses" |pane, _| pane.least = !pane.least;
    ];
}

impl Pane for Arms {
    fn prepare(&mut self, shared: &mut Shared, _place: Option<Place>) {
        let arms = shared.groups.looks.arms.iter().enumerate();
        self.lines = arms
            .map(|(arm, look)| self.line(shared, arm, &look.name))
            .collect();
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let how = if self.least {
            " least loss "
        } else {
            " mean loss "
        };
        let right = Line::styled(how, depth.dim());
        let block = place.frame(Line::styled(" Arms ", strong()), right, depth);
        let lines: Vec<Line> = self.lines.iter().map(Line::raw).collect();
        Paragraph::new(lines)
            .block(block)
            .render(place.area, buffer);
    }

    /// Puts the cursor on the first run of the arm.
    fn click(&mut self, at: Position, place: Place, shared: &mut Shared) {
        let arm = usize::from(at.y.saturating_sub(place.inner().y));
        let run = shared.runs().find(|run| shared.arm(*run) == arm);
        shared.cursor = run.unwrap_or(shared.cursor);
    }
}

impl Arms {
    fn line(&self, shared: &Shared, arm: usize, name: &str) -> String {
        let runs = shared.runs().filter(|run| shared.arm(*run) == arm);
        let losses: Vec<f64> = runs.filter_map(|run| shared.run(run)?.loss).collect();
        let loss = if self.least {
            losses.iter().copied().fold(f64::NAN, f64::min)
        } else {
            losses.iter().sum::<f64>() / losses.len() as f64
        };
        format!("{name}: {} runs, {}", losses.len(), compact(loss))
    }
}
