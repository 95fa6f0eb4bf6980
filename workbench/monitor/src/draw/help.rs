//! The help screen, written by the tables of keys.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Widget},
};

use crate::colour::{Depth, strong};
use crate::command::CommandRow;
use crate::keys::Section;
use crate::paint::{frame, line};

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

/// What is listed: keys, and what can be typed.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) keys: Vec<Section>,
    pub(crate) commands: Vec<CommandRow>,
}

fn blocks(contents: &Contents, depth: Depth) -> Vec<Vec<Line<'static>>> {
    let row = |label: &str, help: &'static str| {
        // A long name still ends before what it does.
        let name = format!("{label} ");
        let label = Span::styled(format!("  {name:<KEYS$}"), depth.accent());
        Line::from(vec![label, Span::raw(help)])
    };
    let block = |title: &'static str, rows: Vec<Line<'static>>| {
        let title = std::iter::once(Line::styled(title, strong()));
        title
            .chain(rows)
            .chain([Line::default()])
            .collect::<Vec<_>>()
    };
    let section = |section: &Section| {
        let rows = section.rows.iter().map(|key| row(key.label, key.help));
        block(section.title, rows.collect())
    };
    let commands = contents.commands.iter();
    let commands = commands.map(|command| row(&format!(":{}", command.name), command.help));
    let legend = LEGEND.map(|text| Line::styled(format!("  {text}"), depth.dim()));
    let mut last = vec![Line::styled("What the screen says", strong())];
    last.extend(legend);
    let sections = contents.keys.iter().map(section);
    let commands = block("Commands, typed behind :", commands.collect());
    sections.chain([commands, last]).collect()
}

/// The sections laid out in as many columns as fit, balanced; each column is a list of lines.
fn columns(contents: &Contents, width: u16, depth: Depth) -> Vec<Vec<Line<'static>>> {
    let blocks = blocks(contents, depth);
    if width < 2 * COLUMN {
        return vec![blocks.concat()];
    }
    let total: usize = blocks.iter().map(Vec::len).sum();
    let mut columns = vec![Vec::new(), Vec::new()];
    for block in blocks {
        let column = usize::from(columns[0].len() + block.len() / 2 > total / 2);
        columns[column].extend(block);
    }
    columns
}

/// How many lines do not fit: how far the help screen can scroll.
pub(crate) fn hidden_lines(contents: &Contents, area: Rect) -> usize {
    let inner = Block::bordered().inner(area);
    let columns = columns(contents, inner.width, Depth::Mono);
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    longest.saturating_sub(usize::from(inner.height))
}

/// Draws the help screen from its line `first` on.
pub(super) fn draw(
    contents: &Contents,
    area: Rect,
    first: usize,
    depth: Depth,
    buffer: &mut Buffer,
) {
    let text = if hidden_lines(contents, area) > 0 {
        " ↑ ↓ scroll · esc closes "
    } else {
        " esc closes "
    };
    let closes = Line::styled(text, depth.dim()).right_aligned();
    let block = frame(depth.accent())
        .title_top(Line::styled(" Help ", strong()))
        .title_bottom(closes);
    let inner = block.inner(area);
    block.render(area, buffer);
    let columns = columns(contents, inner.width, depth);
    let width = inner.width / columns.len() as u16;
    for (lines, index) in columns.iter().zip(0..) {
        let column = Rect {
            x: inner.x + 1 + index * width,
            width: width.saturating_sub(1),
            ..inner
        };
        for (text, row) in lines.iter().skip(first).zip(column.rows()) {
            line(buffer, row, row.x, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panes::PANES;

    fn shipped() -> Contents {
        let panes: Vec<_> = PANES.iter().map(|entry| (entry.make)()).collect();
        Contents {
            keys: crate::screen::sections(&PANES, &panes, &crate::keymap::Keymap::default()),
            commands: crate::screen::command_rows(&panes),
        }
    }

    #[test]
    fn every_line_fits_a_column_and_a_small_terminal() {
        for line in blocks(&shipped(), Depth::Mono).concat() {
            assert!(line.width() < usize::from(COLUMN), "{line}");
        }
    }

    #[test]
    fn a_name_ends_before_what_it_does() {
        let lines = blocks(&shipped(), Depth::Mono).concat();
        let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        let long = ":alarm-details details of the alarm";
        assert!(text.iter().any(|line| line.contains(long)), "{text:#?}");
    }

    #[test]
    fn scrolling_reaches_the_last_line_and_no_further() {
        let area = Rect::new(0, 0, 80, 24);
        let mut buffer = Buffer::empty(area);
        let sections = shipped();
        let hidden = hidden_lines(&sections, area);
        draw(&sections, area, hidden, Depth::Mono, &mut buffer);
        let text = crate::export::plain(&buffer);
        let last = text.lines().nth(22).unwrap();
        assert!(last.contains(LEGEND[LEGEND.len() - 1]), "{text}");
        assert_eq!(hidden_lines(&sections, Rect::new(0, 0, 200, 90)), 0);
    }
}
