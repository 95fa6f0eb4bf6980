//! Detectors by name, and their thresholds.

use crate::validate::Checks;
use crate::{AlarmConfig, Config};
use logs::alarm::DETECTORS;
use words::did_you_mean;

impl Config {
    pub(crate) fn check_alarm(&self, checks: &mut Checks) {
        let alarm = &self.alarm;
        check_names(&alarm.detectors, checks);
        for (name, number) in &alarm.threshold {
            let key = format!("alarm.threshold.{name}");
            let Some(entry) = DETECTORS.iter().find(|entry| entry.name == *name) else {
                continue; // no such key, which has been said
            };
            if let Err(expected) = entry.threshold.with(*number) {
                checks.require(
                    false,
                    &key,
                    format!("is {}, must be {expected}", words::number(*number)),
                );
            }
            checks.require(
                alarm.detectors.contains(name),
                &key,
                "has no effect: the detector is not among `alarm.detectors`",
            );
        }
        checks.require(
            !self.is_probe() || *alarm == AlarmConfig::default(),
            "alarm",
            format!(
                "has no effect with `probe.kind = \"{}\"`: a probe is not watched while it measures",
                self.probe.kind.name()
            ),
        );
    }
}

fn check_names(names: &[String], checks: &mut Checks) {
    let known: Vec<&str> = DETECTORS.iter().map(|e| e.name).collect();
    for (index, name) in names.iter().enumerate() {
        let hint = did_you_mean(name, &known);
        let expected = match hint {
            Some(_) => String::new(),
            None => format!("; expected {}", known.join(", ")),
        };
        checks.require_or(
            known.contains(&name.as_str()),
            "alarm.detectors",
            format!("`{name}` is no detector{expected}"),
            hint,
        );
        checks.require(
            !names[..index].contains(name),
            "alarm.detectors",
            format!("has `{name}` twice"),
        );
    }
}
