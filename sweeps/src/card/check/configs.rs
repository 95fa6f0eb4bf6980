//! That the configurations of a card's arms exist and can be judged.

use super::fields::{complain, section};
use crate::card::{Arm, Card, Settings};
use crate::criterion::{Criterion, Metric};
use crate::recorded::not_recorded;
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
                check_recorded(card, &arm, &config, complaints);
                check_counted(card, &arm, &config, complaints);
                check_spikes(card, &arm, &config, complaints);
                check_layers(card, &arm, &config, complaints);
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
    for Asked { metric, key, .. } in asked(card, arm) {
        let late = metric.from_step.filter(|from| *from > config.steps);
        let Some(from) = late.filter(|_| !card.is_smoke()) else {
            continue;
        };
        let key = format!("{key}.from_step");
        if complaints.iter().all(|complaint| complaint.key != key) {
            let message = format!("is {from}, after the last step {}", config.steps);
            complain(complaints, &key, message, None);
        }
    }
}

/// A metric that an arm does not record is never known.
pub(crate) fn check_recorded(
    card: &Card,
    arm: &Arm,
    config: &Config,
    complaints: &mut Vec<Complaint>,
) {
    for Asked { metric, key, by } in asked(card, arm) {
        // Where it is not measured, the training loss stands for it.
        let name = if metric.is_final_loss() {
            "loss"
        } else {
            &metric.name
        };
        let Some(why) = not_recorded(config, name).filter(|_| !card.is_smoke()) else {
            continue;
        };
        let key = format!("{key}.name");
        if complaints.iter().all(|complaint| complaint.key != key) {
            let so = by.map_or_else(String::new, |criterion| {
                format!(", so `{}` could not be decided", criterion.name)
            });
            let message = format!(
                "is `{}`, which arm `{}` does not record{so}: {why}",
                metric.name, arm.label
            );
            complain(complaints, &key, message, None);
        }
    }
}

/// The first values of a signal only make its level: a run, or a metric, that ends with them has no spike to see.
fn check_spikes(card: &Card, arm: &Arm, config: &Config, complaints: &mut Vec<Complaint>) {
    let history = logs::spike::HISTORY as u64;
    let mut too_short = |key: String, steps: u64| {
        if steps <= history && complaints.iter().all(|complaint| complaint.key != key) {
            let message = format!(
                "is {steps}, but the first {history} steps only make the level that a spike stands above"
            );
            complain(complaints, &key, message, None);
        }
    };
    let counted = card.criteria.iter().filter(|c| c.arms().has(arm));
    let mut events = counted.filter_map(Criterion::event);
    let mut of_spikes = events.any(|event| event.contains(&Event::Spiked));
    for Asked { metric, key, .. } in asked(card, arm) {
        if metric.reduce.is_of_spikes() {
            of_spikes = true;
            too_short(format!("{key}.to_step"), metric.to_step.unwrap_or(u64::MAX));
        }
    }
    if of_spikes && !card.is_smoke() {
        too_short("steps".to_owned(), config.steps);
    }
}

/// A layer that the model does not have records nothing.
fn check_layers(card: &Card, arm: &Arm, config: &Config, complaints: &mut Vec<Complaint>) {
    let layers = config.model.layers;
    for Asked { metric, key, .. } in asked(card, arm) {
        let key = format!("{key}.name");
        let beyond = metric.layer().is_some_and(|layer| layer >= layers);
        if beyond && complaints.iter().all(|complaint| complaint.key != key) {
            let message = format!(
                "is `{}`, but arm `{}` has {layers} layers, 0 to {}",
                metric.name,
                arm.label,
                layers.saturating_sub(1)
            );
            complain(complaints, &key, message, None);
        }
    }
}

/// A metric that a card asks of an arm.
struct Asked<'a> {
    metric: &'a Metric,
    /// The section of the card that says it.
    key: String,
    /// The criterion that compares it; none in an exploration, which compares nothing.
    by: Option<&'a Criterion>,
}

/// The metrics that a card asks of an arm: those that its criteria compare, or an exploration's own.
fn asked<'a>(card: &'a Card, arm: &Arm) -> Vec<Asked<'a>> {
    let own = |by| Asked {
        metric: &card.metric,
        key: "metric".to_owned(),
        by,
    };
    if card.criteria.is_empty() {
        return vec![own(None)];
    }
    let mut asked = Vec::new();
    for (index, criterion) in card.criteria.iter().enumerate() {
        if criterion.event().is_some() || !criterion.arms().has(arm) {
            continue;
        }
        let place = section(card.criteria.len() == 1, index);
        let of = |metric, key: &str| Asked {
            metric,
            key: format!("{place}.{key}"),
            by: Some(criterion),
        };
        let metric = criterion.metric.as_ref();
        asked.push(metric.map_or_else(|| own(Some(criterion)), |metric| of(metric, "metric")));
        let control = criterion.control_metric.as_ref();
        asked.extend(control.map(|metric| of(metric, "control_metric")));
    }
    asked
}

/// An arm that measures instead of training has an outcome that counts nowhere: it cannot fail.
fn check_counted(card: &Card, arm: &Arm, config: &Config, complaints: &mut Vec<Complaint>) {
    let counting = |(_, criterion): &(usize, &Criterion)| {
        criterion.event().is_some() && criterion.arms().has(arm)
    };
    let mut criteria = card.criteria.iter().enumerate();
    let Some((index, criterion)) = criteria.find(counting).filter(|_| config.is_probe()) else {
        return;
    };
    let key = section(card.criteria.len() == 1, index);
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
