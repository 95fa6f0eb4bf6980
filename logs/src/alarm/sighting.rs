//! Alarms of several rules about one thing, as one.

use std::collections::BTreeMap;

use super::{Alarm, AlarmKind};

/// Steps between two alarms that are about the same thing: the gap of [`crate::spike::Definition`].
const SAME: u64 = 8;

/// What one or several rules saw in one signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The first alarm, of the rule that saw it first.
    pub alarm: Alarm,
    /// The rules that saw it, the first one first.
    pub rules: Vec<String>,
}

/// Puts together what several rules raised about the same signal (of whatever layer) with at most 8 steps from one alarm
/// to the next. Values that are not finite stay apart. In the order of first steps, if the alarms are.
#[must_use]
pub fn sightings(alarms: &[Alarm]) -> Vec<Sighting> {
    let mut found: Vec<Sighting> = Vec::new();
    // The row that a signal is at, and the step of its last alarm.
    let mut latest: BTreeMap<(&str, bool), (usize, u64)> = BTreeMap::new();
    for alarm in alarms {
        let signal = alarm.signal.split('[').next().unwrap_or_default();
        let key = (signal, alarm.kind == AlarmKind::NonFinite);
        let joins = latest
            .get(&key)
            .filter(|(_, step)| alarm.step.saturating_sub(*step) <= SAME)
            .map(|(row, _)| *row);
        let row = joins.unwrap_or(found.len());
        if let Some(sighting) = found.get_mut(row) {
            if !sighting.rules.contains(&alarm.rule) {
                sighting.rules.push(alarm.rule.clone());
            }
        } else {
            found.push(Sighting {
                alarm: alarm.clone(),
                rules: vec![alarm.rule.clone()],
            });
        }
        latest.insert(key, (row, alarm.step));
    }
    found
}
