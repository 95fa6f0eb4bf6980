//! A per-layer signal over depth at one step: a bar a row, beside the rows of the heat map.

use logs::record::Record;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
};

use super::heat::Heat;
use super::map::{self, Rows};
use crate::colour::Depth;
use crate::number::{compact, count};
use crate::paint::{gauge, put, put_right, row, rows};

/// Width of the numbers beside the bars.
const NUMBER: u16 = 9;

/// The values of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Profile {
    step: u64,
    /// Layer 0 first; empty where none was recorded up to the step.
    values: Vec<f64>,
}

impl Profile {
    /// Of the last record with the signal up to a step, or of all.
    pub(super) fn at(records: &[Record], signal: &str, step: Option<u64>) -> Self {
        let mut before = records
            .iter()
            .rev()
            .skip_while(|record| step.is_some_and(|step| record.step > step));
        let found = before.find_map(|record| Some((record.step, record.layers.get(signal)?)));
        found.map_or_else(Self::default, |(step, values)| Self {
            step,
            values: values.clone(),
        })
    }

    /// The value of several layers that is farthest from zero; one that is not finite before all others.
    fn greatest(&self, layers: std::ops::Range<usize>) -> Option<f64> {
        let values = layers.filter_map(|layer| self.values.get(layer).copied());
        values.reduce(|a, b| match (a.is_finite(), b.is_finite()) {
            (true, false) => b,
            (true, true) if b.abs() > a.abs() => b,
            (false, _) | (true, true) => a,
        })
    }
}

/// Draws it right of a map that stands in the same rows; lengths have the scale of the map's colours.
pub(super) fn draw(profile: &Profile, heat: &Heat, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let plot = map::plot(area);
    if plot.width < NUMBER + 4 {
        return;
    }
    let layers = Rows::new(heat.layers, plot.height, depth);
    let bar = Rect {
        x: area.x + 2,
        width: area.width - NUMBER - 3,
        ..plot
    };
    for from_bottom in 0..plot.height {
        let value = layers
            .layers_of_row(usize::from(from_bottom))
            .and_then(|layers| profile.greatest(layers));
        let Some(value) = value else { continue };
        let y = plot.bottom() - 1 - from_bottom;
        let (level, style) = if value.is_finite() {
            let level = heat.level(value.abs().log10());
            (level, coloured(depth.heat(level.max(0.25))))
        } else {
            (1.0, coloured(depth.heat_nonfinite()))
        };
        gauge(row(bar, y), level, style, depth.faint(), buffer);
        let line = row(area, y);
        put_right(buffer, line, line.right(), &compact(value), Style::new());
    }
    let below = rows(area, plot.height, 1);
    let text = format!("depth at step {}", count(profile.step));
    put(buffer, below, bar.x, &text, depth.dim());
}

fn coloured(colour: Color) -> Style {
    match colour {
        Color::Reset => Style::new(),
        colour => Style::new().fg(colour),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_of_the_last_record_with_the_signal_up_to_the_step() {
        let records: Vec<Record> = (1..=5)
            .map(|step| {
                let mut record = Record::new(step);
                if step % 2 == 1 {
                    record.set_layers_named("layer_grad_norm", vec![step as f64, f64::NAN, -9.0]);
                }
                record
            })
            .collect();
        let at = |step| Profile::at(&records, "layer_grad_norm", step);
        assert_eq!(
            (at(None).step, at(Some(4)).step, at(Some(3)).step),
            (5, 3, 3)
        );
        assert_eq!(at(Some(0)), Profile::default());
        assert!(at(None).greatest(0..3).is_some_and(f64::is_nan));
        assert_eq!(at(None).greatest(0..1), Some(5.0));
        assert_eq!(at(None).greatest(5..9), None);
    }
}
