//! What is told of a task.

use super::Options;
use super::files::Files;
use super::groups::{OverGroups, over_files, over_groups};
use super::question::Question;
use super::questions::{self, QuestionChance};
use super::values::{Metric, Values, estimates};
use crate::published::{Published, published};
use crate::record::{Outcome, Record, Records};
use crate::summary::{Estimate, OverFiles};
use crate::task::Task;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A task's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its name.
    pub task: String,
    /// Solved items before each.
    pub shots: usize,
    /// Seed of their draws.
    pub seed: u64,
    /// Items of each file at the most.
    pub limit: Option<usize>,
    /// Group by group.
    pub groups: Vec<GroupReport>,
    /// Over all items of all groups; nothing of texts, since a mean over their windows is no figure of any of them.
    pub overall: BTreeMap<Metric, Estimate>,
    /// Over groups, of a task that weighs them or normalises their scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_groups: Option<OverGroups>,
    /// Accuracy of guessing, %: the mean over items of one over their choices, or of what these are worth.
    pub chance: Option<f64>,
    /// Of a task that is judged by questions too, what guessing makes of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_chance: Option<QuestionChance>,
    /// Items whose text lost its beginning, since the model has too few slots.
    pub cut: usize,
    /// Items with a choice whose tokens would be others if it were read with the text before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seams: Option<Seams>,
    /// Items that could not be asked; no score has them.
    pub skipped: Vec<Skipped>,
    /// What was published of models of other sizes.
    pub published: Vec<Published>,
}

/// A group of files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// File by file.
    pub files: Vec<FileReport>,
    /// How the files compare.
    pub over_files: BTreeMap<Metric, OverFiles>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileReport {
    /// Its path below the folder of the task.
    pub file: String,
    /// Its result; empty where none of its items could be asked.
    pub metrics: BTreeMap<Metric, Estimate>,
}

/// Items with a choice whose tokens would be others if it were read with the text before it. They are asked, and every one is named in its
/// record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seams {
    /// How many.
    pub items: usize,
    /// The first: its file.
    pub file: String,
    /// Its line.
    pub line: u64,
    /// Its first such choice, from 1.
    pub choice: usize,
}

/// An item that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u64,
    /// Which item of the line, from 1, where it makes several; else 0.
    pub part: u64,
    /// Why.
    pub reason: String,
}

impl Report {
    pub(super) fn of(
        task: &Task,
        options: &Options,
        files: &Files,
        questions: &[Question],
        records: &Records,
    ) -> Self {
        let found: Vec<(&Question, &Record)> = questions
            .iter()
            .filter_map(|question| {
                let record = records.get(&question.file, question.line, question.part)?;
                Some((question, record))
            })
            .collect();
        let (mut all, mut told) = (Values::default(), BTreeSet::new());
        let mut groups = Vec::new();
        for (name, row, files) in grouped(files, &found) {
            let mut reports = Vec::new();
            for file in files {
                let records = found.iter().copied().filter(|(question, _)| {
                    question.file == file && question.group.as_deref() == row
                });
                let values = Values::of(task, name, records.clone());
                // A file of two groups is no second sample.
                if told.insert((file, row)) {
                    all.extend(&values);
                }
                reports.push(FileReport {
                    file: file.to_owned(),
                    metrics: estimates(task, &values, records),
                });
            }
            groups.push(GroupReport {
                name: name.to_owned(),
                over_files: over_files(&reports),
                files: reports,
            });
        }
        let chances: Vec<f64> = found
            .iter()
            .filter_map(|(question, _)| Some(100.0 * question.chance()?))
            .collect();
        Self {
            task: task.name.clone(),
            shots: options.shots.unwrap_or(task.shots),
            seed: options.seed,
            limit: options.limit,
            over_groups: over_groups(task, &groups),
            groups,
            overall: all.estimates(),
            chance: (!chances.is_empty())
                .then(|| chances.iter().sum::<f64>() / chances.len() as f64),
            question_chance: questions::chance(&all.answers),
            cut: found.iter().filter(|(_, record)| record.cut).count(),
            seams: seams(&found),
            skipped: found
                .iter()
                .filter_map(|(_, record)| skipped(record))
                .collect(),
            published: published(&task.name),
        }
    }
}

/// Groups with their names, what their questions name as such, and their files: those of the task, or those that rows name.
fn grouped<'a>(
    files: &'a Files,
    found: &[(&'a Question, &Record)],
) -> Vec<(&'a str, Option<&'a str>, Vec<&'a str>)> {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (question, _) in found {
        if let Some(group) = &question.group {
            let files = named.entry(group).or_default();
            if files.last() != Some(&question.file.as_str()) {
                files.push(&question.file);
            }
        }
    }
    if named.is_empty() {
        let groups = files.groups.iter();
        let names = |files: &'a [super::files::TaskFile]| files.iter().map(|f| f.name.as_str());
        return groups
            .map(|(name, files)| (name.as_str(), None, names(files).collect()))
            .collect();
    }
    let named = named.into_iter();
    named
        .map(|(name, files)| (name, Some(name), files))
        .collect()
}

fn seams(found: &[(&Question, &Record)]) -> Option<Seams> {
    let all = found.iter();
    let mut all = all.filter_map(|(question, _)| Some((question, question.seam?)));
    let (first, choice) = all.next()?;
    Some(Seams {
        items: 1 + all.count(),
        file: first.file.clone(),
        line: first.line,
        choice,
    })
}

fn skipped(record: &Record) -> Option<Skipped> {
    match &record.outcome {
        Outcome::Skipped { reason } => Some(Skipped {
            file: record.file.clone(),
            line: record.line,
            part: record.part,
            reason: reason.clone(),
        }),
        Outcome::Choices { .. } | Outcome::Answer { .. } | Outcome::Window { .. } => None,
    }
}
