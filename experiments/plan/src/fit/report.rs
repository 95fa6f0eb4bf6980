//! Predicted against published, system by system and document by document.

use super::system::{MemoryOf, System, Use};
use crate::PlanError;
use crate::memory::estimate_with;
use crate::step_time::{Coefficients, Spread};
use logs::quantile::quantile;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use words::{Table, decimal};

/// One system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// Its name.
    pub id: String,
    /// Its document.
    pub group: String,
    /// Its GPU.
    pub gpu: String,
    /// What it is there for.
    pub used: Use,
    /// Why it is set aside.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub aside: String,
    /// Whether the coefficients were fitted to it.
    pub is_fitted: bool,
    /// Published seconds of a step.
    pub seconds: Option<f64>,
    /// Predicted seconds of a step.
    pub predicted: f64,
    /// TFLOP/s of a GPU without recomputation, by the published seconds.
    pub tflops: Option<f64>,
    /// The same by the predicted seconds.
    pub predicted_tflops: f64,
    /// Published GiB of the fullest GPU.
    pub memory: Option<f64>,
    /// What is counted, and at most that, in GiB.
    pub predicted_memory: (f64, f64),
}

impl Prediction {
    pub(super) fn of(
        system: &System,
        is_fitted: bool,
        coefficients: &Coefficients,
    ) -> Result<Self, PlanError> {
        let memory = estimate_with(
            &system.config,
            &system.layout,
            &system.gpu,
            &system.options.memory,
        )?;
        let predicted = system.predict(coefficients, memory.most_parameters())?;
        let gpus = system.layout.world_size()?;
        let flops = crate::flops::Work::of(&system.config)
            .step(system.layout.global_batch, crate::Recompute::None);
        let tflops = |seconds| crate::flops::tflops_per_gpu(flops, seconds, gpus);
        let gib = |bytes: f64| bytes / 1_073_741_824.0;
        let options = &system.options.memory;
        // The driver's figure counts context and communicators; the allocator's do not.
        let [context, more] = match system.memory_of {
            MemoryOf::Device => [0, 0],
            MemoryOf::Allocated | MemoryOf::Reserved => {
                [options.overhead_bytes, options.more_overhead_bytes]
            }
        };
        let least = memory.peak_bytes.saturating_sub(context) as f64;
        let most = least + memory.reserve_bytes.saturating_sub(more) as f64;
        Ok(Self {
            id: system.id.clone(),
            group: system.group.clone(),
            gpu: system.gpu.name.clone(),
            used: system.used,
            aside: system.aside.clone(),
            is_fitted,
            seconds: system.seconds,
            predicted,
            tflops: system.seconds.map(tflops),
            predicted_tflops: tflops(predicted),
            memory: system.memory.map(gib),
            predicted_memory: (gib(least), gib(most)),
        })
    }

    /// Predicted over published, less 1.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        self.seconds.map(|seconds| self.predicted / seconds - 1.0)
    }

    pub(super) fn log_error(&self) -> Option<f64> {
        self.seconds.map(|seconds| (self.predicted / seconds).ln())
    }
}

/// All systems of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Errors {
    /// In the table's order.
    pub predictions: Vec<Prediction>,
    /// Those of each fitted document by a fit to the others; empty where nothing was fitted.
    pub left_out: Vec<Prediction>,
    /// The interval that they are compared with.
    pub spread: Spread,
}

/// Systems that belong together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// How many there are.
    pub systems: usize,
    /// Median error, signed.
    pub bias: f64,
    /// Median size of the error.
    pub median: f64,
    /// Nine of ten errors are no larger.
    pub ninety: f64,
    /// Share of the published figures within the interval of the prediction.
    pub covered: f64,
    /// Rank correlation of predicted and published TFLOP/s; absent for fewer than three systems.
    pub rank_correlation: Option<f64>,
}

/// The name of the group of all systems that were held out.
const HELD_OUT: &str = "all held out";

impl Errors {
    /// By document, fitted and held out apart, all that were held out together, and each fitted document by a fit to
    /// the others.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: BTreeMap<(&str, &str), Vec<&Prediction>> = BTreeMap::new();
        let timed = |one: &&Prediction| one.seconds.is_some();
        for one in self.predictions.iter().filter(timed) {
            let role = match (one.is_fitted, one.used) {
                (true, _) => "fitted",
                (false, Use::Aside) => "aside",
                (false, Use::Fitted | Use::HeldOut) => "held out",
            };
            groups
                .entry((role, one.group.as_str()))
                .or_default()
                .push(one);
            if role == "held out" {
                groups.entry((role, HELD_OUT)).or_default().push(one);
            }
        }
        for one in self.left_out.iter().filter(timed) {
            groups
                .entry(("left out", one.group.as_str()))
                .or_default()
                .push(one);
        }
        let named = groups
            .into_iter()
            .map(|((role, name), members)| self.group(format!("{role}: {name}"), &members));
        named.collect()
    }

    /// The size within which a share of all errors lies of documents that were not fitted, held out or left out, each
    /// document counting the same; absent where there are none.
    #[must_use]
    pub fn unseen(&self, share: f64) -> Option<f64> {
        let held_out = self
            .predictions
            .iter()
            .filter(|one| one.used == Use::HeldOut && !one.is_fitted);
        let errors: Vec<(String, f64)> = held_out
            .chain(&self.left_out)
            .filter_map(|one| Some((one.group.clone(), one.error()?)))
            .collect();
        (!errors.is_empty()).then(|| weighted(&errors, share))
    }

    fn group(&self, name: String, members: &[&Prediction]) -> Group {
        let errors: Vec<f64> = members.iter().filter_map(|one| one.error()).collect();
        let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        let covered = members.iter().filter(|one| {
            one.log_error()
                .is_some_and(|error| error.abs() <= self.spread.measured.ln_1p())
        });
        Group {
            name,
            systems: members.len(),
            bias: nth(&errors, 0.5),
            median: nth(&sizes, 0.5),
            ninety: nth(&sizes, 0.9),
            covered: covered.count() as f64 / members.len().max(1) as f64,
            rank_correlation: rank_correlation(members),
        }
    }

    /// Published memory beside the range: how many figures there are, how many lie above its upper end by more
    /// than a tenth, and the names of these.
    #[must_use]
    pub fn memory(&self) -> (usize, Vec<&str>) {
        let with = || {
            self.predictions
                .iter()
                .filter_map(|one| Some((one, one.memory?)))
        };
        let above = with().filter(|(one, published)| one.predicted_memory.1 < 0.9 * published);
        (
            with().count(),
            above.map(|(one, _)| one.id.as_str()).collect(),
        )
    }

    /// A table of the groups.
    #[must_use]
    pub fn text(&self) -> String {
        let headings = [
            "systems",
            "number",
            "bias %",
            "median %",
            "9 of 10 %",
            "covered %",
            "rank",
        ];
        let mut table = Table::of_numbers(&headings, &[0]);
        for group in self.groups() {
            let percent = |share: f64| decimal(100.0 * share, 1);
            table.row([
                group.name,
                group.systems.to_string(),
                percent(group.bias),
                percent(group.median),
                percent(group.ninety),
                percent(group.covered),
                group
                    .rank_correlation
                    .map_or_else(|| "-".to_owned(), |rank| decimal(rank, 2)),
            ]);
        }
        let (figures, above) = self.memory();
        let mut text = table.render(2);
        let _ = writeln!(
            text,
            "  covered: within the interval of the prediction, {} % up or down\n  memory: {figures} published, {} \
             more than a tenth above the upper end{}{}",
            decimal(100.0 * self.spread.measured, 0),
            above.len(),
            if above.is_empty() { "" } else { ": " },
            above.join(", "),
        );
        if let (Some(median), Some(ninety)) = (self.unseen(0.5), self.unseen(0.9)) {
            let _ = writeln!(
                text,
                "  documents that were not fitted, held out or left out, each counting alike: median {} %, nine of ten \
                 within {} %",
                decimal(100.0 * median, 1),
                decimal(100.0 * ninety, 1),
            );
        }
        text
    }

    /// Every system as a table for programs.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text =
            "id,group,gpu,use,fitted,seconds,predicted_seconds,error_percent,memory_gib,least_gib,most_gib,aside\n".to_owned();
        for one in &self.predictions {
            let number =
                |value: Option<f64>| value.map_or_else(String::new, |value| significant(value, 4));
            let percent = one
                .error()
                .map_or_else(String::new, |error| format!("{:.1}", 100.0 * error));
            let (least, most) = one.predicted_memory;
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{percent},{},{},{},{}",
                cell(&one.id),
                cell(&one.group),
                one.gpu,
                one.used.name(),
                if one.is_fitted { "yes" } else { "no" },
                number(one.seconds),
                significant(one.predicted, 4),
                number(one.memory),
                format_args!("{least:.1}"),
                format_args!("{most:.1}"),
                cell(&one.aside),
            );
        }
        text
    }
}

/// A cell, in quotes where it holds what separates cells.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A number with so many significant digits.
fn significant(value: f64, digits: usize) -> String {
    let before = value.abs().max(1e-300).log10().floor() as i64 + 1;
    let decimals = usize::try_from(digits as i64 - before).unwrap_or(0);
    format!("{value:.decimals$}")
}

/// The value below which a share of them lies.
fn nth(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, share)
}

/// The factor, less 1, within which a share of the errors on another document is expected, each document counting the
/// same; errors are logarithms. Of n documents the share is taken (n + 1)/n times, since the next is not among those
/// that the factor comes from (split conformal prediction, arXiv 2107.07511 §1).
pub(super) fn half_width(errors: &[(String, f64)], share: f64) -> f64 {
    let documents: BTreeSet<&str> = errors.iter().map(|(group, _)| group.as_str()).collect();
    let n = documents.len().max(1) as f64;
    weighted(errors, (share * (n + 1.0) / n).min(1.0)).exp_m1()
}

/// The size within which a share of errors lies, each document counting the same.
fn weighted(errors: &[(String, f64)], share: f64) -> f64 {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for (group, _) in errors {
        *counts.entry(group).or_insert(0.0) += 1.0;
    }
    let mut sized: Vec<(f64, f64)> = errors
        .iter()
        .map(|(group, error)| (error.abs(), 1.0 / counts[group.as_str()]))
        .collect();
    sized.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f64 = sized.iter().map(|(_, weight)| weight).sum();
    let mut seen = 0.0;
    let found = sized.iter().find(|(_, weight)| {
        seen += weight;
        seen >= share * all
    });
    // Rounding may leave the sum a little below the whole.
    found.or(sized.last()).map_or(0.0, |(size, _)| *size)
}

/// Spearman's rank correlation of predicted and published TFLOP/s.
fn rank_correlation(members: &[&Prediction]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = members
        .iter()
        .filter_map(|one| Some((one.tflops?, one.predicted_tflops)))
        .collect();
    if pairs.len() < 3 {
        return None;
    }
    let (a, b) = (ranks(&pairs, |pair| pair.0), ranks(&pairs, |pair| pair.1));
    let mean = f64::midpoint(pairs.len() as f64, 1.0);
    let product = |x: &[f64], y: &[f64]| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum()
    };
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| product(&a, &b) / scale)
}

/// Ranks from 1, equal values sharing the mean of theirs.
fn ranks(pairs: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> Vec<f64> {
    let below = |value: f64| pairs.iter().filter(|pair| of(pair) < value).count() as f64;
    let alike = |value: f64| pairs.iter().filter(|pair| of(pair) == value).count() as f64;
    pairs
        .iter()
        .map(|pair| below(of(pair)) + f64::midpoint(alike(of(pair)), 1.0))
        .collect()
}
