//! A plan in a page.

use crate::Plan;
use crate::card::{Role, Settings};
use crate::criterion::WANTED;
use crate::learning::TooSlow;
use crate::plan::{Design, Designs, MOST_SEEDS, Power, VerdictDesign};
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
        let budget = self.budget.as_ref();
        let budget = budget.map_or(String::new(), |name| format!(" (budget {name})"));
        writeln!(f, "{}{budget}: {}\n", self.card, self.title)?;
        writeln!(f, "{}", self.table().render(0))?;
        self.fmt_cost(f)?;
        self.fmt_designs(f)?;
        self.fmt_warnings(f)
    }
}

impl PlanOverview {
    fn table(&self) -> Table {
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
        table
    }

    fn fmt_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        Ok(())
    }

    /// What the criteria can show.
    fn fmt_designs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exploration {
            let text = "an exploration: it registers no criterion, and there will be no verdict";
            writeln!(f, "{text}")?;
        }
        let Designs { criteria, verdict } = &self.designs;
        if !criteria.is_empty() {
            writeln!(f, "\ncriteria, and what they can show")?;
        }
        for design in criteria {
            write!(f, "  ")?;
            design.fmt(f)?;
        }
        if let Some(verdict) = verdict {
            verdict.fmt(f)?;
        }
        if criteria.iter().any(|design| design.power.is_some()) {
            let text = "power is simulated by deciding made-up sweeps; ± is twice the standard error of that";
            writeln!(f, "  {text}")?;
        }
        Ok(())
    }

    /// What the runs will not be as the whole card has them.
    fn fmt_warnings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_list(f, "  not tested at this budget", &self.untested)?;
        let undecided = "warning: the verdict cannot be reproduced at this budget, which leaves out what has to hold as well";
        fmt_list(f, undecided, &self.undecided)?;
        for slow in &self.too_slow {
            writeln!(f, "warning: {slow}")?;
        }
        let keys: Vec<String> = self.overrides.keys().cloned().collect();
        fmt_list(f, "changed in every run", &keys)?;
        fmt_list(f, "no text in", &self.missing_languages)
    }
}

/// A line with all of the names, where there are some.
fn fmt_list(f: &mut fmt::Formatter<'_>, what: &str, names: &[String]) -> fmt::Result {
    match names {
        [] => Ok(()),
        names => writeln!(f, "{what}: {}", names.join(", ")),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Confirmatory => "confirmatory",
        Role::Descriptive => "descriptive",
    }
}
