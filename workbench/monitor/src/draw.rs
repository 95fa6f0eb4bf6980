//! Drawing: from prepared data to cells. Nothing here reads files or changes the state, so one screen can be
//! drawn to a terminal, a test buffer or a string.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::Line,
};

use crate::colour::Depth;
use crate::layout::Layout;
use crate::scene::Scene;
use crate::state::{Pane, State};
use crate::view::Sweep;

mod alarms;
mod bar;
mod compact;
mod curves;
mod details;
mod header;
mod heat;
mod help;
mod legend;
mod runs;

pub(crate) use help::hidden_lines as help_hidden;
pub(crate) use runs::longest_arm;

/// Everything one screen is drawn from.
#[derive(Clone, Copy)]
pub(crate) struct Screen<'a> {
    pub(crate) sweep: &'a Sweep,
    pub(crate) scene: &'a Scene,
    pub(crate) state: &'a State,
    pub(crate) layout: &'a Layout,
    pub(crate) depth: Depth,
}

/// Draws the whole screen.
pub(crate) fn draw(screen: Screen, buffer: &mut Buffer) {
    let Screen {
        state,
        layout,
        depth,
        ..
    } = screen;
    if state.help {
        help::draw(layout.area, state.help_offset, depth, buffer);
        return;
    }
    if layout.compact {
        compact::draw(screen, buffer);
        return;
    }
    header::draw(screen, buffer);
    for (pane, area) in &layout.panes {
        match pane {
            Pane::Runs => runs::draw(screen, *area, buffer),
            Pane::Curves => curves::draw(screen, *area, buffer),
            Pane::Layers => heat::draw(screen, *area, buffer),
            Pane::Alarms => alarms::draw(screen, *area, buffer),
        }
    }
    if let Some(area) = layout.details {
        details::draw(screen, area, buffer);
    }
    bar::draw(screen, buffer);
}

impl Screen<'_> {
    /// A pane's frame with its title; what stands right of the title is cut off first.
    fn frame(
        &self,
        area: Rect,
        pane: Option<Pane>,
        title: &Line,
        right: &Line,
        buffer: &mut Buffer,
    ) {
        let focused = pane == Some(self.state.focus) && self.layout.panes.len() > 1;
        let style = if focused {
            self.depth.accent()
        } else {
            self.depth.faint()
        };
        frame(area, style, buffer);
        let room = area.width.saturating_sub(4);
        let left_width = (title.width() as u16).min(room);
        on_frame(buffer, area, area.x + 2, title, room);
        let right_width = right.width() as u16;
        if right_width > 0 && left_width + right_width < room {
            on_frame(
                buffer,
                area,
                area.right() - 2 - right_width,
                right,
                right_width,
            );
        }
    }
}

/// Writes a line into the upper edge of a frame, without the frame's colour.
fn on_frame(buffer: &mut Buffer, area: Rect, x: u16, text: &Line, width: u16) {
    let place = Rect::new(x, area.y, width.min(text.width() as u16), 1);
    buffer.set_style(
        place.intersection(area).intersection(buffer.area),
        Style::reset(),
    );
    line(buffer, area, x, area.y, text, width);
}

/// A rounded frame around `area`.
fn frame(area: Rect, style: Style, buffer: &mut Buffer) {
    if area.width < 2 || area.height < 2 {
        return;
    }
    let (left, right, top, bottom) = (area.x, area.right() - 1, area.y, area.bottom() - 1);
    let horizontal = "─".repeat(usize::from(area.width - 2));
    put(buffer, area, left, top, &format!("╭{horizontal}╮"), style);
    put(
        buffer,
        area,
        left,
        bottom,
        &format!("╰{horizontal}╯"),
        style,
    );
    for y in top + 1..bottom {
        put(buffer, area, left, y, "│", style);
        put(buffer, area, right, y, "│", style);
    }
}

/// Writes text at a place, cut off at the right edge of `area`; outside of it nothing is written.
fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buffer.area);
    if !area.contains((x, y).into()) {
        return x;
    }
    buffer
        .set_stringn(x, y, text, usize::from(area.right() - x), style)
        .0
}

/// Writes text that ends left of `right`; where it is too long, its end is cut off.
fn put_right(buffer: &mut Buffer, area: Rect, right: u16, y: u16, text: &str, style: Style) {
    let width = Line::raw(text).width() as u16;
    let room = right.saturating_sub(area.x);
    put(
        buffer,
        Rect {
            width: room,
            ..area
        },
        right - width.min(room),
        y,
        text,
        style,
    );
}

/// Writes a styled line, cut off after `width` and at the right edge of `area`.
fn line(buffer: &mut Buffer, area: Rect, x: u16, y: u16, line: &Line, width: u16) {
    let area = area.intersection(buffer.area);
    if area.contains((x, y).into()) {
        buffer.set_line(x, y, line, width.min(area.right() - x));
    }
}

/// Text cut to a width, with `…` where something is missing.
fn cut(text: &str, width: u16) -> String {
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

/// A bar, `share` of its width heavy, the rest light; bars of neighbouring rows do not run together.
fn progress(buffer: &mut Buffer, area: Rect, share: f64, full: Style, empty: Style) {
    let halves = (share.clamp(0.0, 1.0) * f64::from(area.width) * 2.0).round() as usize;
    let text = "━".repeat(halves / 2) + if halves % 2 == 1 { "╸" } else { "" };
    let x = put(buffer, area, area.x, area.y, &text, full);
    let rest = usize::from(area.right().saturating_sub(x));
    put(buffer, area, x, area.y, &"─".repeat(rest), empty);
}

/// Marks the row under the cursor. Colours of its cells stay, so that outcome and state are still seen.
fn highlight(row: Rect, depth: Depth, buffer: &mut Buffer) {
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
fn hint(buffer: &mut Buffer, area: Rect, text: &str, depth: Depth) {
    let text = cut(text, area.width);
    let x = area.x
        + area
            .width
            .saturating_sub(Line::raw(text.as_str()).width() as u16)
            / 2;
    put(
        buffer,
        area,
        x,
        area.y + area.height.saturating_sub(1) / 2,
        &text,
        depth.dim().add_modifier(Modifier::ITALIC),
    );
}

#[cfg(test)]
mod tests;
