//! The help screen, written by the key table.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{frame, line, put_right};
use crate::colour::{Depth, strong};
use crate::keys::{BINDINGS, Group};
use crate::layout;

/// Width that a column of keys and their meanings wants.
const COLUMN: u16 = 73;
/// Width of the keys.
const KEYS: usize = 11;

/// What colours and marks mean; keys alone do not explain a screen.
const LEGEND: [&str; 6] = [
    "The band spans the lowest to the highest raw value of an arm's seeds;",
    "the line is their mean. Smoothing is per run, before the mean.",
    "✕ on a curve: a value that is NaN or infinite, at its step.",
    "Heat map: largest value of a layer within a column, logarithmic.",
    "Mouse: click a run, a heading, a tab or a pane; click the mark of a",
    "run to draw it; the wheel scrolls.",
];

fn lines(depth: Depth) -> Vec<Vec<Line<'static>>> {
    let mut sections: Vec<Vec<Line>> = Group::ALL
        .into_iter()
        .map(|group| {
            let mut section = vec![Line::styled(group.title(), strong())];
            for binding in BINDINGS.iter().filter(|binding| binding.group == group) {
                section.push(Line::from(vec![
                    Span::styled(format!("  {:<KEYS$}", binding.label), depth.accent()),
                    Span::raw(binding.help),
                ]));
            }
            section.push(Line::default());
            section
        })
        .collect();
    let mut legend = vec![Line::styled("What the screen says", strong())];
    legend.extend(
        LEGEND
            .into_iter()
            .map(|text| Line::styled(format!("  {text}"), depth.dim())),
    );
    sections.push(legend);
    sections
}

/// The sections laid out in as many columns as fit, balanced; each column is a list of lines.
fn layout_columns(area: Rect, depth: Depth) -> Vec<Vec<Line<'static>>> {
    let sections = lines(depth);
    if area.width < 2 * COLUMN {
        return vec![sections.concat()];
    }
    let total: usize = sections.iter().map(Vec::len).sum();
    let mut columns = vec![Vec::new(), Vec::new()];
    for section in sections {
        let column = usize::from(columns[0].len() + section.len() / 2 > total / 2);
        columns[column].extend(section);
    }
    columns
}

/// How many lines do not fit: how far the help screen can scroll.
pub(crate) fn hidden_lines(area: Rect) -> usize {
    let inner = layout::inner(area);
    let longest = layout_columns(inner, Depth::Mono)
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or(0);
    longest.saturating_sub(usize::from(inner.height))
}

pub(super) fn draw(area: Rect, offset: usize, depth: Depth, buffer: &mut Buffer) {
    frame(area, depth.accent(), buffer);
    line(
        buffer,
        area,
        area.x + 2,
        area.y,
        &Line::styled(" Help ", strong()),
        area.width.saturating_sub(4),
    );
    let inner = layout::inner(area);
    let columns = layout_columns(inner, depth);
    let width = inner.width / columns.len().max(1) as u16;
    for (index, column) in columns.iter().enumerate() {
        let x = inner.x + 1 + index as u16 * width;
        for (row, text) in column
            .iter()
            .skip(offset)
            .take(usize::from(inner.height))
            .enumerate()
        {
            line(
                buffer,
                inner,
                x,
                inner.y + row as u16,
                text,
                width.saturating_sub(1),
            );
        }
    }
    let hidden = hidden_lines(area);
    let text = if hidden > 0 {
        " ↑ ↓ scroll · esc closes "
    } else {
        " esc closes "
    };
    if area.width > 30 && area.height > 1 {
        put_right(
            buffer,
            area,
            area.right() - 2,
            area.bottom() - 1,
            text,
            depth.dim(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_a_column_and_a_small_terminal() {
        for line in lines(Depth::Mono).concat() {
            assert!(line.width() < usize::from(COLUMN), "{line}");
        }
    }

    #[test]
    fn scrolling_reaches_the_last_line_and_no_further() {
        let area = Rect::new(0, 0, 80, 24);
        let mut buffer = Buffer::empty(area);
        draw(area, hidden_lines(area), Depth::Mono, &mut buffer);
        let text = crate::app::plain(&buffer);
        let last = text.lines().nth(22).unwrap();
        assert!(last.contains(LEGEND[LEGEND.len() - 1]), "{text}");
        assert_eq!(hidden_lines(Rect::new(0, 0, 200, 90)), 0);
    }
}
