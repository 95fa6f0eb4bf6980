//! What a pane is: one framed part of the screen with keys of its own, that can have the focus and has a tab to itself.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::Line,
    widgets::Block,
};

use crate::colour::Depth;
use crate::command::{self, CommandRow, Outcome, PaneCommand};
use crate::keys::{Binding, Key, Row, find, rows};
use crate::paint;
use crate::scroll::Scroll;
use crate::shared::Shared;

/// A pane in the table of panes: what it is called, and where it stands.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Title of its tab, and of its section on the help screen.
    pub(crate) title: &'static str,
    /// What its tab shows, for help and `--help`.
    pub(crate) about: &'static str,
    /// Where it stands on the overview; none has only its tab.
    pub(crate) corner: Option<Corner>,
    pub(crate) make: fn() -> Box<dyn Pane>,
}

/// A place on the overview. A screen too small for all four has the upper ones, or the upper left one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Corner {
    UpperLeft,
    UpperRight,
    LowerRight,
    LowerLeft,
}

impl Corner {
    /// All corners in order of focus.
    pub(crate) const ALL: [Self; 4] = [
        Self::UpperLeft,
        Self::UpperRight,
        Self::LowerRight,
        Self::LowerLeft,
    ];
}

/// What a pane does. It keeps its own choices (cursor, axes, signal) and what it prepared; what several panes must agree on is
/// in [`Shared`].
pub(crate) trait Pane: Keyed {
    /// Makes ready what it draws, before each frame. `None` when it is not on the screen: then only what others rely on.
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>);

    /// Takes in what changes without any record, while it is on the screen; `true` where it has to be drawn again.
    fn look(&mut self, _shared: &mut Shared) -> bool {
        false
    }

    /// Takes in what was found beside the screen; `true` where it has to be drawn again.
    fn hear(&mut self) -> bool {
        false
    }

    /// Waits for what is being found beside the screen; `false` where nothing is.
    fn wait(&mut self) -> bool {
        false
    }

    /// Draws what was prepared, its frame included. Nothing is read or decided here.
    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer);

    /// A click inside its frame, which has given it the focus already.
    fn click(&mut self, _at: Position, _place: Place, _shared: &mut Shared) {}

    /// The pointer moves inside its frame, where the button was pressed, and is held.
    fn drag(&mut self, _drag: Drag, _place: Place, _shared: &mut Shared) {}

    /// Notches of the wheel over it: by default they move its cursor.
    fn wheel(&mut self, _at: Position, notches: isize, _place: Place, shared: &mut Shared) {
        self.scroll(Scroll::Notches(notches), shared);
    }

    /// Moves its cursor: by default the one on the runs.
    fn scroll(&mut self, by: Scroll, shared: &mut Shared) {
        shared.scroll(by);
    }

    /// What it shows as a table for `:export FILE.csv`: a heading, then rows. None where there is nothing, which is said
    /// instead of writing a file.
    fn table(&self, _shared: &mut Shared) -> Option<Vec<Vec<String>>> {
        None
    }

    /// Enter, when the pane has the whole screen: the name of the pane to go to, if any.
    fn enter(&self, _shared: &mut Shared) -> Option<&'static str> {
        None
    }
}

/// Where the button of the mouse was pressed, where the pointer is, and whether it was let go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drag {
    pub(crate) from: Position,
    pub(crate) to: Position,
    pub(crate) done: bool,
}

/// What a key of a pane does.
pub(crate) type Act<P> = fn(&mut P, &mut Shared);

/// The keys of a pane.
pub(crate) trait Keys: Sized + 'static {
    /// A row a line; see [`bindings`](crate::keys::bindings).
    const BINDINGS: &'static [Binding<Act<Self>>] = &[];

    /// What can be typed behind `:`; see [`commands`](crate::command::commands).
    const COMMANDS: &'static [PaneCommand<Self>] = &[];
}

/// What [`Keys`] say, of whatever pane.
pub(crate) trait Keyed {
    /// What the keys do, for key bar, help and documentation.
    fn keys(&self) -> Vec<Row>;

    /// Does what a key asks for; `false` where the pane has none of it.
    fn press(&mut self, key: Key, shared: &mut Shared) -> bool;

    /// What can be typed, for help, completion and documentation.
    fn commands(&self) -> Vec<CommandRow>;

    /// Does what a line asks for; `None` where the pane has no such command.
    fn command(&mut self, name: &str, argument: &str, shared: &mut Shared) -> Option<Outcome>;

    /// How the argument of a command may begin.
    fn choices(&self, name: &str, shared: &Shared) -> Vec<String>;

    /// The lines that lead from the start to what the pane shows now.
    fn lines(&self, shared: &Shared) -> Vec<String>;
}

impl<P: Keys> Keyed for P {
    fn keys(&self) -> Vec<Row> {
        rows(P::BINDINGS)
    }

    fn press(&mut self, key: Key, shared: &mut Shared) -> bool {
        let act = find(P::BINDINGS, key);
        act.map(|act| act(self, shared)).is_some()
    }

    fn commands(&self) -> Vec<CommandRow> {
        P::COMMANDS.iter().map(|command| command.row).collect()
    }

    fn command(&mut self, name: &str, argument: &str, shared: &mut Shared) -> Option<Outcome> {
        let command = command::named(P::COMMANDS, name)?;
        Some((command.act)(self, shared, argument))
    }

    fn choices(&self, name: &str, shared: &Shared) -> Vec<String> {
        command::named(P::COMMANDS, name)
            .map_or_else(Vec::new, |command| (command.choices)(self, shared))
    }

    fn lines(&self, shared: &Shared) -> Vec<String> {
        let line = |command: &PaneCommand<P>| {
            Some(format!(
                "{} {}",
                command.row.name,
                (command.now)(self, shared)?
            ))
        };
        P::COMMANDS.iter().filter_map(line).collect()
    }
}

/// Where a pane stands on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// With its frame.
    pub(crate) area: Rect,
    /// Whether keys go to it.
    pub(crate) focused: bool,
    /// Whether it has the screen to itself.
    pub(crate) alone: bool,
}

impl Place {
    /// The inside of the frame.
    pub(crate) fn inner(self) -> Rect {
        Block::bordered().inner(self.area)
    }

    /// The frame with its title; what stands right of the title is left out where there is no room for both.
    pub(crate) fn frame<'a>(self, title: Line<'a>, right: Line<'a>, depth: Depth) -> Block<'a> {
        let style = if self.focused && !self.alone {
            depth.accent()
        } else {
            depth.faint()
        };
        let room = usize::from(self.area.width.saturating_sub(4));
        let both = title.width() + right.width() < room;
        let frame = paint::frame(style).title_top(title);
        if both && right.width() > 0 {
            frame.title_top(right.right_aligned())
        } else {
            frame
        }
    }
}
