//! Progress on standard error: a bar in a terminal, lines without one.
//!
//! [`Steps`] is the bar of one run, [`Sweep`] that of many, [`Wait`] stands where nobody knows how much is left.

use crate::console::say;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows how far `total` steps are.
pub(crate) struct Steps {
    bar: Option<ProgressBar>,
    total: u64,
    /// When the first step was done, and which: getting there is no part of a step.
    first: Option<(Instant, u64)>,
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
            first: None,
            last_line: None,
        }
    }

    /// `done` steps are finished; `text` says how it goes.
    pub(crate) fn at(&mut self, done: u64, text: &str) {
        let (start, first) = *self.first.get_or_insert((Instant::now(), done));
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(words::printable_line(text).into_owned());
            return;
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= PAUSE);
        if due || done == self.total {
            let left = if done > first {
                let pace = start.elapsed().as_secs_f64() / (done - first) as f64;
                let left = words::duration(pace * (self.total - done) as f64);
                format!(" · {left} left")
            } else {
                String::new()
            };
            say(&format!("{done}/{} {text}{left}", self.total));
            self.last_line = Some(Instant::now());
        }
    }

    /// Takes the bar away; what is to stay is said afterwards.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows how far a sweep is, under the lines that stay.
#[derive(Default)]
pub(crate) struct Sweep {
    bar: Option<ProgressBar>,
}

impl Sweep {
    /// `done` of `total` steps; `text` says of how many runs. Whether there is a terminal that shows it.
    pub(crate) fn at(&mut self, done: u64, total: u64, text: String) -> bool {
        if !std::io::stderr().is_terminal() {
            return false;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps · {msg}");
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(text);
        true
    }

    /// Says a line that stays above the bar.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Shows what is being done and for how long already.
pub(crate) struct Wait {
    bar: Option<ProgressBar>,
}

impl Wait {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} · {elapsed}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// What is being done now.
    pub(crate) fn at(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(words::printable_line(text).into_owned()),
            None => say(text),
        }
    }

    /// Takes it away.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
