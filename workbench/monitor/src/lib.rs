//! The live monitor: a sweep, or one run, in a terminal.
//!
//! One decision shapes this crate: *the monitor only reads directories*. It attaches to a sweep that is live,
//! finished, killed or copied from elsewhere through the same files, and closing it changes nothing.
//!
//! Data flows one way: `source` reads the files into `view` structs · `shared` keeps them, with what all panes agree on: the
//! run under the cursor, the runs that are drawn · each of `panes` keeps its own choices, prepares what it draws, cached by what
//! that comes from, and draws it · `screen` knows which panes are shown and which one has the focus, `places` where ·
//! `draw` puts all that into cells · `app` holds them together without a terminal, and `terminal` gives it one.

use std::path::Path;

mod app;
pub mod colour;
mod draw;
mod error;
#[cfg(test)]
mod fixed;
mod keys;
mod list;
mod number;
mod paint;
mod pane;
mod panes;
mod places;
mod screen;
mod scroll;
mod shared;
mod source;
mod terminal;
mod view;

pub use colour::Depth;
pub use error::{Exit, MonitorError};
pub use panes::Tab;
pub use terminal::restore;

use app::App;
use panes::PANES;

/// How the monitor is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Colours; `None` asks the environment.
    pub depth: Option<Depth>,
    /// The tab that is open at the start.
    pub tab: Tab,
}

/// Shows a sweep directory or a run directory until the user leaves.
pub fn run(dir: &Path, options: Options) -> Result<Exit, MonitorError> {
    run_with(dir, options, &|| false)
}

/// Like [`run`], and leaves within a quarter of a second once `stop` says so: because of the caller's signal handler, or
/// because the sweep that the caller runs in another thread has ended.
pub fn run_with(
    dir: &Path,
    options: Options,
    stop: &dyn Fn() -> bool,
) -> Result<Exit, MonitorError> {
    let depth = options.depth.unwrap_or_else(Depth::detect);
    terminal::run(&mut open(dir, depth, options.tab)?, stop)
}

/// One screen of `width` × `height` cells as plain text, for scripts: no colours, no spaces at line ends, a
/// newline after every line. Sizes outside 1..=1000 are brought into that range.
pub fn snapshot(dir: &Path, tab: Tab, width: u16, height: u16) -> Result<String, MonitorError> {
    let mut app = open(dir, Depth::Mono, tab)?;
    Ok(app.text(width.clamp(1, 1000), height.clamp(1, 1000)))
}

fn open(dir: &Path, depth: Depth, tab: Tab) -> Result<App, MonitorError> {
    let mut app = App::new(source::open(dir)?, &PANES, depth);
    app.screen.open(tab);
    Ok(app)
}

/// The tables of keys as Markdown, for the documentation.
#[must_use]
pub fn keys_markdown() -> String {
    let panes: Vec<_> = PANES.iter().map(|entry| (entry.make)()).collect();
    keys::markdown(&screen::sections(&PANES, &panes))
}
