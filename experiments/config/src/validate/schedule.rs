//! Schedules and interventions.

use super::Checks;
use crate::{Complaint, Config, ScheduleEntry, ScheduledKey};

impl Config {
    /// Each entry must be well formed, and the configuration with either of its ends must hold.
    pub(super) fn check_schedule(&self, checks: &mut Checks) {
        let mut config = self.clone();
        config.schedule.clear();
        for (index, entry) in self.schedule.iter().enumerate() {
            let key = format!("schedule[{index}]");
            let before = checks.0.len();
            check_entry(entry, &key, checks);
            if checks.0.len() > before {
                return;
            }
            let (from, to) = entry.ends(entry.key.value(&config));
            check_ends(entry, [from, to], &config, &key, checks);
            entry.key.set(&mut config, to);
        }
        for (index, intervention) in self.intervention.iter().enumerate() {
            checks.require(
                intervention.skip_steps > 0,
                &format!("intervention[{index}].skip_steps"),
                "must be at least 1",
            );
        }
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
}

/// Both ends as the configuration's own values: whatever is wrong with them is said of the entry.
fn check_ends(
    entry: &ScheduleEntry,
    ends: [f64; 2],
    config: &Config,
    key: &str,
    checks: &mut Checks,
) {
    let whole = entry.key == ScheduledKey::GradientAccumulation;
    for value in ends {
        checks.require(
            !whole || (value >= 1.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX)),
            key,
            format!("leads to {value} micro-batches, must be a whole number of at least 1"),
        );
        let mut moved = config.clone();
        entry.key.set(&mut moved, value);
        let complaints = moved.value_complaints().into_iter();
        checks.0.extend(complaints.map(|complaint| Complaint {
            key: key.to_owned(),
            message: format!(
                "leads to {value}: `{}` {}",
                complaint.key, complaint.message
            ),
            hint: complaint.hint,
        }));
    }
    if whole {
        let [from, to] = ends;
        let stairs = entry
            .increment
            .map_or(0.0, |step| ((to - from) / step).fract());
        checks.require(
            entry.length == 0
                || (entry.increment.is_some_and(|i| i.fract() == 0.0) && stairs == 0.0),
            &format!("{key}.increment"),
            "must be a whole number that divides the whole way: a step takes whole micro-batches",
        );
    }
}
