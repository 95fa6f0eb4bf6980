//! The heat map in cells: map, layer numbers, step axis, colour scale.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    text::{Line, Span},
};

use super::heat::{Cell, Heat};
use crate::colour::Depth;
use crate::number::{compact, count};
use crate::paint::{line, put, put_right, row, rows};

/// Shades that stand in for colours.
const SHADES: [&str; 5] = ["·", "░", "▒", "▓", "█"];

/// Width of the layer numbers left of the map.
const GUTTER: u16 = 4;

/// The map itself inside a pane: right of the layer numbers, above the step axis and the legend.
pub(super) fn plot(inner: Rect) -> Rect {
    let gutter = GUTTER.min(inner.width);
    let below = if inner.height >= 6 {
        2
    } else {
        inner.height.min(1)
    };
    Rect::new(
        inner.x + gutter,
        inner.y,
        inner.width - gutter,
        inner.height - below,
    )
}

/// Draws a map that has layers, with a mark below a step.
pub(super) fn draw(heat: &Heat, step: Option<u64>, inner: Rect, depth: Depth, buffer: &mut Buffer) {
    let plot = plot(inner);
    if plot.is_empty() {
        return;
    }
    let slots = Rows::new(heat.layers, plot.height, depth);
    map(heat, plot, &slots, depth, buffer);
    layer_numbers(heat, inner, &slots, depth, buffer);
    let below = rows(inner, plot.height, 1);
    if !below.is_empty() {
        let (first, last) = heat.steps;
        let text = format!("step {}", count(first));
        put(buffer, below, plot.x, &text, depth.dim());
        let right = below.right();
        put_right(buffer, below, right, &count(last), depth.dim());
        if let Some(step) = step.filter(|step| (first..=last).contains(step)) {
            let column = heat
                .column(step)
                .min(usize::from(plot.width.saturating_sub(1)));
            put(buffer, below, plot.x + column as u16, "▲", depth.accent());
        }
    }
    let below = rows(inner, plot.height + 1, 1);
    if !below.is_empty() {
        scale(heat, below, plot.x, depth, buffer);
    }
}

/// How the layers are spread over the rows: with colours every terminal row has an upper and a lower half.
pub(super) struct Rows {
    layers: usize,
    /// Rows or half rows.
    slots: usize,
    halves: usize,
}

impl Rows {
    pub(super) fn new(layers: usize, height: u16, depth: Depth) -> Self {
        let halves = if depth.coloured() { 2 } else { 1 };
        let available = usize::from(height) * halves;
        // A whole number of slots per layer looks calm, unless it would leave rows empty; with more layers than
        // slots several layers share one.
        let even = available / layers.max(1) * layers;
        let slots = if available - even < 2 * halves && even > 0 {
            even
        } else {
            available
        };
        Self {
            layers,
            slots,
            halves,
        }
    }

    /// The layers of a row, counted from the bottom; none of a row that stays free.
    pub(super) fn layers_of_row(&self, row: usize) -> Option<std::ops::Range<usize>> {
        let slots = row * self.halves..((row + 1) * self.halves).min(self.slots);
        let last = slots.clone().next_back()?;
        Some(self.layers_of(slots.start).start..self.layers_of(last).end)
    }

    /// The layers of a slot, counted from the bottom.
    fn layers_of(&self, slot: usize) -> std::ops::Range<usize> {
        let first = slot * self.layers / self.slots;
        let end = ((slot + 1) * self.layers).div_ceil(self.slots);
        if self.layers <= self.slots {
            first..first + 1
        } else {
            first..end
        }
    }
}

fn map(heat: &Heat, plot: Rect, rows: &Rows, depth: Depth, buffer: &mut Buffer) {
    let area = plot.intersection(buffer.area);
    for row in 0..area.height {
        let from_bottom = usize::from(area.height - 1 - row);
        for column in 0..area.width {
            let cell = |half: usize| {
                let slot = from_bottom * rows.halves + half;
                if slot >= rows.slots {
                    Cell::Empty
                } else {
                    heat.cell(rows.layers_of(slot), usize::from(column))
                }
            };
            let Some(target) = buffer.cell_mut((area.x + column, area.y + row)) else {
                continue;
            };
            if depth.coloured() {
                let colour = |cell| match cell {
                    Cell::Empty => None,
                    Cell::Value(value) => Some(depth.heat(heat.level(value))),
                    Cell::Nonfinite => Some(depth.heat_nonfinite()),
                };
                match (colour(cell(1)), colour(cell(0))) {
                    (None, None) => {}
                    (Some(upper), None) => paint(target, "▀", upper, None),
                    (None, Some(lower)) => paint(target, "▄", lower, None),
                    (Some(upper), Some(lower)) => paint(target, "▀", upper, Some(lower)),
                }
            } else {
                let symbol = match cell(0) {
                    Cell::Empty => " ",
                    Cell::Nonfinite => "✕",
                    Cell::Value(value) => shade(heat.level(value)),
                };
                target.set_symbol(symbol);
            }
        }
    }
}

fn paint(cell: &mut ratatui::buffer::Cell, symbol: &str, fg: Color, bg: Option<Color>) {
    let style = Style::new().fg(fg);
    cell.set_symbol(symbol)
        .set_style(bg.map_or(style, |bg| style.bg(bg)));
}

fn shade(level: f64) -> &'static str {
    SHADES[((level * SHADES.len() as f64) as usize).min(SHADES.len() - 1)]
}

/// Numbers every layer where there is room, else every other, fifth and so on.
fn layer_numbers(heat: &Heat, inner: Rect, rows: &Rows, depth: Depth, buffer: &mut Buffer) {
    let plot = plot(inner);
    let gutter = Rect {
        width: plot.x - inner.x,
        ..inner
    };
    let room = usize::from(plot.height);
    let strides = [1, 2, 5, 10, 20, 50, 100];
    let stride = strides
        .into_iter()
        .find(|stride| heat.layers.div_ceil(*stride) <= room)
        .unwrap_or(1000);
    let mut taken = None;
    for layer in (0..heat.layers).step_by(stride) {
        let Some(slot) = (0..rows.slots).find(|slot| rows.layers_of(*slot).contains(&layer)) else {
            continue;
        };
        let line = slot / rows.halves;
        if taken != Some(line) && line < room {
            let y = plot.bottom() - 1 - line as u16;
            let (right, text) = (plot.x.saturating_sub(1), layer.to_string());
            put_right(buffer, row(gutter, y), right, &text, depth.dim());
            taken = Some(line);
        }
    }
}

/// The legend: least value, colours, greatest value.
fn scale(heat: &Heat, area: Rect, x: u16, depth: Depth, buffer: &mut Buffer) {
    let low = compact(10f64.powf(heat.scale.0));
    let x = put(buffer, area, x, &format!("{low} "), depth.dim());
    let width = (area.right().saturating_sub(x) / 3).clamp(4, 24);
    for step in 0..width {
        let level = f64::from(step) / f64::from(width - 1);
        let (mark, style) = if depth.coloured() {
            ("█", Style::new().fg(depth.heat(level)))
        } else {
            (shade(level), Style::new())
        };
        put(buffer, area, x + step, mark, style);
    }
    let high = compact(10f64.powf(heat.scale.1));
    let unit = match logs::signal(&heat.signal).map_or("", |signal| signal.unit) {
        "" | "1" => String::new(),
        unit => format!(" {unit}"),
    };
    let text = format!(" {high}{unit}, log, max per cell  ");
    let mut text = vec![Span::styled(text, depth.dim())];
    if heat.nonfinite > 0 {
        let mark = if depth.coloured() {
            Span::styled("█", Style::new().fg(depth.heat_nonfinite()))
        } else {
            Span::raw("✕")
        };
        text.extend([mark, Span::styled(" non-finite", depth.dim())]);
    }
    line(buffer, area, x + width, &Line::from(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // Every layer of any model is seen on a map of any height, in order, without an empty row in between.
        #[test]
        fn prop_every_layer_has_a_place(layers in 1usize..200, height in 1u16..70) {
            for depth in [Depth::True, Depth::Mono] {
                let rows = Rows::new(layers, height, depth);
                let mut seen = 0;
                for slot in 0..rows.slots {
                    let range = rows.layers_of(slot);
                    prop_assert!(range.start <= seen && seen <= range.end && range.end <= layers && !range.is_empty());
                    seen = range.end;
                }
                prop_assert_eq!(seen, layers);
                prop_assert!(usize::from(height) * rows.halves - rows.slots < 2 * rows.halves);
            }
        }
    }
}
