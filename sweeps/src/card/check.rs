//! From what a card says to what is true, with every complaint at once.

mod axes;
mod budget;
mod configs;
mod decision;
pub(crate) mod fields;
mod selectors;

pub(crate) use configs::check_recorded;
pub(crate) use fields::check_keys;

use crate::card::check::fields::{
    MAX_RUNS, check_name, choose, complain, positive, required, seeds,
};
use crate::card::value::flatten;
use crate::card::wire::{Read, WireBudget};
use crate::card::{Card, Source};
use experiments_config::{Complaint, Config, load_file, load_preset, names_files, settled};
use selectors::{arm_rules, check_matched, excluded, figure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    configs::check(&card, &mut complaints);
    if complaints.is_empty() {
        Ok(card)
    } else {
        Err(complaints)
    }
}

/// All of a card but its base and what depends on it. `None` where the complaints leave nothing to
/// go on with.
fn without_base(read: Read, budget: Option<&str>, found: &mut Vec<Complaint>) -> Option<Card> {
    let (card, budgets) = said(read, found);
    check_title(&card.title, found);
    if found.is_empty() {
        decision::check(&card, found);
    }
    if found.is_empty() {
        decision::check_seeds(&card, "seeds", found);
    }
    budget::apply(card, budgets, budget, found)
}

/// The card at a budget as its text says it, whether or not it is accepted: a sweep that was
/// registered by a more lenient version says what it said. `None` where the text says no card.
pub(super) fn as_said(read: Read, budget: Option<&str>) -> Option<Card> {
    let mut complaints = Vec::new();
    let (card, budgets) = said(read, &mut complaints);
    budget::apply(card, budgets, budget, &mut complaints)
}

/// What is wrong with single values of a card of which others are not known.
pub(super) fn complaints(read: Read) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    said(read, &mut complaints);
    complaints
}

/// What the text says, without the base and before any budget.
fn said(read: Read, complaints: &mut Vec<Complaint>) -> (Card, BTreeMap<String, WireBudget>) {
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
    let kind = choose(wire.kind, None, "kind", found);
    let mut card = Card {
        title: required(wire.title, "title", "one line", found),
        hypothesis: required(
            wire.hypothesis,
            "hypothesis",
            "what is expected, and why",
            found,
        ),
        kind,
        base_config: Config::default(),
        budget: None,
        budget_minutes: positive(wire.budget_minutes, "budget_minutes", found),
        source: wire.source,
        arm_rules: Vec::new(),
        metric: decision::metric(wire.metric, "metric", found),
        outcome: decision::outcome_rules(&wire.outcome, found),
        criteria: decision::criteria(wire.criterion, kind, found),
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
        undecided: Vec::new(),
    };
    check_source(card.source.as_ref(), found);
    let values = card.axis_values();
    card.figure = wire.figure.map(|wire| figure(wire, &values, found));
    card.excluded = excluded(wire.exclude, &values, found);
    card.arm_rules = arm_rules(wire.arm, &values, &card.seeds, found);
    if found.is_empty() {
        check_size(&card, found);
    }
    (card, wire.budget)
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
        settled(directory).unwrap_or_else(|_| directory.to_owned())
    })
}

/// Complains about figures of the source that are no numbers: the file that registers the card has
/// no word for them.
fn check_source(source: Option<&Source>, complaints: &mut Vec<Complaint>) {
    for (name, value) in source.iter().flat_map(|source| &source.numbers) {
        if !value.is_finite() {
            let place = format!("source.numbers.{name}");
            let hint = "leave out what the source does not give".to_owned();
            let message = format!("is {value}, must be a finite number");
            complain(complaints, &place, message, Some(hint));
        }
    }
}

/// A title heads reports and tables. A card that was registered with another one is still read.
fn check_title(title: &str, complaints: &mut Vec<Complaint>) {
    // The mandatory breaks of the Unicode Line Breaking Algorithm (UAX 14: BK, CR, LF, NL).
    const BREAKS: [char; 7] = [
        '\n', '\u{b}', '\u{c}', '\r', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    if title.contains(BREAKS) {
        complain(
            complaints,
            "title",
            "has a line break; expected one line",
            None,
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
