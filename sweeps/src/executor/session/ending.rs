//! What the end of a process means for its runs.

use super::{Company, Session};
use crate::SweepError;
use crate::executor::process::{Charge, End};
use crate::executor::progress::Progress;
use crate::reader::{State, describe};
use logs::run::{MANIFEST_FILE, Status, Summary, metrics_file};

impl Session<'_> {
    pub(super) fn dissolve(
        &mut self,
        runs: &[Charge],
        end: End,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), SweepError> {
        if let [run] = runs {
            progress(self.conclude(run, end)?);
            return Ok(());
        }
        let asked: Vec<bool> = runs
            .iter()
            .map(|run| self.is_asked_for(run.index))
            .collect();
        let on_behalf = asked.contains(&true);
        for (run, asked) in runs.iter().zip(asked) {
            let own = self.own_end(run, end);
            // It only ended because another one was asked to, and not by an alarm of its own.
            let own_reason = asked || self.reader.states()[run.index].message.is_some();
            if own == End::Stopped && on_behalf && !own_reason {
                self.queue.push_front(run.index);
            } else {
                progress(self.conclude(run, own)?);
            }
        }
        Ok(())
    }

    /// The end a run of a pack would have had in a process of its own.
    fn own_end(&self, run: &Charge, end: End) -> End {
        let state = self.reader.states()[run.index].state;
        let ended = run.has_ended(&self.directory(run.index));
        match (state, end) {
            (State::Finished, _) => End::Done,
            (State::Stopped | State::Skipped, _) if ended => End::Stopped,
            // It failed by itself, though another one met the machine's limits.
            (State::Failed, End::Machine) if ended => End::Failed(1),
            // Nothing of its own, though the process says that all is well.
            (_, End::Done | End::Stopped) => End::Failed(1),
            (_, end) => end,
        }
    }

    fn conclude(&mut self, run: &Charge, end: End) -> Result<Progress, SweepError> {
        let index = run.index;
        let state = self.reader.states()[index].state;
        let id = self.id(index);
        let news = match (end, state) {
            // In company somebody else may have done it.
            (_, State::Finished) => Progress::ended(&self.reader.states()[index]),
            // The trainer could not get hold of the run because somebody else trains it, or did a moment ago.
            (End::Taken, _) | (_, State::Running) => {
                if self.company != Company::Scheduler {
                    self.others.push(index);
                }
                return Ok(Progress::Elsewhere { id });
            }
            (End::Stopped, _) => Progress::Stopped {
                id: id.clone(),
                message: self.reader.states()[index].message.clone(),
            },
            (End::Killed(_), _) => Progress::Interrupted {
                id: id.clone(),
                message: end.to_string(),
            },
            (End::Machine, _) => self.interrupt(run, end),
            (End::Done | End::Failed(_), _) => self.fail_unless_lacking(run, end),
        };
        self.honoured(&id)?;
        Ok(news)
    }

    /// The run can go on when the machine can; until then no other one can either.
    fn interrupt(&mut self, run: &Charge, end: End) -> Progress {
        let (id, message) = (self.id(run.index), self.explain(run, end));
        self.give_up(&id, message.clone());
        Progress::Interrupted { id, message }
    }

    /// Makes the session end, for a reason that is none of the runs'. The first one counts.
    pub(super) fn give_up(&mut self, id: &str, problem: String) {
        self.machine_failure.get_or_insert(SweepError::Machine {
            run: id.to_owned(),
            problem,
        });
    }

    /// What its machine lacks is not held against a run that has not begun for it.
    fn fail_unless_lacking(&mut self, run: &Charge, end: End) -> Progress {
        let lacking = self.executor.lacking();
        match lacking.filter(|_| !run.has_ended(&self.directory(run.index))) {
            None => self.fail(run, end),
            Some(lacking) => {
                let (id, message) = (self.id(run.index), lacking.to_string());
                self.machine_failure.get_or_insert(lacking);
                Progress::Interrupted { id, message }
            }
        }
    }

    fn fail(&mut self, run: &Charge, end: End) -> Progress {
        let (id, message) = (self.id(run.index), self.explain(run, end));
        let directory = self.directory(run.index);
        if self.was_refused(run, end) {
            // What it was before, it still is, and its summary stays.
            self.failed.push(run.index);
        } else if !run.has_ended(&directory)
            || self.reader.states()[run.index].state != State::Failed
        {
            self.note_failure(run.index, &message);
        }
        Progress::Failed { id, message }
    }

    /// Whether a run that had begun before was not let go on.
    fn was_refused(&self, run: &Charge, end: End) -> bool {
        let directory = self.directory(run.index);
        end == End::REFUSED && !run.has_ended(&directory) && directory.join(MANIFEST_FILE).exists()
    }

    fn explain(&self, run: &Charge, end: End) -> String {
        let state = &self.reader.states()[run.index];
        let directory = self.directory(run.index);
        if !directory.is_dir() {
            return format!("{end}: its directory was moved or deleted");
        }
        let words = match (&state.message, state.state) {
            // A failure of before says nothing of this one.
            (Some(message), State::Failed) if run.has_ended(&directory) => Some(message.clone()),
            _ => run.last_words(&directory),
        };
        match words {
            // It says itself what the machine lacks.
            Some(words) if end == End::Machine => words,
            Some(words) => format!("{end}: {words}"),
            None => end.to_string(),
        }
    }

    /// Says in the run directory what a trainer could not say itself. Where that cannot be written the
    /// run counts as failed in this session only.
    pub(super) fn note_failure(&mut self, index: usize, message: &str) {
        self.failed.push(index);
        let run = &self.reader.states()[index];
        let directory = self.directory(index);
        let attempts = (1..=9999)
            .take_while(|number| directory.join(metrics_file(*number)).exists())
            .last();
        let summary = Summary {
            message: Some(message.to_owned()),
            ..Summary::new(Status::Failed, run.step, attempts.unwrap_or(0), 0.0)
        };
        match summary.save(&directory) {
            Err(error) if logs::is_machine_failure(&error) => {
                self.give_up(&self.id(index), describe(&error));
            }
            // Its directory is gone or belongs to somebody else; the other runs can go on.
            Err(_) | Ok(()) => {}
        }
        self.reader.poll();
    }
}
