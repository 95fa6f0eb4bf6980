//! The live monitor: a sweep, or one run, in a terminal.
//!
//! One decision shapes this crate: *the monitor only reads directories*. It attaches to a sweep that is live,
//! finished, killed or copied from elsewhere through the same files, and closing it changes nothing.
//!
//! Data flows one way: `source` reads the files into `view` structs · `shared` keeps them, with what all panes agree on: the
//! run under the cursor, the runs that are drawn · each of `panes` keeps its own choices, prepares what it draws, cached by what
//! that comes from, and draws it · `screen` knows which panes are shown and which one has the focus, `places` where ·
//! `draw` puts all that into cells · `app` holds them together without a terminal, and `terminal` gives it one.

use std::path::{Path, PathBuf};

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

/// What is shown of a directory, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Colours; `None` asks the environment.
    pub depth: Option<Depth>,
    /// The tab that is open at the start.
    pub tab: Tab,
    /// Forks of its runs, which are shown with them; the twins of replays are found.
    pub forks: &'a [PathBuf],
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
    terminal::run(&mut open(dir, options)?, stop)
}

/// One screen of `width` × `height` cells as plain text, for scripts: no colours, no spaces at line ends, a
/// newline after every line. Sizes outside 1..=1000 are brought into that range.
pub fn snapshot(
    dir: &Path,
    options: Options,
    (width, height): (u16, u16),
) -> Result<String, MonitorError> {
    let depth = Some(Depth::Mono);
    let mut app = open(dir, Options { depth, ..options })?;
    Ok(app.text(width.clamp(1, 1000), height.clamp(1, 1000)))
}

fn open(dir: &Path, options: Options) -> Result<App, MonitorError> {
    let depth = options.depth.unwrap_or_else(Depth::detect);
    let mut app = App::new(source::open(dir, options.forks)?, &PANES, depth);
    app.screen.open(options.tab);
    Ok(app)
}

/// The tables of keys as Markdown, for the documentation.
#[must_use]
pub fn keys_markdown() -> String {
    let panes: Vec<_> = PANES.iter().map(|entry| (entry.make)()).collect();
    keys::markdown(&screen::sections(&PANES, &panes))
}
