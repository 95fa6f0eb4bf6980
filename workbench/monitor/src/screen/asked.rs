//! What is asked of runs after a question: to end, to be left out, to go on.

use std::path::PathBuf;

use sweeps::State;

use super::Screen;
use crate::action::{Action, What};
use crate::command::{self, Outcome};
use crate::prompt::{Kind, Prompt};
use crate::start::Start;

/// Why a run is not stopped from here.
pub(super) const LONE: &str = "a run without a sweep is stopped by its own command";

impl Screen {
    /// Asks whether to do something with the run under the cursor, where there is something to be done.
    pub(super) fn ask_to(&mut self, what: What) {
        if let Err(problem) = self.ask_about(what, "run") {
            self.note = problem;
        }
    }

    /// Asks whether to do something with the run under the cursor, or with all of its arm.
    pub(super) fn ask_about(&mut self, what: What, whom: &str) -> Outcome {
        let arm = command::one_of(whom, [("run", false), ("arm", true), ("", false)])?;
        if what == What::Resume && self.ask_to_go_on(arm)? {
            return Ok(());
        }
        if self.shared.planned(self.shared.cursor).is_none() {
            return Err(LONE.to_owned());
        }
        let can = |state: State| match what {
            What::Resume | What::GoOn => state == State::Skipped,
            What::Stop => matches!(state, State::Running | State::Pending),
            What::Skip => !matches!(state, State::Finished | State::Skipped),
        };
        let runs = self.meant(arm, can);
        if !self.ask_of(what, &runs) {
            return Err(self.nothing_to(what));
        }
        Ok(())
    }

    /// Asks whether to do something with runs of one sweep; `false` where there are none.
    fn ask_of(&mut self, what: What, runs: &[usize]) -> bool {
        let Some(one) = runs.first().copied() else {
            return false;
        };
        self.question(Kind::Question(Action {
            what,
            runs: self.ids(runs),
            one,
            of: self.sweep_among_others(one),
        }));
        true
    }

    /// The name of the sweep of a run, where several paths are open.
    fn sweep_among_others(&self, run: usize) -> Option<String> {
        let (sweep, _) = self.shared.planned(run)?;
        let several = self.paths.len() > 1;
        several.then(|| sweep.dir().display().to_string())
    }

    /// Asks whether to go on with the runs that ended early; `false` where there is none. Those that were skipped are taken
    /// back with them. An executor at work takes them up; without one the question has the command that trains them.
    fn ask_to_go_on(&mut self, arm: bool) -> Result<bool, String> {
        let early = |state| matches!(state, State::Stopped | State::Interrupted | State::Failed);
        let sweep = self.shared.planned(self.shared.cursor);
        if sweep.is_some_and(|(sweep, _)| !sweep.executors().is_empty()) {
            let runs = self.meant(arm, |state| early(state) || state == State::Skipped);
            return Ok(self.ask_of(What::GoOn, &runs));
        }
        let runs = self.meant(arm, early);
        let Some(first) = runs.first() else {
            return Ok(false);
        };
        let shared = &self.shared;
        let mut folders: Vec<PathBuf> = Vec::new();
        for run in &runs {
            folders.push(shared.trained(*run)?.0.to_path_buf());
        }
        let name = match runs.len() {
            1 => shared.label(*first).text,
            many => words::counted(many as u64, "run"),
        };
        let skipped = self.ids(&self.meant(arm, |state| state == State::Skipped));
        let sweep = shared.planned(*first).map(|(sweep, _)| (sweep, skipped));
        let start = Start::resume(&folders, &name, sweep);
        self.question(Kind::Start(start));
        Ok(true)
    }

    fn question(&mut self, kind: Kind) {
        self.help = None;
        self.prompt = Some(Prompt::new(kind, ""));
    }

    /// The run under the cursor, or those of its arm, in a state of some kind. A branch belongs to the command that made it.
    fn meant(&self, arm: bool, can: impl Fn(State) -> bool) -> Vec<usize> {
        let shared = &self.shared;
        let here = shared.cursor;
        let whose = |run: &usize| {
            if arm {
                shared.groups.arm_of(*run) == shared.groups.arm_of(here)
            } else {
                *run == here
            }
        };
        let is = |run: &usize| !shared.is_branch(*run) && can(shared.sweep().runs[*run].state);
        shared.runs().filter(whose).filter(is).collect()
    }

    fn ids(&self, runs: &[usize]) -> Vec<String> {
        let planned = runs.iter().filter_map(|run| self.shared.planned(*run));
        planned.map(|(_, run)| run.id.clone()).collect()
    }

    fn nothing_to(&self, what: What) -> String {
        let shared = &self.shared;
        let run = shared.run(shared.cursor);
        let state = run.map_or("not there", |run| run.state.name());
        let name = shared.label(shared.cursor).text;
        format!("nothing to {}: {name} is {state}", what.word())
    }
}
