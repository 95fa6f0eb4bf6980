//! Which steps the heat maps show, and what the mouse points at there: a click sets the step of the profile, a drag shows only the
//! steps that it spans, the wheel zooms around the pointer.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
    text::Span,
};

use super::Layers;
use crate::colour::Depth;
use crate::command::Outcome;
use crate::number::count;
use crate::shared::Shared;

impl Layers {
    /// The map under the pointer.
    fn plot_at(&self, at: Position) -> Option<(usize, Rect)> {
        let mut plots = self.plots.iter().copied().enumerate();
        plots.find(|(_, plot)| plot.contains(at))
    }

    /// First and last step of the column under the pointer.
    pub(super) fn steps_at(&self, at: Position) -> Option<(u64, u64)> {
        let (number, plot) = self.plot_at(at)?;
        let heat = &self.maps.get(number)?.heat;
        (heat.layers > 0).then(|| heat.steps_of(usize::from(at.x - plot.x)))
    }

    /// The place in the map in which a drag began that is nearest to where the pointer is now.
    pub(super) fn within(&self, from: Position, to: Position) -> Option<Position> {
        let (_, plot) = self.plot_at(from)?;
        let x = to.x.clamp(plot.left(), plot.right().saturating_sub(1));
        Some(Position::new(x, from.y))
    }

    /// Shows `factor` times as many steps around one, or around that of the profile.
    pub(super) fn zoom(&mut self, factor: f64, around: Option<u64>) {
        let Some((first, last)) = self.maps.first().map(|map| map.heat.steps) else {
            return;
        };
        let around = around
            .or(self.step)
            .filter(|step| (first..=last).contains(step));
        let at = around.map_or(f64::midpoint(first as f64, last as f64), |step| step as f64);
        let (low, high) = (
            at - (at - first as f64) * factor,
            at + (last as f64 - at) * factor,
        );
        // The first and the last step of the run are where a map of all steps begins and ends.
        let whole = self.whole.unwrap_or((first, last));
        let (low, high) = (low.floor().max(0.0) as u64, high.ceil() as u64);
        let shown = (low.max(whole.0), high.min(whole.1));
        let narrower = shown.1.saturating_sub(shown.0) < last - first;
        if shown.0 < shown.1 && (factor > 1.0 || narrower) {
            self.shown = Some(shown).filter(|shown| *shown != whole);
        }
    }

    /// What `:steps` was told.
    pub(super) fn set_shown(&mut self, _: &mut Shared, text: &str) -> Outcome {
        let number = |word: &str| {
            word.parse::<u64>()
                .map_err(|_| format!("`{word}` is no step"))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        self.shown = match *words.as_slice() {
            [] => None,
            [first, last] => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(format!("step {first} is behind step {last}"));
                }
                Some((first, last))
            }
            _ => return Err("the first and the last step, such as `steps 100 200`".to_owned()),
        };
        Ok(())
    }

    pub(super) fn shown_title(&self, depth: Depth) -> Span<'static> {
        let Some((first, last)) = self.shown else {
            return Span::raw("");
        };
        Span::styled(
            format!("· steps {}–{} ", count(first), count(last)),
            depth.accent(),
        )
    }

    /// Shows what a drag spans so far.
    pub(super) fn draw_selection(&self, buffer: &mut Buffer) {
        let Some((from, to)) = self.selection else {
            return;
        };
        let Some(((_, plot), to)) = self.plot_at(from).zip(self.within(from, to)) else {
            return;
        };
        let (left, right) = (from.x.min(to.x), from.x.max(to.x));
        let spanned = Rect {
            x: left,
            width: right - left + 1,
            ..plot
        };
        let style = Style::new().add_modifier(Modifier::REVERSED);
        buffer.set_style(spanned.intersection(buffer.area), style);
    }
}
