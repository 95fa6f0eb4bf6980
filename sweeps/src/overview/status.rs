//! A sweep as it stands, run by run.

use crate::criterion::Open;
use crate::reader::{RunState, State};
use crate::verdict::findings;
use crate::{ExecutorProcess, SweepReader};
use serde::Serialize;
use std::fmt;
use words::{Table, duration};

/// A sweep as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Name of the card.
    pub card: String,
    /// Finished steps of the runs that were not skipped.
    pub steps_done: u64,
    /// All their steps.
    pub steps: u64,
    /// Seconds left, where a run is running.
    pub eta_seconds: Option<f64>,
    /// Whether an executor is at work.
    pub executor_at_work: bool,
    /// Its process number, where it is known.
    pub executor: Option<u32>,
    /// Its machine, where it is known.
    pub executor_host: Option<String>,
    /// Further executors at work, where several share the sweep.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_executors: Vec<ExecutorProcess>,
    /// All runs in the order of the plan.
    pub runs: Vec<RunState>,
    /// Criteria that no run to come can decide.
    pub open: Vec<OpenCriterion>,
}

/// A criterion that was not tested, whatever its runs without an outcome would show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenCriterion {
    /// Its name.
    pub criterion: String,
    /// Why it was not.
    pub why: Open,
}

impl SweepReader {
    /// The sweep as of the last poll.
    #[must_use]
    pub fn status(&self) -> Status {
        let (steps_done, steps) = self.progress();
        let mut executors = self.sweep().executors();
        let further_executors = executors.split_off(executors.len().min(1));
        let executor = executors.pop();
        Status {
            card: self.sweep().plan().card.name.clone(),
            steps_done,
            steps,
            eta_seconds: self.eta_seconds(),
            executor_at_work: executor.is_some(),
            executor: executor.as_ref().and_then(|process| process.pid),
            executor_host: executor.and_then(|process| process.host),
            further_executors,
            runs: self.states().to_vec(),
            open: self.open_criteria(),
        }
    }

    /// Empty for a smoke run, which decides nothing, and where there is no verdict for want of a
    /// criterion, which the verdict itself complains about.
    fn open_criteria(&self) -> Vec<OpenCriterion> {
        let card = &self.sweep().plan().card;
        if card.is_smoke() {
            return Vec::new();
        }
        let findings = findings(self.sweep(), &card.arms(), self.states()).unwrap_or_default();
        let open = findings.into_iter().filter_map(|finding| {
            Some(OpenCriterion {
                why: finding.open?,
                criterion: finding.name,
            })
        });
        open.collect()
    }
}

impl Status {
    fn executor_in_words(&self) -> String {
        let at_work = ExecutorProcess {
            pid: self.executor,
            host: self.executor_host.clone(),
        };
        let running = self.runs.iter().filter(|run| run.state == State::Running);
        match (self.executor_at_work, running.count()) {
            (true, _) => {
                let all = std::iter::once(&at_work).chain(&self.further_executors);
                let all: Vec<String> = all.map(ToString::to_string).collect();
                all.join(", ")
            }
            (false, 0) => "none at work".to_owned(),
            (false, running) => format!(
                "none at work, but {running} of the runs are trained; `workbench sweep stop` ends them, `workbench sweep run` waits for them"
            ),
        }
    }
}

/// Three decimals, or `-`.
fn nats(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.table().render(0))?;
        let count = |state| self.runs.iter().filter(|run| run.state == state).count();
        let counts = State::ALL.into_iter().map(|state| (count(state), state));
        let counts = counts.filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(n, state)| format!("{n} {state}")).collect();
        write!(f, "{}: {}", self.card, counts.join(", "))?;
        write!(f, "; {} of {} steps", self.steps_done, self.steps)?;
        if let Some(seconds) = self.eta_seconds {
            write!(f, ", about {} left", duration(seconds))?;
        }
        writeln!(f)?;
        writeln!(f, "executor: {}", self.executor_in_words())?;
        for run in self.runs.iter().filter(|run| run.state == State::Failed) {
            let message = run.message.as_deref().unwrap_or("no message");
            writeln!(f, "failed: {}: {message}", run.id)?;
        }
        for run in self.runs.iter().filter(|run| run.state != State::Failed) {
            if let Some(why) = &run.not_judged {
                writeln!(f, "no outcome: {}: {why}", run.id)?;
            }
        }
        for open in &self.open {
            writeln!(
                f,
                "inconclusive: {}: `{}`",
                open.why.words(),
                open.criterion
            )?;
        }
        Ok(())
    }
}

impl Status {
    fn table(&self) -> Table {
        let mut heads = vec![
            "run", "arm", "seed", "state", "step", "loss", "held out", "outcome", "spikes",
        ];
        let scheduled = self.runs.iter().any(|run| run.job.is_some());
        heads.extend(scheduled.then_some("queue"));
        let mut table = Table::new(&heads);
        for run in &self.runs {
            let mut row = vec![
                run.id.clone(),
                run.arm.clone(),
                run.seed.to_string(),
                run.state.to_string(),
                format!("{}/{}", run.step, run.steps),
                nats(run.loss),
                nats(run.held_out_loss),
                run.outcome()
                    .map_or("-", |outcome| outcome.name())
                    .to_owned(),
                run.spiked
                    .map_or("-".to_owned(), |_| run.spikes.len().to_string()),
            ];
            let job = run.job.as_ref().map_or("-".to_owned(), ToString::to_string);
            row.extend(scheduled.then_some(job));
            table.row(row);
        }
        table
    }
}
