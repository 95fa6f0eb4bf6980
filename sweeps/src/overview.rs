//! What `sweep plan` and `sweep status` show: values that print as plain text and serialise to
//! JSON.

use crate::card::{Role, Settings};
use crate::learning::TooSlow;
use crate::plan::{Design, Designs, MOST_SEEDS, Power, VerdictDesign, WANTED};
use crate::reader::{RunState, State};
use crate::verdict::{Open, findings};
use crate::{ExecutorProcess, Plan, SweepReader};
use serde::Serialize;
use std::fmt;
use words::{Table, approximate, bytes, counted, duration};

/// A plan in a page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanOverview {
    /// Name of the card.
    pub card: String,
    /// Its title.
    pub title: String,
    /// Arms in grid order.
    pub arms: Vec<ArmOverview>,
    /// Ids of the runs in the order in which they are started.
    pub runs: Vec<String>,
    /// Optimiser steps of all runs.
    pub steps: u64,
    /// Token slots of all runs, padding included.
    pub tokens: u64,
    /// Estimated disk use, bytes.
    pub disk_bytes: u64,
    /// Time the card expects, minutes.
    pub budget_minutes: Option<f64>,
    /// What differs from the card in every run: by `--set`, or because a text was missing.
    pub overrides: Settings,
    /// Languages without text.
    pub missing_languages: Vec<String>,
    /// The budget; absent for the whole table.
    pub budget: Option<String>,
    /// Whether it is an exploration, which gives no verdict.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exploration: bool,
    /// What the criteria can show.
    pub designs: Designs,
    /// Criteria whose arms the budget leaves out.
    pub untested: Vec<String>,
    /// Those of them without which the verdict cannot be reproduced; none at the budget `smoke`,
    /// which decides nothing anyway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
    /// Processor time of all runs on this machine, in core-seconds, where it was measured.
    pub core_seconds: Option<f64>,
    /// Arms that cannot train in their steps at the speed that was measured.
    pub too_slow: Vec<TooSlow>,
}

/// One arm of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmOverview {
    /// Label.
    pub arm: String,
    /// Whether it counts for the verdict.
    pub role: Role,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Optimiser steps of one run.
    pub steps: u64,
    /// Token slots of one run.
    pub tokens: u64,
    /// Disk of one run, bytes.
    pub disk_bytes: u64,
}

impl Plan {
    /// The plan in a page.
    #[must_use]
    pub fn overview(&self) -> PlanOverview {
        let arms = self.card.arms().into_iter().filter_map(|arm| {
            let run = self.runs.iter().find(|run| run.arm == arm.label)?;
            Some(ArmOverview {
                arm: arm.label,
                role: arm.role,
                seeds: arm.seeds,
                steps: run.steps,
                tokens: run.tokens,
                disk_bytes: run.disk_bytes,
            })
        });
        PlanOverview {
            card: self.card.name.clone(),
            title: self.card.title.clone(),
            arms: arms.collect(),
            runs: self.runs.iter().map(|run| run.id.clone()).collect(),
            steps: self.steps(),
            tokens: self.tokens(),
            disk_bytes: self.disk_bytes(),
            budget_minutes: self.card.budget_minutes,
            overrides: self
                .changes()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            missing_languages: self.missing_languages.clone(),
            budget: self.card.budget.clone(),
            exploration: self.card.is_exploration(),
            designs: self.designs(),
            untested: self.card.untested.clone(),
            undecided: if self.card.is_smoke() {
                Vec::new()
            } else {
                self.card.undecided.clone()
            },
            core_seconds: None,
            too_slow: Vec::new(),
        }
    }
}

impl Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds = counted(self.seeds as u64, "seed");
        write!(f, "{} ({}, {seeds})", self.criterion, self.test)?;
        match (&self.expected, self.power) {
            (Some(expected), Some(power)) => {
                let needed = needed(self.seeds_needed);
                write!(f, ": power {power} for {expected}; {needed}")?;
            }
            (Some(expected), None) => write!(f, ": expects {expected}")?,
            (None, _) => {}
        }
        writeln!(f, "; {}", self.limits)
    }
}

/// `0.81 ± 0.02`.
impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The error is printed rounded up: a hundredth at least.
        let error = (self.error * 100.0).ceil() / 100.0;
        write!(f, "{:.2} ± {error:.2}", self.share)
    }
}

/// `6 seeds give 0.8`.
fn needed(seeds: Option<usize>) -> String {
    match seeds {
        Some(needed) => format!("{needed} seeds give {WANTED}"),
        None => format!("no number of seeds up to {MOST_SEEDS} gives {WANTED}"),
    }
}

impl VerdictDesign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = match self.taken_to_hold {
            0 => String::new(),
            1 => ", 1 without chance taken to hold".to_owned(),
            more => format!(", {more} without chance taken to hold"),
        };
        writeln!(
            f,
            "  the verdict: power {} that all {} confirmatory criteria hold, were they independent{held}; {}",
            self.power,
            self.criteria,
            needed(self.seeds_needed)
        )
    }
}

impl fmt::Display for PlanOverview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let budget = self
            .budget
            .as_ref()
            .map_or(String::new(), |name| format!(" (budget {name})"));
        writeln!(f, "{}{budget}: {}\n", self.card, self.title)?;
        let mut table = Table::new(&["arm", "role", "runs", "steps", "tokens", "disk"]);
        for arm in &self.arms {
            let runs = arm.seeds.len() as u64;
            table.row([
                arm.arm.clone(),
                role(arm.role).to_owned(),
                runs.to_string(),
                arm.steps.to_string(),
                approximate(runs * arm.tokens),
                bytes(runs * arm.disk_bytes),
            ]);
        }
        writeln!(f, "{}", table.render(0))?;
        write!(
            f,
            "{} runs, {} steps, {} tokens, needs {} of disk",
            self.runs.len(),
            self.steps,
            approximate(self.tokens),
            bytes(self.disk_bytes)
        )?;
        if let Some(minutes) = self.budget_minutes {
            write!(f, ", budget {minutes} min")?;
        }
        writeln!(f)?;
        if let Some(seconds) = self.core_seconds {
            writeln!(
                f,
                "about {:.2} core-hours on this machine, {} on one core",
                seconds / 3600.0,
                duration(seconds)
            )?;
        }
        if self.exploration {
            writeln!(
                f,
                "an exploration: it registers no criterion, and there will be no verdict"
            )?;
        }
        if !self.designs.criteria.is_empty() {
            writeln!(f, "\ncriteria, and what they can show")?;
        }
        for design in &self.designs.criteria {
            write!(f, "  ")?;
            design.fmt(f)?;
        }
        if let Some(verdict) = &self.designs.verdict {
            verdict.fmt(f)?;
        }
        let simulated = |design: &Design| design.power.is_some();
        if self.designs.criteria.iter().any(simulated) {
            writeln!(
                f,
                "  power is simulated by deciding made-up sweeps; ± is twice the standard error of that"
            )?;
        }
        if !self.untested.is_empty() {
            writeln!(
                f,
                "  not tested at this budget: {}",
                self.untested.join(", ")
            )?;
        }
        if !self.undecided.is_empty() {
            writeln!(
                f,
                "warning: the verdict cannot be reproduced at this budget, which leaves out what has to \
                 hold as well: {}",
                self.undecided.join(", ")
            )?;
        }
        for slow in &self.too_slow {
            writeln!(f, "warning: {slow}")?;
        }
        if !self.overrides.is_empty() {
            let keys: Vec<&str> = self.overrides.keys().map(String::as_str).collect();
            writeln!(f, "changed in every run: {}", keys.join(", "))?;
        }
        if !self.missing_languages.is_empty() {
            writeln!(f, "no text in: {}", self.missing_languages.join(", "))?;
        }
        Ok(())
    }
}

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
        let executor = self.sweep().executor();
        Status {
            card: self.sweep().plan().card.name.clone(),
            steps_done,
            steps,
            eta_seconds: self.eta_seconds(),
            executor_at_work: executor.is_some(),
            executor: executor.as_ref().and_then(|process| process.pid),
            executor_host: executor.and_then(|process| process.host),
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
            (true, _) => at_work.to_string(),
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
        let mut table = Table::new(&[
            "run", "arm", "seed", "state", "step", "loss", "held out", "outcome", "spikes",
        ]);
        for run in &self.runs {
            table.row([
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
            ]);
        }
        writeln!(f, "{}", table.render(0))?;
        let counts: Vec<String> = State::ALL
            .into_iter()
            .map(|state| {
                (
                    self.runs.iter().filter(|run| run.state == state).count(),
                    state,
                )
            })
            .filter(|(count, _)| *count > 0)
            .map(|(count, state)| format!("{count} {state}"))
            .collect();
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

fn role(role: Role) -> &'static str {
    match role {
        Role::Confirmatory => "confirmatory",
        Role::Descriptive => "descriptive",
    }
}
