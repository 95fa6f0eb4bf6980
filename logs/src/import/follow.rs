//! Following logs that other programs still write.
//!
//! At every look the files that changed are read from their beginning, and what the run directory does not have
//! yet is added to it. What it has, it says itself: so a follower that was killed goes on like one that was not.

mod followed;
mod growing;
mod sources;

use std::time::{Duration, Instant};

use super::{Import, ImportError, ImportedRun};
use growing::Growing;
use sources::Sources;

/// Least time between two looks. A look at a long file takes long, and so does the pause then.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the end is asked for within a pause.
const ASK: Duration = Duration::from_millis(50);

/// Makes a run directory of the files of one run, or goes on with the one that an earlier follower of them made,
/// and adds what the files gain, until `stopped`. All files are attempts of this run, in the order of their
/// clocks, or else as they appear; later attempts win at the steps they have. The last step waits for the next
/// one, as more of it may come. What the user should hear at once goes to `say`, and into the run's events.
pub fn follow(
    request: &Import,
    say: &mut dyn FnMut(&str),
    stopped: &dyn Fn() -> bool,
) -> Result<ImportedRun, ImportError> {
    let mut follower = Follower::begin(request)?;
    loop {
        let last = stopped();
        let begun = Instant::now();
        let news = follower.look(last)?;
        for line in &news {
            say(line);
        }
        if last {
            return follower.run.end();
        }
        wait(PAUSE.max(begun.elapsed() * 10), stopped);
    }
}

/// A run that grows, and its files.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    request: &'a Import,
    run: Growing,
    sources: Sources,
}

impl<'a> Follower<'a> {
    pub(super) fn begin(request: &'a Import) -> Result<Self, ImportError> {
        let (run, known) = Growing::open(request)?;
        let sources = Sources::new(known);
        Ok(Self {
            request,
            run,
            sources,
        })
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
