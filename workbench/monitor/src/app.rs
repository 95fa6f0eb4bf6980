//! The monitor without a terminal: events in, cells out. The terminal, the snapshot and the tests all drive it.

use ratatui::{
    buffer::Buffer,
    crossterm::event::{Event, KeyEventKind},
    layout::Rect,
};

use crate::MonitorError;
use crate::colour::Depth;
use crate::draw::{self, Screen};
use crate::keys::{self, Action};
use crate::layout::Layout;
use crate::scene::Scene;
use crate::state::{Facts, State};
use crate::view::{Source, ended};

mod mouse;

pub(crate) struct App {
    source: Box<dyn Source>,
    scene: Scene,
    pub(crate) state: State,
    depth: Depth,
    /// The screen that was drawn last, which is what keys and clicks refer to.
    area: Rect,
}

impl App {
    pub(crate) fn new(source: Box<dyn Source>, depth: Depth) -> Self {
        let mut app = Self {
            source,
            scene: Scene::default(),
            state: State::default(),
            depth,
            area: Rect::default(),
        };
        app.scene.refresh(app.source.as_ref());
        app
    }

    /// Takes in what is new on disk; `true` when the screen changes.
    pub(crate) fn poll(&mut self) -> Result<bool, MonitorError> {
        let changed = self.source.poll()?;
        if changed {
            self.scene.refresh(self.source.as_ref());
        }
        Ok(changed)
    }

    /// Whether every run has ended, so that news is rare.
    pub(crate) fn ended(&self) -> bool {
        self.source.sweep().runs.iter().all(|run| ended(run.state))
    }

    /// Carries out what an event asks for; `true` when the screen changes.
    pub(crate) fn handle(&mut self, event: &Event) -> bool {
        match event {
            // Some terminals report releases as well.
            Event::Key(key) if key.kind != KeyEventKind::Release => match keys::action(key) {
                Some(action) => {
                    self.apply(action);
                    true
                }
                None => false,
            },
            Event::Mouse(event) => mouse::handle(self, *event),
            Event::Resize(..) => true,
            _ => false,
        }
    }

    pub(crate) fn apply(&mut self, action: Action) {
        let facts = self.facts();
        self.state.apply(action, &facts);
    }

    fn layout(&self) -> Layout {
        Layout::new(self.area, self.state.tab, self.source.sweep().runs.len())
    }

    fn facts(&self) -> Facts {
        let hidden = if self.state.help {
            draw::help_hidden(self.area)
        } else {
            0
        };
        self.scene.facts(&self.layout(), hidden)
    }

    /// Draws one screen.
    pub(crate) fn draw(&mut self, area: Rect, buffer: &mut Buffer) {
        self.area = area;
        // The cursor must be on a run before the alarms of that run are listed, and the lists must be known before
        // the cursors can be fitted.
        self.scene.arrange(self.source.as_ref(), &self.state);
        let facts = self.facts();
        self.state.fit(&facts);
        let layout = self.layout();
        self.scene
            .prepare(self.source.as_mut(), &self.state, &layout);
        let screen = Screen {
            sweep: self.source.sweep(),
            scene: &self.scene,
            state: &self.state,
            layout: &layout,
            depth: self.depth,
        };
        draw::draw(screen, buffer);
    }

    /// One screen as plain text, without spaces at the ends of lines.
    pub(crate) fn text(&mut self, width: u16, height: u16) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        self.draw(area, &mut buffer);
        plain(&buffer)
    }
}

/// The symbols of a buffer, line by line.
pub(crate) fn plain(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut covered = 0;
        for x in area.left()..area.right() {
            let symbol = buffer[(x, y)].symbol();
            // A wide letter covers the next cell, which holds a space that is not there.
            if covered == 0 {
                line.push_str(symbol);
                covered = ratatui::text::Line::raw(symbol).width().max(1);
            }
            covered -= 1;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
