//! What `sweep plan` and `sweep status` show: values that print as plain text and serialise to
//! JSON.

use crate::card::{Role, Settings};
use crate::plan::{Design, MOST_SEEDS, WANTED};
use crate::reader::{RunState, State};
use crate::table::{Table, bytes, count, duration, nats};
use crate::{Plan, SweepReader};
use serde::Serialize;
use std::fmt;

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
    /// What the criteria can show.
    pub designs: Vec<Design>,
    /// Criteria whose arms the budget leaves out.
    pub untested: Vec<String>,
    /// Processor time of all runs on this machine, in core-seconds, where it was measured.
    pub core_seconds: Option<f64>,
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
            designs: self.designs(),
            untested: self.card.untested.clone(),
            core_seconds: None,
        }
    }
}

impl Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = if self.seeds == 1 { "seed" } else { "seeds" };
        write!(
            f,
            "{} ({}, {} {runs})",
            self.criterion, self.test, self.seeds
        )?;
        match (&self.expected, self.power) {
            (Some(expected), Some(power)) => {
                write!(f, ": power {power:.2} for {expected}")?;
                match self.seeds_needed {
                    Some(1) => write!(f, "; 1 seed gives {WANTED}")?,
                    Some(needed) => write!(f, "; {needed} seeds give {WANTED}")?,
                    None => write!(f, "; no number of seeds up to {MOST_SEEDS} gives {WANTED}")?,
                }
            }
            (Some(expected), None) => write!(f, ": expects {expected}")?,
            (None, _) => {}
        }
        writeln!(f, "; {}", self.limits)
    }
}

impl fmt::Display for PlanOverview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let budget = self
            .budget
            .as_ref()
            .map_or(String::new(), |name| format!(" (budget {name})"));
        writeln!(f, "{}{budget}: {}\n", self.card, self.title)?;
        let mut table = Table::new(["arm", "role", "runs", "steps", "tokens", "disk"]);
        for arm in &self.arms {
            let runs = arm.seeds.len() as u64;
            table.row([
                arm.arm.clone(),
                role(arm.role).to_owned(),
                runs.to_string(),
                arm.steps.to_string(),
                count(runs * arm.tokens),
                bytes(runs * arm.disk_bytes),
            ]);
        }
        writeln!(f, "{}", table.render())?;
        write!(
            f,
            "{} runs, {} steps, {} tokens, needs {} of disk",
            self.runs.len(),
            self.steps,
            count(self.tokens),
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
        if !self.designs.is_empty() {
            writeln!(f, "\ncriteria, and what they can show")?;
        }
        for design in &self.designs {
            write!(f, "  ")?;
            design.fmt(f)?;
        }
        if !self.untested.is_empty() {
            writeln!(
                f,
                "  not tested at this budget: {}",
                self.untested.join(", ")
            )?;
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
    /// Finished steps of the runs that are to finish.
    pub steps_done: u64,
    /// All their steps.
    pub steps: u64,
    /// Seconds left, where a run is running.
    pub eta_seconds: Option<f64>,
    /// Process id of the executor at work.
    pub executor: Option<u32>,
    /// All runs in the order of the plan.
    pub runs: Vec<RunState>,
}

impl SweepReader {
    /// The sweep as of the last poll.
    #[must_use]
    pub fn status(&self) -> Status {
        let (steps_done, steps) = self.progress();
        Status {
            card: self.sweep().plan().card.name.clone(),
            steps_done,
            steps,
            eta_seconds: self.eta_seconds(),
            executor: self.sweep().executor(),
            runs: self.states().to_vec(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([
            "run", "arm", "seed", "state", "step", "loss", "held out", "outcome",
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
            ]);
        }
        writeln!(f, "{}", table.render())?;
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
        match self.executor {
            Some(pid) => writeln!(f, "executor: process {pid}")?,
            None => writeln!(f, "executor: none at work")?,
        }
        for run in self.runs.iter().filter(|run| run.state == State::Failed) {
            let message = run.message.as_deref().unwrap_or("no message");
            writeln!(f, "failed: {}: {message}", run.id)?;
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
