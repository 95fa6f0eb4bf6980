//! The details as somebody reads them: which of them, from which row on, and what is searched for.

use ratatui::{buffer::Buffer, layout::Rect};

use super::details::{Detailed, Said};
use crate::colour::Depth;
use crate::command::{self, Outcome};
use crate::document::{self, Window};
use crate::scroll::Scroll;
use crate::shared::Shared;

#[derive(Default)]
pub(super) struct Reader {
    said: Said,
    window: Window,
    /// The run whose details were read last: another one's begin anew.
    of: Option<usize>,
    /// What is searched for; empty without a search.
    searched: String,
    /// The row where it was found last.
    found: Option<usize>,
    /// Whether it is to be found before the next frame.
    seeks: bool,
    /// None while there is no room for the details.
    detailed: Option<Detailed>,
}

impl Reader {
    /// Shows other details, from where they begin.
    pub(super) fn say(&mut self, said: Said) {
        self.said = said;
        self.begin();
    }

    pub(super) fn say_next(&mut self) {
        self.say(self.said.next());
    }

    fn begin(&mut self) {
        (self.window.chosen, self.found) = (None, None);
    }

    /// `console`, or `console 17`: from this row on.
    pub(super) fn set(&mut self, argument: &str) -> Outcome {
        let (name, row) = command::split(argument);
        let said = command::one_of(name, Said::ALL)?;
        let row = command::row(row)?;
        self.say(said);
        (self.window.chosen, self.seeks) = (row, false);
        Ok(())
    }

    /// How [`Self::set`] leads here; none at the start.
    pub(super) fn now(&self) -> Option<String> {
        let name = self.said.name();
        match self.window.chosen {
            Some(row) => Some(format!("{name} {}", row + 1)),
            None => (self.said != Said::default()).then(|| name.to_owned()),
        }
    }

    /// Searches for a text; the empty one ends the search.
    pub(super) fn search(&mut self, text: &str) {
        text.clone_into(&mut self.searched);
        self.seek();
        self.found = None;
    }

    pub(super) fn searched(&self) -> Option<String> {
        Some(self.searched.clone()).filter(|text| !text.is_empty())
    }

    /// To the next row with the text that is searched for.
    pub(super) fn seek(&mut self) {
        self.seeks = !self.searched.is_empty();
    }

    pub(super) fn scroll(&mut self, by: Scroll) {
        self.window.scroll(by);
    }

    pub(super) fn prepare(&mut self, shared: &Shared, area: Option<Rect>, against: Option<usize>) {
        if self.of.is_some_and(|run| run != shared.cursor) {
            self.begin();
        }
        self.of = Some(shared.cursor);
        self.detailed = area.map(|area| Detailed::of(shared, self.said, against, area));
        let Some(detailed) = &self.detailed else {
            return;
        };
        self.window
            .fit(detailed.rows.len(), detailed.height, detailed.at_end);
        if std::mem::take(&mut self.seeks) {
            let from = self.found.map_or(self.window.top(), |row| row + 1);
            self.found = document::find(&detailed.rows, &self.searched, from);
            if let Some(row) = self.found {
                self.window.show(row);
            }
        }
    }

    pub(super) fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        if let Some(detailed) = &self.detailed {
            detailed.draw((self.window, &self.searched), area, depth, buffer);
        }
    }
}
