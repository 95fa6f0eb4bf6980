//! The live monitor: a sweep, or one run, in a terminal.
//!
//! One decision shapes this crate: *the monitor only reads directories*. It attaches to a sweep that is live,
//! finished, killed or copied from elsewhere through the same files, and closing it changes nothing.
//!
//! Data flows one way: `source` reads the files into `view` structs · `state` is what the user chose, changed by
//! the actions of the one table in [`keys`] · `layout` says where everything is · `scene` derives curves, heat map
//! and alarms, cached by the revision of what they come from · `draw` turns all that into cells · `app` holds
//! them together without a terminal, and `terminal` gives it one.

use std::path::Path;

mod app;
mod braille;
pub mod colour;
mod draw;
mod error;
pub mod keys;
mod layout;
mod number;
mod scene;
mod source;
mod state;
mod terminal;
mod view;

pub use colour::Depth;
pub use error::MonitorError;
pub use keys::keys_markdown;
pub use state::Tab;
pub use terminal::restore;

use app::App;

/// How the monitor is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Colours; `None` asks the environment.
    pub depth: Option<Depth>,
    /// The tab that is open at the start; `None` is the overview.
    pub tab: Option<Tab>,
}

/// Why the monitor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The user left with `q`; a sweep that is running goes on.
    Left,
    /// The user pressed Ctrl-C, which raw mode keeps from becoming a signal: the caller decides what to stop.
    Interrupted,
    /// The caller asked for it, or another thread of the process panicked and needs the screen for its message.
    Stopped,
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
pub fn snapshot(dir: &Path, width: u16, height: u16) -> Result<String, MonitorError> {
    snapshot_of(dir, Tab::Overview, width, height)
}

/// [`snapshot`] of another tab.
pub fn snapshot_of(dir: &Path, tab: Tab, width: u16, height: u16) -> Result<String, MonitorError> {
    let mut app = open(dir, Depth::Mono, Some(tab))?;
    Ok(app.text(width.clamp(1, 1000), height.clamp(1, 1000)))
}

fn open(dir: &Path, depth: Depth, tab: Option<Tab>) -> Result<App, MonitorError> {
    let mut app = App::new(source::open(dir)?, depth);
    if let Some(tab) = tab {
        app.apply(keys::Action::Open(tab));
    }
    Ok(app)
}
