//! From what a card says to what is true, with every complaint at once.

mod decision;
mod fields;

pub(super) use decision::{criterion, metric, outcome_rules};

use crate::SweepError;
use crate::card::check::fields::{Choice, complain, required, seeds};
use crate::card::value::{closest, flatten, label, same};
use crate::card::wire::{Read, WireArm};
use crate::card::{ArmRule, Card, Kind, Role, Settings};
use experiments_config::{Complaint, Config, ConfigError, is_key, load_file, load_preset, nearest};
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// More runs than this in one card are a slip of the pen.
const MAX_RUNS: usize = 10_000;

/// Checks everything; `directory` is where a base that is a file is looked for.
pub(super) fn card(read: Read, directory: &Path) -> Result<Card, Vec<Complaint>> {
    let Read {
        card: wire,
        mut complaints,
    } = read;
    let found = &mut complaints;
    let name = required(wire.name, "name", "for example `quickstart`", found);
    check_name(&name, found);
    let base = required(wire.base, "base", "a preset or a file", found);
    let seeds = seeds(wire.seeds.as_ref(), None, "seeds", found);
    let fixed = flatten(&wire.fixed);
    let axes = axes(&wire.axes, &fixed, found);
    check_keys("fixed", &fixed, found);
    let card = Card {
        title: required(wire.title, "title", "one line", found),
        hypothesis: required(
            wire.hypothesis,
            "hypothesis",
            "what is expected, and why",
            found,
        ),
        kind: Kind::choose(wire.kind, "kind", found),
        base_config: base_config(&base, directory, found),
        budget_minutes: positive(wire.budget_minutes, "budget_minutes", found),
        source: wire.source,
        arm_rules: arm_rules(wire.arm, &axes, &seeds, found),
        metric: metric(wire.metric, found),
        outcome: outcome_rules(&wire.outcome, found),
        // A stand-in that is dropped below: a card without a criterion has a complaint.
        criterion: criterion(wire.criterion, found).unwrap_or_else(decision::stand_in),
        name,
        base,
        seeds,
        fixed,
        axes,
    };
    if complaints.is_empty() {
        check_size(&card, &mut complaints);
    }
    if complaints.is_empty() {
        decision::check_arms(&card, &mut complaints);
        check_configs(&card, &mut complaints);
    }
    if complaints.is_empty() {
        Ok(card)
    } else {
        Err(complaints)
    }
}

/// Complains about keys that are no configuration keys or may not be set by a card.
pub(crate) fn check_keys(section: &str, settings: &Settings, complaints: &mut Vec<Complaint>) {
    for key in settings.keys() {
        let place = format!("{section}.\"{key}\"");
        if key == "seed" {
            complain(
                complaints,
                &place,
                "seeds are not set here",
                Some("use the card's `seeds`".to_owned()),
            );
        } else if !is_key(key) {
            let hint = nearest(key).map(|near| format!("did you mean `{near}`?"));
            complain(complaints, &place, "no such configuration key", hint);
        }
    }
}

fn check_name(name: &str, complaints: &mut Vec<Complaint>) {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        return;
    }
    if name.len() > 64 || !name.chars().all(legal) || name.starts_with('-') {
        let near: String = name
            .to_lowercase()
            .chars()
            .map(|c| if legal(c) { c } else { '-' })
            .take(64)
            .collect();
        complain(
            complaints,
            "name",
            format!("is `{name}`; expected kebab-case (a-z, 0-9, -), at most 64 characters"),
            Some(format!("for example `{}`", near.trim_matches('-'))),
        );
    }
}

fn base_config(base: &str, directory: &Path, complaints: &mut Vec<Complaint>) -> Config {
    let path = directory.join(base);
    let is_preset = experiments_config::preset_names().any(|preset| preset == base);
    let loaded = match base {
        "" => return Config::default(),
        _ if !is_preset && path.is_file() => load_file(&path, &[]),
        _ => load_preset(base, &[]),
    };
    loaded.unwrap_or_else(|error| {
        complain(complaints, "base", error.to_string(), None);
        Config::default()
    })
}

fn axes(
    table: &Table,
    fixed: &Settings,
    complaints: &mut Vec<Complaint>,
) -> BTreeMap<String, Vec<Value>> {
    let settings = flatten(table);
    check_keys("axes", &settings, complaints);
    if settings.is_empty() {
        let hint = "for example `\"model.norm\" = [\"post\", \"deepnorm_glm\"]`".to_owned();
        complain(
            complaints,
            "axes",
            "at least one axis is needed",
            Some(hint),
        );
    }
    let mut axes = BTreeMap::new();
    for (key, value) in settings {
        let place = format!("axes.\"{key}\"");
        if fixed.contains_key(&key) {
            complain(
                complaints,
                &place,
                "is in `[fixed]` as well; keep one of the two",
                None,
            );
        }
        if key.starts_with("runtime.") {
            let message = "does not change what is trained, so it cannot be an axis";
            complain(complaints, &place, message, None);
        }
        let Value::Array(values) = value else {
            let hint = format!("write `[{value}]`, or move it to `[fixed]`");
            complain(complaints, &place, "expected a list of values", Some(hint));
            continue;
        };
        if values.is_empty() {
            complain(complaints, &place, "is an empty list", None);
        }
        for (index, value) in values.iter().enumerate() {
            if values[..index].iter().any(|earlier| same(earlier, value)) {
                complain(
                    complaints,
                    &place,
                    format!("has `{}` twice", label(value)),
                    None,
                );
            }
            if matches!(
                value,
                Value::Array(_) | Value::Table(_) | Value::Datetime(_)
            ) {
                let message = "values of an axis are words, numbers, true or false";
                complain(complaints, &place, message, None);
            }
        }
        axes.insert(key, values);
    }
    axes
}

/// Checks axis values named elsewhere in the card (`where`, `treatment`, `control`).
fn check_selector(
    section: &str,
    selector: &Settings,
    axes: &BTreeMap<String, Vec<Value>>,
    complaints: &mut Vec<Complaint>,
) {
    if selector.is_empty() {
        let message = "is empty; name the axis values of the arms meant";
        complain(complaints, section, message, None);
    }
    for (key, value) in selector {
        let place = format!("{section}.\"{key}\"");
        let Some(values) = axes.get(key) else {
            let near = closest(key, axes.keys().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            complain(complaints, &place, "is no axis of this card", hint);
            continue;
        };
        if !values.iter().any(|known| same(known, value)) {
            let known: Vec<String> = values.iter().map(label).collect();
            let near = closest(&label(value), known.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!(
                "`{}` is not on the axis, which has {}",
                label(value),
                known.join(", ")
            );
            complain(complaints, &place, message, hint);
        }
    }
}

fn arm_rules(
    arms: Vec<WireArm>,
    axes: &BTreeMap<String, Vec<Value>>,
    card_seeds: &[u64],
    complaints: &mut Vec<Complaint>,
) -> Vec<ArmRule> {
    let mut rules = Vec::new();
    for (index, arm) in arms.into_iter().enumerate() {
        let section = format!("arm[{index}]");
        let place = flatten(&arm.place);
        check_selector(&format!("{section}.where"), &place, axes, complaints);
        let key = format!("{section}.seeds");
        rules.push(ArmRule {
            place,
            seeds: arm
                .seeds
                .map(|value| seeds(Some(&value), Some(card_seeds), &key, complaints)),
            role: arm
                .role
                .map(|role| Role::choose(Some(role), &format!("{section}.role"), complaints)),
        });
    }
    rules
}

fn positive(value: Option<f64>, key: &str, complaints: &mut Vec<Complaint>) -> Option<f64> {
    if value.is_some_and(|value| !value.is_finite() || value <= 0.0) {
        complain(complaints, key, "must be above 0", None);
    }
    value
}

fn check_size(card: &Card, complaints: &mut Vec<Complaint>) {
    let runs = card
        .axes
        .values()
        .map(Vec::len)
        .fold(card.seeds.len(), usize::saturating_mul);
    if runs > MAX_RUNS {
        let message = format!("make {runs} runs; at most {MAX_RUNS} are accepted");
        complain(complaints, "axes", message, None);
    }
}

/// Resolves one configuration per arm, so that a bad value is found before anything runs.
fn check_configs(card: &Card, complaints: &mut Vec<Complaint>) {
    let mut hashes: BTreeMap<String, String> = BTreeMap::new();
    for arm in card.arms() {
        match card.config(&Settings::new(), &arm.settings, card.seeds[0]) {
            Ok(config) => {
                check_length(card, &config, complaints);
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

/// The rules need at least one whole window of losses; a probe that measures once is judged by its
/// metric.
fn check_length(card: &Card, config: &Config, complaints: &mut Vec<Complaint>) {
    let window = card.outcome.window as u64;
    if config.steps < window && !config.probe.kind.is_single() {
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
