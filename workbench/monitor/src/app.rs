//! The monitor without a terminal: events in, cells out. The terminal, the snapshot and the tests all drive it.

use std::fmt;
use std::path::{Path, PathBuf};

use ratatui::{
    buffer::Buffer,
    crossterm::event::{Event, KeyEventKind, MouseButton, MouseEvent, MouseEventKind},
    layout::{Position, Rect},
};

use crate::ascii;
use crate::colour::Depth;
use crate::draw;
use crate::error::MonitorError;
use crate::export::{self, Format};
use crate::keys::Key;
use crate::pane::Entry;
use crate::screen::Screen;
use crate::shared::{News, Shared};
use crate::view::Source;

pub(crate) struct App {
    pub(crate) screen: Screen,
    depth: Depth,
    /// Whether the terminal shows ASCII only.
    pub(crate) ascii: bool,
}

/// A file that was written, and what is to be told of it.
pub(crate) struct Written {
    file: PathBuf,
    pub(crate) note: Option<String>,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {}", self.file.display())?;
        let note = self.note.as_ref();
        note.map_or(Ok(()), |note| write!(f, "; {note}"))
    }
}

impl App {
    pub(crate) fn new(source: Box<dyn Source>, panes: &'static [Entry], depth: Depth) -> Self {
        Self {
            screen: Screen::new(Shared::new(source), panes),
            depth,
            ascii: false,
        }
    }

    /// Takes in what is new on disk.
    pub(crate) fn poll(&mut self) -> Result<News, MonitorError> {
        let mut news = self.screen.shared.poll()?;
        news.changed |= self.screen.hear() | self.screen.look();
        Ok(news)
    }

    /// Takes in what was answered or found beside the screen; `true` when the screen changes.
    pub(crate) fn hear(&mut self) -> bool {
        self.screen.hear()
    }

    /// Carries out what an event asks for; `true` when the screen changes.
    pub(crate) fn handle(&mut self, event: &Event) -> bool {
        match event {
            // Some terminals report releases as well.
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                Key::of(key).is_some_and(|key| self.screen.press(key))
            }
            Event::Mouse(event) => self.mouse(*event),
            Event::Resize(..) => true,
            _ => false,
        }
    }

    fn mouse(&mut self, event: MouseEvent) -> bool {
        let at = Position::new(event.column, event.row);
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => self.screen.click(at),
            MouseEventKind::Drag(MouseButton::Left) => return self.screen.drag(at, false),
            MouseEventKind::Up(MouseButton::Left) => return self.screen.drag(at, true),
            MouseEventKind::ScrollDown => self.screen.wheel(at, 1),
            MouseEventKind::ScrollUp => self.screen.wheel(at, -1),
            _ => return false,
        }
        true
    }

    /// Draws one screen.
    pub(crate) fn draw(&mut self, area: Rect, buffer: &mut Buffer) {
        self.screen.prepare(area);
        if self.screen.help.is_some() {
            let hidden = draw::help_hidden(&self.screen.contents(), area);
            self.screen.fit_help(hidden);
        }
        draw::draw(&self.screen, self.depth, buffer);
        if self.ascii {
            ascii::reduce(buffer);
        }
    }

    /// Writes the file that `:export` asked for; what was written, or what kept it from being written.
    pub(crate) fn write_export(&mut self, area: Rect) -> Result<Option<Written>, MonitorError> {
        let Some(file) = self.screen.export.take() else {
            return Ok(None);
        };
        let format = export::check(&file.display().to_string()).unwrap_or(Format::Text);
        let mut buffer = Buffer::empty(area);
        self.settle(area);
        draw::draw(&self.screen, Depth::True, &mut buffer);
        let table = match format {
            Format::Csv => self.table(&file)?,
            Format::Svg | Format::Png | Format::Text => Vec::new(),
        };
        let note = export::write(&file, format, &buffer, &table)?;
        Ok(Some(Written { file, note }))
    }

    /// Makes ready all that a screen of this size shows, whatever it takes.
    fn settle(&mut self, area: Rect) {
        self.screen.prepare(area);
        while self.screen.wait() {
            self.screen.prepare(area);
        }
    }

    /// The values of the pane with the focus, for a file.
    fn table(&mut self, file: &Path) -> Result<Vec<Vec<String>>, MonitorError> {
        let focus = self.screen.focus;
        let table = self.screen.panes[focus].table(&mut self.screen.shared);
        table.ok_or_else(|| MonitorError::Command {
            line: format!("export {}", file.display()),
            problem: format!(
                "the pane {} has nothing for a table now",
                self.screen.title(focus)
            ),
        })
    }

    /// One screen as plain text, without spaces at the ends of lines, with all that a user would wait for.
    pub(crate) fn text(&mut self, width: u16, height: u16) -> String {
        self.settle(Rect::new(0, 0, width, height));
        self.frame(width, height)
    }

    /// The same as it is now.
    pub(crate) fn frame(&mut self, width: u16, height: u16) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        self.draw(area, &mut buffer);
        export::plain(&buffer)
    }
}

#[cfg(test)]
mod tests;
