//! `workbench sweep rerun`.

use super::{Lines, executor, exit_code};
use crate::cli::Execution;
use crate::console;
use crate::failure::{Failure, exit};
use crate::signals::Stop;
use experiments_text::Cache;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use sweeps::{Executor, State, Sweep, SweepReader};

pub(super) struct Rerun<'a> {
    pub(super) dir: &'a Path,
    pub(super) share: f64,
    pub(super) seed: u64,
    pub(super) out: PathBuf,
}

impl Rerun<'_> {
    pub(super) fn run(
        &self,
        execution: &Execution,
        cache: &Cache,
        json: bool,
    ) -> Result<ExitCode, Failure> {
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(Failure::usage(format!(
                "--share is {}, must lie above 0 and at most at 1",
                self.share
            )));
        }
        let sweep = Sweep::open(self.dir)?;
        let again = sweep.sample(&self.out, self.share, self.seed)?;
        self.check_finished(&sweep, &again)?;
        let stop = Stop::listen()?;
        let executor = executor(execution, cache, &sweep.plan().missing_languages)?;
        let mut lines = Lines::default();
        let tally = executor.run(&again, stop.flag(), &mut |news| lines.show(&news));
        lines.end();
        let tally = tally?;
        if !tally.is_complete() {
            return Ok(exit_code(tally));
        }
        let comparison = sweep.compare(&again)?;
        if json {
            console::print_json(&comparison)?;
        } else {
            console::print(&comparison.to_string())?;
        }
        Ok(if comparison.is_same() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(exit::FAILED)
        })
    }

    fn check_finished(&self, sweep: &Sweep, again: &Sweep) -> Result<(), Failure> {
        let reader = SweepReader::new(sweep.clone());
        let drawn = again.runs().iter().map(|run| &run.id);
        for id in drawn {
            let state = reader.states().iter().find(|state| state.id == *id);
            if state.is_none_or(|state| state.state != State::Finished) {
                return Err(Failure::usage(format!(
                    "{id} is not finished in `{}`, so there is nothing to compare with: finish the sweep first",
                    self.dir.display()
                )));
            }
        }
        Ok(())
    }
}
