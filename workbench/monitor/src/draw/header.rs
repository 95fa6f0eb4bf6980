//! The three lines on top: what this is, how far it is, and the tabs.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::Line,
    widgets::{Tabs, Widget},
};

use super::totals::Totals;
use crate::colour::{Depth, strong};
use crate::number::count;
use crate::paint::{cut, gauge, line, put, put_right, rows};
use crate::screen::Screen;
use crate::shared::Shared;

pub(super) fn draw(shared: &Shared, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let sweep = shared.sweep();
    let name = cut(&sweep.name, area.width - 2);
    let style = depth.accent().patch(strong());
    let x = put(buffer, area, area.x + 1, &name, style);
    let right = so_far(shared, rows(area, 0, 1), x, depth, buffer);
    if !sweep.title.is_empty() && x + 8 < right {
        let title = cut(&sweep.title, right - x - 3);
        put(buffer, area, x + 2, &title, Style::new());
    }
    progress_line(shared, rows(area, 1, 1), depth, buffer);
}

/// What the criteria find so far, at the right edge where a few words of the title have room as well; where that begins.
fn so_far(shared: &Shared, row: Rect, name: u16, depth: Depth, buffer: &mut Buffer) -> u16 {
    let Some(found) = shared.so_far() else {
        return row.right();
    };
    let width = Line::raw(found.brief.as_str()).width() as u16 + 1;
    if name + 16 + width > row.right() {
        return row.right();
    }
    put_right(buffer, row, row.right() - 1, &found.brief, depth.dim());
    row.right() - width
}

/// The tabs, and the first warning behind them.
pub(super) fn tabs(screen: &Screen, depth: Depth, buffer: &mut Buffer) {
    let titles = screen.tab_titles();
    let area = screen.places.tabs;
    // A cell in front, and one between.
    let widths = titles.iter().map(|title| title.len() as u16 + 1);
    let right = area.x + widths.sum::<u16>();
    Tabs::new(titles)
        .select(screen.tab_number())
        .style(depth.dim())
        .highlight_style(depth.cursor().patch(strong()))
        .padding("", "")
        .divider(" ")
        .render(
            Rect {
                x: area.x + 1,
                width: area.width - 1,
                ..area
            },
            buffer,
        );
    if let Some((warning, others)) = screen.shared.sweep().warnings.split_first() {
        let more = if others.is_empty() {
            String::new()
        } else {
            format!(" (+{})", others.len())
        };
        let x = right + 2;
        let room = area.right().saturating_sub(x + 1);
        let text = cut(&format!("! {warning}{more}"), room);
        put(buffer, area, x, &text, depth.bad());
    }
}

/// Bar, share, counts and time left; on the right the states and the alarms. What does not fit is shortened: first
/// the names of the states, which the table has too, then the steps.
fn progress_line(shared: &Shared, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let sweep = shared.sweep();
    let totals = Totals::of(sweep);
    let alarms = shared
        .sightings()
        .filter(|(run, _)| !shared.is_branch(*run));
    let alarms = alarms.count();
    let share = format!(" {:>3.0} %", (totals.share() * 100.0).floor());
    let steps = format!("  {}/{} steps", count(totals.done), count(totals.planned));
    let end = match sweep.eta {
        Some(eta) => format!("  eta {}", words::short_duration(eta)),
        None if totals.finished == totals.wanted && totals.wanted > 0 => "  done".into(),
        None => String::new(),
    };
    let runs = format!("  {}/{} runs{end}", totals.finished, totals.wanted);
    let long = totals.states(depth, alarms, true);
    let short = totals.states(depth, alarms, false);
    let full = format!("{share}{steps}{runs}");
    let bar = (area.width / 4).clamp(8, 40);
    let choices = [
        (bar, &full, &long),
        (bar, &full, &short),
        (10, &format!("{share}{runs}"), &short),
    ];
    let width = |(bar, text, right): &(u16, &String, &Line)| {
        usize::from(*bar) + text.len() + right.width() + 4
    };
    let fitting = choices
        .iter()
        .find(|choice| width(choice) <= usize::from(area.width));
    let (bar, text, right) = *fitting.unwrap_or(&choices[2]);
    let bar = Rect::new(area.x + 1, area.y, bar, 1).intersection(area);
    gauge(bar, totals.share(), depth.accent(), depth.faint(), buffer);
    put(buffer, area, bar.right(), text, Style::new());
    if fitting.is_some() {
        line(buffer, area, area.right() - 1 - right.width() as u16, right);
    }
}
