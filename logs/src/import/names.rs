//! From a source's names to this program's.

use std::collections::{BTreeSet, HashSet};

use super::ImportError;
use crate::record::{Name, RESERVED, Record};

/// Signals under the names that other programs write, the best name first. In comparison, case, and
/// `-`, ` ` and `_`, make no difference.
const ALIASES: &[(&str, &[&str])] = &[
    (
        "loss",
        &[
            "loss",
            "train/lm_loss",
            "train/loss",
            "lm_loss",
            "train_loss",
            "training_loss",
            "train/train_loss",
        ],
    ),
    (
        "lr",
        &["lr", "learning_rate", "train/lr", "train/learning_rate"],
    ),
    (
        "grad_norm",
        &[
            "grad_norm",
            "train/grad_norm",
            "gradient_norm",
            "train/gradient_norm",
        ],
    ),
    ("loss_scale", &["loss_scale", "train/loss_scale"]),
    (
        "param_norm",
        &["param_norm", "params_norm", "train/param_norm"],
    ),
    ("batch_size", &["batch_size", "global_batch_size"]),
    ("samples", &["samples", "consumed_samples"]),
    ("tokens", &["tokens", "consumed_tokens"]),
    ("held_out_loss", &["held_out_loss", "lm_loss_value"]),
];

/// Columns that hold the step, the best first.
const STEPS: &[&str] = &[
    "_step",
    "step",
    "global_step",
    "trainer/global_step",
    "steps",
    "iteration",
    "iter",
    "train/step",
    "train/global_step",
];

/// Columns that hold the time, the best first.
const TIMES: &[&str] = &["_timestamp", "timestamp", "wall_time", "time"];

/// Which of a source's columns are what, as the user says.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    map: Vec<(String, String)>,
    infers_skipped: bool,
}

impl Columns {
    /// Columns by `SOURCE=NAME`. `step` and `time` name the step and the clock; everything else a signal.
    pub fn new(map: &[String]) -> Result<Self, ImportError> {
        let mut columns = Self::default();
        for entry in map {
            let pair = entry.rsplit_once('=').ok_or_else(|| ImportError::Map {
                entry: entry.clone(),
                why: "it has no `=`",
            });
            let (from, to) = pair?;
            columns.add(from, to)?;
        }
        Ok(columns)
    }

    /// Adds the pairs of a list of names, (source, name). What is mapped already stays as it is, whether the list
    /// maps its column or its name again.
    pub fn with_names(mut self, names: &[(String, String)]) -> Result<Self, ImportError> {
        let given = self.map.clone();
        let is_given = |(from, to): &&(String, String)| {
            let same = |(column, name): &(String, String)| column == from || name == to;
            given.iter().any(same)
        };
        for (from, to) in names.iter().filter(|pair| !is_given(pair)) {
            self.add(from, to)?;
        }
        Ok(self)
    }

    /// Lets steps count as skipped by what else is known of them: see [`infer_skipped`].
    #[must_use]
    pub fn inferring_skipped(self) -> Self {
        Self {
            infers_skipped: true,
            ..self
        }
    }

    /// Whether skipped steps are inferred.
    pub(crate) fn infers_skipped(&self) -> bool {
        self.infers_skipped
    }

    fn add(&mut self, from: &str, to: &str) -> Result<(), ImportError> {
        let refused = |why| ImportError::Map {
            entry: format!("{from}={to}"),
            why,
        };
        if from.is_empty() || to.is_empty() {
            return Err(refused("one side is empty"));
        }
        // `step` is the column of steps.
        if to.contains('[') || (to != "step" && RESERVED.contains(&to)) {
            return Err(refused("no signal can have that name"));
        }
        if self.map.iter().any(|(known, _)| known == from) {
            return Err(refused("that column is mapped twice"));
        }
        if self.map.iter().any(|(_, known)| known == to) {
            return Err(refused("that name is given twice"));
        }
        self.map.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// The place of the step among `names`.
    pub(crate) fn step(&self, names: &[impl AsRef<str>]) -> Option<usize> {
        self.special("step", STEPS, names)
    }

    /// The place of the time among `names`.
    pub(crate) fn time(&self, names: &[impl AsRef<str>]) -> Option<usize> {
        self.special("time", TIMES, names)
    }

    fn special(&self, to: &str, known: &[&str], names: &[impl AsRef<str>]) -> Option<usize> {
        let place = |wanted: &dyn Fn(&str) -> bool| names.iter().position(|n| wanted(n.as_ref()));
        match self.map.iter().find(|(_, target)| target == to) {
            Some((from, _)) => place(&|name| name == from),
            None => known
                .iter()
                .find_map(|known| place(&|name| is_plainly(name, known))),
        }
    }

    /// The names that the user maps and `names` lacks.
    pub(crate) fn unmet<'a>(&'a self, names: &HashSet<String>) -> Vec<&'a str> {
        let unmet = self
            .map
            .iter()
            .filter(|(from, to)| !names.contains(from) && to != "step" && to != "time");
        unmet.map(|(from, _)| from.as_str()).collect()
    }

    /// What to tell of columns that the user gives a signal's name, and that say the step or the time.
    pub(crate) fn unused(&self, keys: &BTreeSet<String>) -> Vec<String> {
        let unused = self
            .map
            .iter()
            .filter(|(from, to)| keys.contains(from) && to != "step" && to != "time");
        let told = unused.map(|(from, to)| {
            format!("its column `{from}` says the step or the time, and is not recorded as `{to}`")
        });
        told.collect()
    }

    /// Decides the names of a source's columns.
    pub(crate) fn naming(&self, found: &[String]) -> Naming {
        let mut names: Vec<Option<Name>> = vec![None; found.len()];
        let mut taken = HashSet::new();
        for (from, to) in &self.map {
            if let Some(place) = found.iter().position(|name| name == from) {
                names[place] = Some(to.as_str().into());
                taken.insert(to.clone());
            }
        }
        for (signal, aliases) in ALIASES {
            let place = aliases.iter().find_map(|alias| {
                let free = |(place, name): &(usize, &String)| {
                    names[*place].is_none() && is_plainly(column(name), alias)
                };
                found.iter().enumerate().find(free).map(|(place, _)| place)
            });
            if let Some(place) = place.filter(|_| taken.insert((*signal).to_owned())) {
                names[place] = Some((*signal).into());
            }
        }
        for (place, name) in found.iter().enumerate() {
            if names[place].is_none() {
                let mut name = usable(name);
                while !taken.insert(name.clone()) {
                    name.push_str(" (source)");
                }
                names[place] = Some(name.as_str().into());
            }
        }
        Naming(names)
    }
}

/// The name of each of a source's columns.
#[derive(Debug)]
pub(crate) struct Naming(Vec<Option<Name>>);

impl Naming {
    /// The name at a place, sharing its text.
    pub(crate) fn name(&self, place: u32) -> Option<Name> {
        self.0.get(place as usize)?.clone()
    }
}

/// The column itself in a header of a W&B panel's export, `RUN - COLUMN`.
fn column(name: &str) -> &str {
    name.rsplit_once(" - ").map_or(name, |(_, column)| column)
}

/// Whether a name is `known`, as names are compared. It is asked for every row of some formats.
fn is_plainly(name: &str, known: &str) -> bool {
    let plain = |c: char| if " -".contains(c) { '_' } else { c };
    let lower = name.trim().chars().flat_map(char::to_lowercase);
    lower.map(plain).eq(known.chars())
}

/// Marks the steps of one attempt as skipped, or not, at which the loss scale fell or the gradient norm is not
/// finite: trainers seldom log which updates the loss scaler skipped. Steps that have neither stay unmarked, and
/// an attempt that says itself which steps were skipped is left alone.
pub(crate) fn infer_skipped(attempt: &mut [Record]) {
    if attempt
        .iter()
        .any(|record| record.scalar("skipped").is_some())
    {
        return;
    }
    let name = Name::from("skipped");
    let mut before: Option<f64> = None;
    for record in attempt {
        let (scale, norm) = (record.scalar("loss_scale"), record.scalar("grad_norm"));
        let fell = scale.zip(before).is_some_and(|(now, before)| now < before);
        // A scale that is not finite says nothing of where the next one comes from.
        before = scale.filter(|scale| scale.is_finite()).or(before);
        if scale.is_some() || norm.is_some() {
            let skipped = fell || norm.is_some_and(|norm| !norm.is_finite());
            record
                .scalars
                .insert(name.clone(), f64::from(u8::from(skipped)));
        }
    }
}

/// A name that a record can carry: a bracket would mean a layer.
fn usable(name: &str) -> String {
    let name = name.replace('[', "(").replace(']', ")");
    if name.is_empty() || RESERVED.contains(&name.as_str()) {
        format!("{name} (source)")
    } else {
        name
    }
}

/// A number as logs write it; `nan`, `inf` and `Infinity` in any case are numbers.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim().trim_matches('"').parse().ok()
}

/// A step: a whole number that is not negative, also as `1430.0`.
pub(crate) fn step_of(value: f64) -> Option<u64> {
    // Above 2^53 not every whole number can be told from its neighbours.
    let whole = (0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0;
    whole.then_some(value as u64)
}
