//! Schedules and interventions.

use crate::validate::Checks;
use crate::{Complaint, Config, Progress, ScheduleEntry, ScheduledKey, Unit};

/// Entries a schedule may have: every pair of their turning points is looked at.
const MOST_ENTRIES: usize = 100;

/// Steps that an intervention may pass over.
const MOST_SKIPPED: u64 = 1_000_000_000;

impl Config {
    /// Each entry must be well formed, and the configuration must hold wherever an entry starts or
    /// ends. Between those points a value lies between its values there.
    pub(crate) fn check_schedule(&self, checks: &mut Checks) {
        checks.require(
            self.schedule.len() <= MOST_ENTRIES,
            "schedule",
            format!(
                "has {} entries, at most {MOST_ENTRIES}",
                self.schedule.len()
            ),
        );
        for (index, entry) in self.schedule.iter().enumerate() {
            check_entry(entry, &format!("schedule[{index}]"), checks);
        }
        if checks.0.is_empty() {
            self.check_turning_points(checks);
        }
        for (index, intervention) in self.intervention.iter().enumerate() {
            checks.require(
                (1..=MOST_SKIPPED).contains(&intervention.skip_steps),
                &format!("intervention[{index}].skip_steps"),
                format!("must lie between 1 and {MOST_SKIPPED}"),
            );
            checks.require(
                intervention.step < self.steps,
                &format!("intervention[{index}].step"),
                format!("is {}, the run has {} steps", intervention.step, self.steps),
            );
        }
    }

    /// Steps and samples may pass each other in any order, so every pair of points is looked at.
    fn check_turning_points(&self, checks: &mut Checks) {
        let points = |unit| {
            let entries = self.schedule.iter().filter(|entry| entry.unit == unit);
            let around = |point: u64| [point.saturating_sub(1), point];
            let mut points: Vec<u64> = entries
                .flat_map(|e| [e.start, e.start.saturating_add(e.length)])
                .flat_map(around)
                .chain([0])
                .collect();
            points.sort_unstable();
            points.dedup();
            points
        };
        for step in points(Unit::Steps) {
            for samples in points(Unit::Samples) {
                self.check_values(Progress { step, samples }, checks);
                if !checks.0.is_empty() {
                    return;
                }
            }
        }
    }

    fn check_values(&self, progress: Progress, checks: &mut Checks) {
        let Progress { step, samples } = progress;
        let place = format!("after {step} steps and {samples} samples");
        for (key, value) in self.scheduled_values(progress) {
            let whole = value >= 1.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX);
            checks.require(
                key != ScheduledKey::GradientAccumulation || whole,
                "schedule",
                format!(
                    "leads to {value} micro-batches {place}, must be a whole number of at least 1"
                ),
            );
        }
        let complaints = self.at(progress).value_complaints().into_iter();
        checks.0.extend(complaints.map(|complaint| Complaint {
            key: "schedule".to_owned(),
            message: format!("{place} `{}` {}", complaint.key, complaint.message),
            hint: complaint.hint,
        }));
    }
}

fn check_entry(entry: &ScheduleEntry, key: &str, checks: &mut Checks) {
    checks.require(
        entry.to.is_some() != entry.factor.is_some(),
        key,
        "needs exactly one of `to` and `factor`",
    );
    checks.require(
        entry
            .increment
            .is_none_or(|step| step.is_finite() && step > 0.0),
        &format!("{key}.increment"),
        "must be a finite number above 0",
    );
    checks.require(
        entry.length > 0 || (entry.from.is_none() && entry.increment.is_none()),
        &format!("{key}.length"),
        "must be above 0 where `from` or `increment` is given",
    );
    let whole = entry.increment.is_some_and(|step| step.fract() == 0.0);
    checks.require(
        entry.key != ScheduledKey::GradientAccumulation || entry.length == 0 || whole,
        &format!("{key}.increment"),
        "must be a whole number: a step takes whole micro-batches",
    );
}
