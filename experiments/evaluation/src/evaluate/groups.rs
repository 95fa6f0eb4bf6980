//! How the files of a group compare, and what all groups come to together.

use super::report::{FileReport, GroupReport};
use super::values::Metric;
use crate::summary::{Estimate, OverFiles, linear};
use crate::task::Task;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The mean over groups, each with its weight.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverGroups {
    /// Metric by metric, over the groups that have it.
    pub metrics: BTreeMap<Metric, Estimate>,
    /// Groups that have a weight, be it the same for all, and no result.
    pub absent: Vec<String>,
    /// Groups that have a result and no weight, where others have one; they are left out.
    pub unweighted: Vec<String>,
}

/// Over the files of a group: by items, as in the original; normalised scores by files, as each is a task of its own.
pub(super) fn over_files(files: &[FileReport]) -> BTreeMap<Metric, OverFiles> {
    let mut by_metric: BTreeMap<Metric, Vec<(f64, usize)>> = BTreeMap::new();
    for file in files {
        for (metric, estimate) in &file.metrics {
            let of = by_metric.entry(*metric).or_default();
            of.push((estimate.value, weight(*metric, estimate)));
        }
    }
    let over = by_metric
        .into_iter()
        .filter_map(|(metric, files)| Some((metric, OverFiles::of(&files)?)));
    over.collect()
}

/// What a file weighs in its group.
fn weight(metric: Metric, estimate: &Estimate) -> usize {
    match metric {
        Metric::Normalised => 1,
        _ => estimate.items,
    }
}

/// None of a task that neither weighs its groups nor normalises their scores.
pub(super) fn over_groups(task: &Task, groups: &[GroupReport]) -> Option<OverGroups> {
    if task.weights.is_empty() && !task.normalised {
        return None;
    }
    let weight = |name: &str| {
        let mut all = task.weights.iter();
        let found = all.find(|(known, _)| known == name);
        match found {
            Some((_, weight)) => Some(*weight),
            None => task.weights.is_empty().then_some(1.0),
        }
    };
    let has_result = |group: &&GroupReport| !group.over_files.is_empty();
    let results: Vec<&GroupReport> = groups.iter().filter(has_result).collect();
    let mut parts: BTreeMap<Metric, Vec<(f64, Estimate)>> = BTreeMap::new();
    let mut files = BTreeSet::new();
    let mut apart = true;
    for group in &results {
        let Some(weight) = weight(&group.name) else {
            continue;
        };
        for file in &group.files {
            // The rows of a file have one group each; groups of files may share some.
            apart &= files.insert(&file.file) || task.names_rows();
        }
        let metrics = group.over_files.keys();
        // Only a normalised score means the same in every group, whatever is asked there.
        let is_told = |metric: &&Metric| !task.weights.is_empty() || **metric == Metric::Normalised;
        for metric in metrics.filter(is_told) {
            parts
                .entry(*metric)
                .or_default()
                .extend(of_group(group, *metric, weight));
        }
    }
    let names = results.iter().map(|group| group.name.clone());
    let known: BTreeSet<&str> = results.iter().map(|group| group.name.as_str()).collect();
    let all: Vec<&String> = if task.weights.is_empty() {
        groups.iter().map(|group| &group.name).collect()
    } else {
        task.weights.iter().map(|(name, _)| name).collect()
    };
    let absent = all
        .into_iter()
        .filter(|name| !known.contains(name.as_str()));
    let metrics = parts.into_iter().map(|(metric, parts)| {
        let mut found = linear(&parts);
        // Of groups that share files the parts are no independent ones.
        found.interval = found.interval.filter(|_| apart);
        (metric, found)
    });
    Some(OverGroups {
        metrics: metrics.collect(),
        absent: absent.cloned().collect(),
        unweighted: names.filter(|name| weight(name).is_none()).collect(),
    })
}

/// Files of a group with their shares of its weight.
fn of_group(group: &GroupReport, metric: Metric, share: f64) -> Vec<(f64, Estimate)> {
    let found = group
        .files
        .iter()
        .filter_map(|file| file.metrics.get(&metric));
    let found: Vec<&Estimate> = found.collect();
    let all: usize = found.iter().map(|estimate| weight(metric, estimate)).sum();
    let part = |estimate: &Estimate| share * weight(metric, estimate) as f64 / all as f64;
    found.iter().map(|e| (part(e), **e)).collect()
}
