//! Drawing: from prepared panes to cells. Nothing here reads files or changes what the user chose, so one screen can be drawn
//! to a terminal, a test buffer or a string.

use ratatui::buffer::Buffer;

use crate::colour::Depth;
use crate::screen::Screen;

mod bar;
mod compact;
mod header;
pub(crate) mod help;
mod totals;

pub(crate) use help::hidden_lines as help_hidden;

/// Draws the whole screen.
pub(crate) fn draw(screen: &Screen, depth: Depth, buffer: &mut Buffer) {
    let places = &screen.places;
    if let Some(first) = screen.help {
        help::draw(&screen.contents(), places.area, first, depth, buffer);
    } else if places.compact {
        compact::draw(&screen.shared, places.area, depth, buffer);
        if screen.prompt.is_some() {
            bar::draw(screen, places.bar, depth, buffer);
        }
    } else {
        header::draw(&screen.shared, places.header, depth, buffer);
        header::tabs(screen, depth, buffer);
        for (pane, _) in &places.panes {
            if let Some(place) = places.place(*pane, screen.focus) {
                screen.panes[*pane].draw(place, depth, buffer);
            }
        }
        bar::draw(screen, places.bar, depth, buffer);
    }
}
