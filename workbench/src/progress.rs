//! Progress on standard error: a bar in a terminal, lines without one.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows how far `total` steps are.
pub(crate) struct Steps {
    bar: Option<ProgressBar>,
    total: u64,
    start: Instant,
    first: Option<u64>,
    last_line: Option<Instant>,
}

impl Steps {
    pub(crate) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} · {eta} left");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            total,
            start: Instant::now(),
            first: None,
            last_line: None,
        }
    }

    /// `done` steps are finished; `text` says how it goes.
    pub(crate) fn at(&mut self, done: u64, text: &str) {
        let first = *self.first.get_or_insert(done.saturating_sub(1));
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(text.to_owned());
            return;
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= PAUSE);
        if due || done == self.total {
            let made = done.saturating_sub(first).max(1) as f64;
            let pace = self.start.elapsed().as_secs_f64() / made;
            let left = sweeps::duration(pace * (self.total - done) as f64);
            eprintln!("{done}/{} {text} · {left} left", self.total);
            self.last_line = Some(Instant::now());
        }
    }

    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
