//! Small drawing helpers that every part of the screen uses.

use std::collections::BTreeSet;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    symbols::line::{HORIZONTAL, THICK_HORIZONTAL},
    text::Line,
    widgets::{Block, BorderType, LineGauge, Widget},
};

use crate::colour::Depth;

/// A rounded frame; what is written on its edges does not take its colour.
pub(crate) fn frame(style: Style) -> Block<'static> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(style)
        .title_style(Style::reset())
}

/// `count` rows of `area` from row `from`, as far as they exist.
pub(crate) fn rows(area: Rect, from: u16, count: u16) -> Rect {
    let from = from.min(area.height);
    Rect {
        y: area.y + from,
        height: count.min(area.height - from),
        ..area
    }
}

/// The row of `area` at `y`, empty where it has none there.
pub(crate) fn row(area: Rect, y: u16) -> Rect {
    Rect {
        y,
        height: 1,
        ..area
    }
    .intersection(area)
}

/// Writes text into a row from `x` on, cut off at its end, and returns where it ends. Outside of the row nothing is written.
pub(crate) fn put(buffer: &mut Buffer, row: Rect, x: u16, text: &str, style: Style) -> u16 {
    let row = row.intersection(buffer.area);
    if !row.contains((x, row.y).into()) {
        return x;
    }
    let room = usize::from(row.right() - x);
    buffer.set_stringn(x, row.y, text, room, style).0
}

/// Writes text that ends left of `right`; where it is too long, its end is cut off.
pub(crate) fn put_right(buffer: &mut Buffer, row: Rect, right: u16, text: &str, style: Style) {
    let room = right.saturating_sub(row.x);
    let width = (Line::raw(text).width() as u16).min(room);
    put(
        buffer,
        Rect { width: room, ..row },
        right - width,
        text,
        style,
    );
}

/// Writes a styled line into a row from `x` on, cut off at its end.
pub(crate) fn line(buffer: &mut Buffer, row: Rect, x: u16, line: &Line) {
    let row = row.intersection(buffer.area);
    if row.contains((x, row.y).into()) {
        buffer.set_line(x, row.y, line, row.right() - x);
    }
}

/// Text cut to a width, with `…` where something is missing.
pub(crate) fn cut(text: &str, width: u16) -> String {
    if Line::raw(text).width() <= usize::from(width) {
        return text.into();
    }
    let mut short = String::new();
    for letter in text.chars() {
        short.push(letter);
        if Line::raw(short.as_str()).width() + 1 > usize::from(width) {
            short.pop();
            break;
        }
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// Text in lines of a width, broken between words where it can be.
pub(crate) fn wrapped(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(1));
    let columns = |text: &str| Line::raw(text).width();
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let last = lines.last().map_or(0, |line| columns(line));
        if last > 0 && last + columns(word.trim_end()) > width {
            lines.push(String::new());
        }
        for letter in word.chars() {
            let full = lines.last().is_some_and(|line| {
                columns(line) + columns(letter.encode_utf8(&mut [0; 4])) > width
            });
            if full && letter != ' ' {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
        }
    }
    lines
}

/// Text cut to a width in its middle, where both of its ends tell it from others.
pub(crate) fn cut_middle(text: &str, width: u16) -> String {
    let columns = |text: &str| Line::raw(text).width();
    if columns(text) <= usize::from(width) {
        return text.into();
    }
    let fits = |from: &usize| columns(&text[*from..]) <= usize::from(width / 2);
    let mut starts = text.char_indices().map(|(start, _)| start);
    let end = &text[starts.find(fits).unwrap_or(text.len())..];
    cut(text, width - columns(end) as u16) + end
}

/// Names cut to a width so that as many as can be stay apart: in the middle or at the end of what all do not begin with, or of all,
/// or at the front; the first of these that does best. What fits is not cut.
pub(crate) fn shortened(names: &[&str], width: u16) -> Vec<String> {
    let fits = |name: &&str| Line::raw(*name).width() <= usize::from(width);
    if names.iter().all(fits) {
        return names.iter().map(|name| (*name).to_owned()).collect();
    }
    let shared = shared_front(names);
    let ways: [&dyn Fn(&str) -> String; 5] = [
        &|name| cut_middle(&name[shared..], width),
        &|name| cut_middle(name, width),
        &|name| cut(&name[shared..], width),
        &|name| cut_front(name, width),
        &|name| cut(name, width),
    ];
    let mut best = (0, Vec::new());
    for way in ways {
        let short: Vec<String> = names.iter().map(|name| way(name)).collect();
        let distinct = short.iter().collect::<BTreeSet<_>>().len();
        if distinct > best.0 {
            best = (distinct, short);
        }
    }
    best.1
}

/// Bytes of what all names begin with, of which each goes on behind it: whole words where these are words, so that no number is
/// cut.
fn shared_front(names: &[&str]) -> usize {
    let Some((first, others)) = names.split_first() else {
        return 0;
    };
    let starts = first.char_indices().map(|(start, _)| start);
    let all = |end: &usize| {
        let front = &first[..*end];
        others
            .iter()
            .all(|name| name.starts_with(front) && name.len() > *end)
    };
    let shared = starts.take_while(all).last().unwrap_or(0);
    let word = first[..shared].rfind([' ', '-', '_', '/', '=', ',']);
    word.map_or(shared, |separator| separator + 1)
}

/// Text cut to a width at its front.
fn cut_front(text: &str, width: u16) -> String {
    let columns = |text: &str| Line::raw(text).width();
    if columns(text) <= usize::from(width) {
        return text.into();
    }
    let fits = |from: &usize| columns(&text[*from..]) < usize::from(width);
    let mut starts = text.char_indices().map(|(start, _)| start);
    let end = &text[starts.find(fits).unwrap_or(text.len())..];
    let mark = if width > 0 { "…" } else { "" };
    format!("{mark}{end}")
}

/// A bar, `share` of its width heavy, the rest light.
pub(crate) fn gauge(area: Rect, share: f64, full: Style, empty: Style, buffer: &mut Buffer) {
    // The widget leaves a cell for the gap behind its label, which is empty here.
    let area = Rect {
        x: area.x.saturating_sub(1),
        width: area.width + 1,
        ..area
    };
    // The widget refuses other shares, and NaN, by a panic.
    let share = if share > 0.0 { share.min(1.0) } else { 0.0 };
    LineGauge::default()
        .label("")
        .ratio(share)
        .filled_symbol(THICK_HORIZONTAL)
        .unfilled_symbol(HORIZONTAL)
        .filled_style(full)
        .unfilled_style(empty)
        .render(area.intersection(buffer.area), buffer);
}

/// Marks the row under the cursor. Colours of its cells stay, so that outcome and state are still seen.
pub(crate) fn highlight(row: Rect, depth: Depth, buffer: &mut Buffer) {
    let style = if depth.coloured() {
        Style {
            fg: None,
            ..depth.cursor()
        }
    } else {
        depth.cursor()
    };
    buffer.set_style(
        row.intersection(buffer.area),
        style.add_modifier(Modifier::BOLD),
    );
}

/// A hint in the middle of an empty pane.
pub(crate) fn hint(buffer: &mut Buffer, area: Rect, text: &str, depth: Depth) {
    let text = cut(text, area.width);
    let free = area.width - Line::raw(text.as_str()).width() as u16;
    let middle = rows(area, area.height.saturating_sub(1) / 2, 1);
    let style = depth.dim().add_modifier(Modifier::ITALIC);
    put(buffer, middle, area.x + free / 2, &text, style);
}

#[cfg(test)]
mod tests;
