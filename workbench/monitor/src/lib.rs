//! The live monitor: sweeps and runs in a terminal.
//!
//! One decision shapes this crate: *the monitor reads directories*. It attaches to a sweep that is live, finished, killed or
//! copied from elsewhere through the same files, and closing it changes nothing. What it asks of runs (`action`) it asks as any
//! other command does, by files.
//!
//! Data flows one way: `source` reads the files into `view` structs · `shared` keeps them, with what all panes agree on: the
//! run under the cursor, the runs that are drawn · each of `panes` keeps its own choices, prepares what it draws, cached by what
//! that comes from, and draws it · `screen` knows which panes are shown and which one has the focus, `places` where ·
//! `prompt` is the line in which `command`s are typed · `draw` puts all that into cells · `app` holds them together without a terminal, `terminal` gives it one, and `export`
//! writes it to files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod action;
mod app;
mod ascii;
mod braille;
pub mod colour;
mod command;
mod document;
mod draw;
mod error;
mod export;
mod files;
#[cfg(test)]
mod fixed;
mod keymap;
mod keys;
mod list;
mod log;
mod machine;
mod number;
mod paint;
mod pane;
mod panes;
mod places;
mod prompt;
mod screen;
mod scroll;
mod settings;
mod shared;
mod source;
mod start;
mod terminal;
mod view;
mod worker;

pub use colour::Depth;
pub use error::{Exit, MonitorError};
pub use panes::Tab;
pub use terminal::restore;

use ratatui::layout::Rect;

use app::App;
use panes::PANES;

/// What is shown of a directory, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Colours; `None` asks the environment.
    pub depth: Option<Depth>,
    /// The tab that is open at the start.
    pub tab: Tab,
    /// Further sweeps and runs, which are shown in the same screens.
    pub beside: &'a [PathBuf],
    /// Forks of its runs, which are shown with them; the twins of replays are found.
    pub forks: &'a [PathBuf],
    /// Commands that are done at the start, as they are typed behind `:`.
    pub commands: &'a [String],
    /// File with keys and colours; none takes `workbench/monitor.toml` in the user's folder for configurations, if it is there.
    pub settings: Option<&'a Path>,
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
    let mut app = open(dir, options)?;
    set(&mut app, options.settings)?;
    app.ascii = ascii::detect();
    // A command may have put the cursor somewhere, or say it itself.
    let places = |line: &String| matches!(command::split(line).0, "run" | "follow");
    app.screen.shared.follow |= !options.commands.iter().any(places);
    terminal::run(&mut app, stop)
}

/// One screen of `width` × `height` cells as plain text, for scripts: no colours, no spaces at line ends, a
/// newline after every line. Sizes outside 1..=1000 are brought into that range.
pub fn snapshot(
    dir: &Path,
    options: Options,
    (width, height): (u16, u16),
) -> Result<String, MonitorError> {
    let (width, height) = (width.clamp(1, 1000), height.clamp(1, 1000));
    let depth = Some(Depth::Mono);
    let mut app = open(dir, Options { depth, ..options })?;
    set(&mut app, options.settings)?;
    let written = app.write_export(Rect::new(0, 0, width, height))?;
    if let Some(done) = written.filter(|done| done.note.is_some()) {
        // Standard output is the screen alone. There is nowhere to report an error to.
        let _ = std::io::stderr().write_all(format!("{done}\n").as_bytes());
    }
    Ok(app.text(width, height))
}

/// How long the monitor takes, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Until a directory is read.
    pub open: f64,
    /// The first screen.
    pub first: f64,
    /// Median of a screen after the cursor moved.
    pub next: f64,
    /// Median of a look at files in which nothing is new.
    pub poll: f64,
}

/// Measures how long a directory takes on a screen of this size; medians over `repeats`.
pub fn timed(
    dir: &Path,
    options: Options,
    (width, height): (u16, u16),
    repeats: usize,
) -> Result<Times, MonitorError> {
    let seconds = |begun: Instant| begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut app = open(dir, options)?;
    let opened = seconds(begun);
    let begun = Instant::now();
    app.frame(width, height);
    let first = seconds(begun);
    let (mut next, mut poll) = (Vec::new(), Vec::new());
    for _ in 0..repeats.max(1) {
        let begun = Instant::now();
        app.screen.shared.scroll(scroll::Scroll::Rows(1));
        app.frame(width, height);
        next.push(seconds(begun));
        let begun = Instant::now();
        app.poll()?;
        poll.push(seconds(begun));
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    Ok(Times {
        open: opened,
        first,
        next: median(&mut next),
        poll: median(&mut poll),
    })
}

/// Takes the user's keys and colours.
fn set(app: &mut App, file: Option<&Path>) -> Result<(), MonitorError> {
    let (settings, path) = settings::load(file)?;
    colour::choose(settings.palette);
    let keymap = keymap::Keymap::new(&app.screen.sections(), &settings.keys);
    app.screen.keymap = keymap.map_err(|problem| MonitorError::Settings { path, problem })?;
    Ok(())
}

fn open(dir: &Path, options: Options) -> Result<App, MonitorError> {
    let depth = options.depth.unwrap_or_else(Depth::detect);
    let beside = options.beside.iter().map(PathBuf::as_path);
    let paths: Vec<&Path> = std::iter::once(dir).chain(beside).collect();
    let mut app = App::new(source::open(&paths, options.forks)?, &PANES, depth);
    app.screen.open(options.tab);
    app.screen.paths = paths.into_iter().map(Path::to_path_buf).collect();
    app.screen.settings = options.settings.map(Path::to_path_buf);
    app.screen.forks = options.forks.to_vec();
    for line in options.commands {
        let wrong = |problem| MonitorError::Command {
            line: line.clone(),
            problem,
        };
        app.screen.command(line).map_err(wrong)?;
    }
    Ok(app)
}

/// The table of commands as Markdown, for the documentation.
#[must_use]
pub fn commands_markdown() -> String {
    let panes: Vec<_> = PANES.iter().map(|entry| (entry.make)()).collect();
    command::markdown(&screen::command_rows(&panes))
}

/// The tables of keys as Markdown, for the documentation.
#[must_use]
pub fn keys_markdown() -> String {
    let panes: Vec<_> = PANES.iter().map(|entry| (entry.make)()).collect();
    keys::markdown(&screen::sections(
        &PANES,
        &panes,
        &keymap::Keymap::default(),
    ))
}
