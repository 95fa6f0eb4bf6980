//! That the configurations of a card's arms exist and can be judged.

use super::decision;
use super::fields::complain;
use crate::card::{Arm, Card, Criterion, Settings};
use crate::{Event, SweepError};
use experiments_config::{Complaint, Config, ConfigError};
use std::collections::BTreeMap;

/// Resolves one configuration per arm, so that a bad value is found before anything runs.
pub(super) fn check(card: &Card, complaints: &mut Vec<Complaint>) {
    let mut hashes: BTreeMap<String, String> = BTreeMap::new();
    for arm in card.arms() {
        match card.config(&Settings::new(), &arm.settings, card.seeds[0]) {
            Ok(config) => {
                check_length(card, &config, complaints);
                check_metric_steps(card, &arm, &config, complaints);
                check_counted(card, &arm, &config, complaints);
                check_spikes(card, &arm, &config, complaints);
                if let Some(other) = hashes.insert(config.hash(), arm.label.clone()) {
                    let message =
                        format!("arms `{other}` and `{}` train the same thing", arm.label);
                    complain(complaints, "axes", message, None);
                }
            }
            Err(SweepError::Config(ConfigError::Invalid {
                complaints: new, ..
            })) => {
                for complaint in new {
                    if !complaints.contains(&complaint) {
                        complaints.push(complaint);
                    }
                }
            }
            Err(error) => complain(complaints, "fixed", error.to_string(), None),
        }
    }
}

/// The rules need at least one whole window of losses.
fn check_length(card: &Card, config: &Config, complaints: &mut Vec<Complaint>) {
    let window = card.outcome.window as u64;
    // A probe is judged by its metric, and a smoke run is not judged.
    if config.steps < window && !config.is_probe() && !card.is_smoke() {
        let message = format!(
            "is {}, fewer than `outcome.window` = {window}: no outcome could be told",
            config.steps
        );
        let complaint = Complaint {
            key: "steps".to_owned(),
            message,
            hint: None,
        };
        if !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
    }
}

/// A metric that begins after the last step has no value.
fn check_metric_steps(card: &Card, arm: &Arm, config: &Config, complaints: &mut Vec<Complaint>) {
    for (index, criterion) in card.criteria.iter().enumerate() {
        let counts = criterion.test.event().is_some();
        let Some(from) = card.metric_of(criterion).from_step else {
            continue;
        };
        if !criterion.test.looks_at(arm) || counts || card.is_smoke() || from <= config.steps {
            continue;
        }
        let key = match criterion.metric {
            Some(_) => format!("{}.metric.from_step", decision::section(card, index)),
            None => "metric.from_step".to_owned(),
        };
        if complaints.iter().all(|complaint| complaint.key != key) {
            let message = format!("is {from}, after the last step {}", config.steps);
            complain(complaints, &key, message, None);
        }
    }
}

/// The first values of a signal only make its level: a run that is not longer has no spike to see. And a layer
/// that a model does not have has none either.
fn check_spikes(card: &Card, arm: &Arm, config: &Config, complaints: &mut Vec<Complaint>) {
    let mut add = |key: String, message: String| {
        if complaints.iter().all(|complaint| complaint.key != key) {
            complain(complaints, &key, message, None);
        }
    };
    let criteria = card.criteria.iter().enumerate();
    for (index, criterion) in criteria.filter(|(_, criterion)| criterion.test.looks_at(arm)) {
        let metric = card.metric_of(criterion);
        let spikes = match criterion.test.event() {
            Some(event) => event.contains(&Event::Spiked),
            None => metric.reduce.is_of_spikes(),
        };
        let history = logs::spike::HISTORY as u64;
        if spikes && config.steps <= history && !card.is_smoke() {
            let message = format!(
                "is {}, but the first {history} steps only make the level that a spike stands above",
                config.steps
            );
            add("steps".to_owned(), message);
        }
        let layers = config.model.layers as usize;
        if metric.layer().is_some_and(|layer| layer >= layers) {
            let key = match criterion.metric {
                Some(_) => format!("{}.metric.name", decision::section(card, index)),
                None => "metric.name".to_owned(),
            };
            let message = format!(
                "is `{}`, but arm `{}` has {layers} layers, 0 to {}",
                metric.name,
                arm.label,
                layers.saturating_sub(1)
            );
            add(key, message);
        }
    }
}

/// An arm that measures instead of training has an outcome that counts nowhere: it cannot fail.
fn check_counted(card: &Card, arm: &Arm, config: &Config, complaints: &mut Vec<Complaint>) {
    let counting = |(_, criterion): &(usize, &Criterion)| {
        criterion.test.event().is_some() && criterion.test.looks_at(arm)
    };
    let mut criteria = card.criteria.iter().enumerate();
    let Some((index, criterion)) = criteria.find(counting).filter(|_| config.is_probe()) else {
        return;
    };
    let key = decision::section(card, index);
    // Its other arms measure as well.
    if complaints.iter().any(|complaint| complaint.key == key) {
        return;
    }
    let message = format!(
        "`{}` counts outcomes, but arm `{}` measures instead of training (`probe.kind`) and cannot fail",
        criterion.test.name(),
        arm.label
    );
    let hint = "compare a metric, for example with `permutation`".to_owned();
    complain(complaints, &key, message, Some(hint));
}
