//! Following logs that other programs still write.
//!
//! At every look the files that changed are read from their beginning, and what the run directory does not have
//! yet is added to it. What it has, it says itself: so a follower that was killed goes on like one that was not.

mod followed;
mod growing;
mod sources;

use std::time::{Duration, Instant};

use super::{Import, ImportError, ImportedRun};
use crate::error::LogError;
use growing::Growing;
use sources::Sources;

/// Least time between two looks. A look at a long file takes long, and so does the pause then.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the end is asked for within a pause.
const ASK: Duration = Duration::from_millis(50);

/// A run that grows, and its files.
#[derive(Debug)]
pub struct Follower<'a> {
    request: &'a Import,
    run: Growing,
    sources: Sources,
}

impl<'a> Follower<'a> {
    /// Makes a run directory of the files of one run, or opens the one that an earlier follower of them made. A
    /// request that is refused makes and changes nothing.
    pub fn begin(request: &'a Import) -> Result<Self, ImportError> {
        // A look for its refusals alone: what counts is read again once nobody else can write the run.
        Sources::new(growing::earlier_files(&request.out)?).look(request)?;
        let (run, known) = Growing::open(request)?;
        let sources = Sources::new(known);
        Ok(Self {
            request,
            run,
            sources,
        })
    }

    /// Adds what the files gain, until `stopped`. All files are attempts of the run, in the order of their
    /// clocks, or else as they appear; later attempts win at the steps they have. The last step waits for the next
    /// one, as more of it may come. What the user should hear at once goes to `say`, and into the run's events.
    pub fn follow(
        self,
        say: &mut dyn FnMut(&str),
        stopped: &dyn Fn() -> bool,
    ) -> Result<ImportedRun, ImportError> {
        self.go_on(say, stopped).map_err(|error| match error {
            // Other than a training, a follower trains nothing that could stop.
            ImportError::Log(LogError::Gone { path }) => ImportError::Gone { path },
            error => error,
        })
    }

    fn go_on(
        mut self,
        say: &mut dyn FnMut(&str),
        stopped: &dyn Fn() -> bool,
    ) -> Result<ImportedRun, ImportError> {
        loop {
            let last = stopped();
            let begun = Instant::now();
            for line in self.look(last)? {
                say(&line);
            }
            if last {
                return self.run.end();
            }
            wait(PAUSE.max(begun.elapsed() * 10), stopped);
        }
    }

    /// Brings the run up to date; what the user should hear. `last`: the step that waits is added as well.
    pub(super) fn look(&mut self, last: bool) -> Result<Vec<String>, ImportError> {
        let news = self.sources.look(self.request)?;
        if news.changed || last || !news.lines.is_empty() {
            self.run.update(&self.sources, &news.lines, last)?;
            self.sources.settle(self.run.attempts());
        }
        Ok(news.lines)
    }
}

fn wait(pause: Duration, stopped: &dyn Fn() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < pause && !stopped() {
        std::thread::sleep(ASK);
    }
}
