//! From what a card says to what is true, with every complaint at once.

mod axes;
mod budget;
mod decision;
mod fields;
mod selectors;

use crate::SweepError;
use crate::card::check::fields::{Choice, complain, required, seeds};
use crate::card::value::flatten;
use crate::card::wire::Read;
use crate::card::{Arm, Card, Kind, Settings, matches};
use experiments_config::{
    Complaint, Config, ConfigError, is_key, load_file, load_preset, names_files, nearest,
};
use selectors::{arm_rules, check_matched, check_selector, excluded, figure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// More runs than this in one card are a slip of the pen.
const MAX_RUNS: usize = 10_000;

/// Checks everything; `directory` is where a base that is a file is looked for. What comes back
/// is the card at `budget`.
pub(super) fn card(
    read: Read,
    directory: &Path,
    budget: Option<&str>,
) -> Result<Card, Vec<Complaint>> {
    let base = read.card.base.clone().unwrap_or_default();
    let mut complaints = Vec::new();
    let base_config = base_config(&base, directory, &mut complaints);
    let card = without_base(read, budget, &mut complaints);
    let mut card = card.filter(|_| complaints.is_empty()).ok_or(complaints)?;
    card.base_config = base_config;
    card.directory = own_directory(&card, directory);
    let mut complaints = Vec::new();
    check_configs(&card, &mut complaints);
    if complaints.is_empty() {
        Ok(card)
    } else {
        Err(complaints)
    }
}

/// All of a card but its base and what depends on it. `None` where the complaints leave nothing to
/// go on with.
pub(super) fn without_base(
    read: Read,
    budget: Option<&str>,
    complaints: &mut Vec<Complaint>,
) -> Option<Card> {
    let Read {
        card: wire,
        complaints: misspelt,
    } = read;
    complaints.extend(misspelt);
    let found = complaints;
    let name = required(wire.name, "name", "for example `quickstart`", found);
    check_name(&name, "name", found);
    let base = required(wire.base, "base", "a preset or a file", found);
    let seeds = seeds(wire.seeds.as_ref(), None, "seeds", found);
    let fixed = flatten(&wire.fixed);
    check_keys("fixed", &fixed, found);
    let axes = axes::grid(&wire.axes, &wire.zip, &fixed, found);
    let zips = axes::zips(&wire.zip, &fixed, &axes, found);
    let mut card = Card {
        title: required(wire.title, "title", "one line", found),
        hypothesis: required(
            wire.hypothesis,
            "hypothesis",
            "what is expected, and why",
            found,
        ),
        kind: Kind::choose(wire.kind, "kind", found),
        base_config: Config::default(),
        budget: None,
        budget_minutes: positive(wire.budget_minutes, "budget_minutes", found),
        source: wire.source,
        arm_rules: Vec::new(),
        metric: decision::metric(wire.metric, "metric", found),
        outcome: decision::outcome_rules(&wire.outcome, found),
        criteria: decision::criteria(wire.criterion, found),
        name,
        base,
        seeds,
        fixed,
        axes,
        zips,
        excluded: Vec::new(),
        figure: None,
        directory: None,
        untested: Vec::new(),
    };
    let values = card.axis_values();
    card.figure = wire.figure.map(|wire| figure(wire, &values, found));
    card.excluded = excluded(wire.exclude, &values, found);
    card.arm_rules = arm_rules(wire.arm, &values, &card.seeds, found);
    if found.is_empty() {
        check_size(&card, found);
    }
    if found.is_empty() {
        decision::check(&card, found);
    }
    if found.is_empty() {
        decision::check_seeds(&card, "seeds", found);
    }
    budget::apply(card, wire.budget, budget, found)
}

/// The folder that the card's paths are relative to, where it has any.
fn own_directory(card: &Card, directory: &Path) -> Option<PathBuf> {
    let axes = card
        .axes
        .keys()
        .chain(card.zips.iter().flat_map(BTreeMap::keys));
    let mut keys = card.fixed.keys().chain(axes);
    keys.any(|key| names_files(key)).then(|| {
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())
    })
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

fn check_name(name: &str, key: &str, complaints: &mut Vec<Complaint>) {
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
            key,
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

fn positive(value: Option<f64>, key: &str, complaints: &mut Vec<Complaint>) -> Option<f64> {
    if value.is_some_and(|value| !value.is_finite() || value <= 0.0) {
        complain(complaints, key, "must be above 0", None);
    }
    value
}

fn check_size(card: &Card, complaints: &mut Vec<Complaint>) {
    let grid = card.axes.values().map(Vec::len);
    let zips = card
        .zips
        .iter()
        .filter_map(|zip| zip.values().map(Vec::len).min());
    let runs = grid
        .chain(zips)
        .fold(card.seeds.len(), usize::saturating_mul);
    if runs > MAX_RUNS {
        let message = format!("make {runs} runs; at most {MAX_RUNS} are accepted");
        complain(complaints, "axes", message, None);
    } else if card.arms().is_empty() {
        complain(complaints, "exclude", "leaves no arm", None);
    } else {
        check_matched(card, complaints);
    }
}

/// Resolves one configuration per arm, so that a bad value is found before anything runs.
fn check_configs(card: &Card, complaints: &mut Vec<Complaint>) {
    let mut hashes: BTreeMap<String, String> = BTreeMap::new();
    for arm in card.arms() {
        match card.config(&Settings::new(), &arm.settings, card.seeds[0]) {
            Ok(config) => {
                check_length(card, &config, complaints);
                check_metric_steps(card, &arm, &config, complaints);
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
        let mut selectors = criterion.test.selectors().into_iter();
        let looked_at = selectors.any(|at| matches(&arm.settings, at));
        let counts = criterion.test.event().is_some();
        let Some(from) = card.metric_of(criterion).from_step else {
            continue;
        };
        if !looked_at || counts || card.is_smoke() || from <= config.steps {
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
