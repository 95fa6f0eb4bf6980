//! What is told of a task.

use super::Options;
use super::ask::Question;
use super::files::{Content, Files};
use super::questions::{self, Answers, QuestionChance};
use crate::published::{Published, published};
use crate::record::{Outcome, Record, Records};
use crate::summary::{Estimate, OverFiles};
use crate::task::{Kind, Task};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Items whose right choice is the likeliest, or whose answer is right as the task judges it; %.
    Accuracy,
    /// Answers that say the same as a target, or questions of which every answer is judged right; %.
    Em,
    /// Words in common with the nearest target, %.
    F1,
    /// F1 over the answers of all questions, %.
    F1a,
    /// Perplexity per word between spaces, `e` to at most 20.
    Ppl,
    /// Bits per byte of UTF-8.
    Bpb,
}

impl Metric {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy %",
            Self::Em => "EM %",
            Self::F1 => "F1 %",
            Self::F1a => "F1a %",
            Self::Ppl => "perplexity",
            Self::Bpb => "bits per byte",
        }
    }

    /// Its mean over items, with an interval of its kind.
    fn estimate(self, values: &[f64]) -> Option<Estimate> {
        match self {
            Self::Accuracy | Self::Em | Self::F1 | Self::F1a => Estimate::of_shares(values),
            Self::Ppl | Self::Bpb => Estimate::of(values),
        }
    }
}

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
    /// Over all items of all groups.
    pub overall: BTreeMap<Metric, Estimate>,
    /// Accuracy of guessing, %: the mean over items of one over their choices.
    pub chance: Option<f64>,
    /// Of a task that is judged by questions too, what guessing makes of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_chance: Option<QuestionChance>,
    /// Items whose text lost its beginning, since the model has too few slots.
    pub cut: usize,
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

/// Of items.
#[derive(Default)]
struct Values {
    /// Metric by metric.
    of: BTreeMap<Metric, Vec<f64>>,
    /// Of a task that is judged by questions too.
    answers: Vec<Answers>,
}

impl Values {
    fn push(&mut self, metric: Metric, value: f64) {
        self.of.entry(metric).or_default().push(value);
    }

    fn extend(&mut self, other: &Self) {
        for (metric, values) in &other.of {
            self.of.entry(*metric).or_default().extend(values);
        }
        self.answers.extend(&other.answers);
    }

    fn estimates(&self) -> BTreeMap<Metric, Estimate> {
        let of = |(metric, values): (&Metric, &Vec<f64>)| Some((*metric, metric.estimate(values)?));
        let f1a = questions::f1(&self.answers).map(|estimate| (Metric::F1a, estimate));
        self.of.iter().filter_map(of).chain(f1a).collect()
    }
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
        for (name, files) in &files.groups {
            let mut reports = Vec::new();
            for file in files {
                let records = found.iter().copied();
                let records = records.filter(|(_, record)| record.file == file.name);
                let (values, scale) = values(task, &file.content, records);
                // A file of two groups is no second sample.
                if told.insert(&file.name) {
                    all.extend(&values);
                }
                reports.push(FileReport {
                    file: file.name.clone(),
                    metrics: estimates(&values, &scale),
                });
            }
            groups.push(GroupReport {
                name: name.clone(),
                over_files: over_files(&reports),
                files: reports,
            });
        }
        let chances: Vec<f64> = found
            .iter()
            .filter_map(|(question, _)| Some(100.0 / question.choices()? as f64))
            .collect();
        Self {
            task: task.name.clone(),
            shots: options.shots.unwrap_or(task.shots),
            seed: options.seed,
            limit: options.limit,
            groups,
            overall: overall(task, &all),
            chance: (!chances.is_empty())
                .then(|| chances.iter().sum::<f64>() / chances.len() as f64),
            question_chance: questions::chance(&all.answers),
            cut: found.iter().filter(|(_, record)| record.cut).count(),
            skipped: found
                .iter()
                .filter_map(|(_, record)| skipped(record))
                .collect(),
            published: published(&task.name),
        }
    }
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

/// What turns a mean over items into a metric.
type Scale = BTreeMap<Metric, fn(f64, &Text) -> f64>;

/// Of a running text: windows, words between spaces, bytes.
struct Text {
    windows: f64,
    words: f64,
    bytes: f64,
}

/// Of the records of a file the values of its items, and what their means come to.
fn values<'a>(
    task: &Task,
    content: &Content,
    records: impl Iterator<Item = (&'a Question, &'a Record)> + Clone,
) -> (Values, (Text, Scale)) {
    let mut values = Values::default();
    let mut windows = 0.0;
    if task.by_question {
        values.answers = questions::answers(records.clone());
        for exact in questions::exact(&values.answers) {
            values.push(Metric::Em, exact);
        }
    }
    for (_, record) in records {
        let mut push = |metric: Metric, value: f64| values.push(metric, value);
        match &record.outcome {
            Outcome::Choices { chosen, label, .. } => {
                push(Metric::Accuracy, if chosen == label { 100.0 } else { 0.0 });
            }
            Outcome::Answer { exact, f1, .. } => match &task.kind {
                Kind::Generation(rules) if rules.is_lambada => {
                    push(Metric::Accuracy, 100.0 * exact);
                }
                Kind::Generation(_) | Kind::Choices | Kind::LanguageModel { .. } => {
                    push(Metric::Em, 100.0 * exact);
                    push(Metric::F1, 100.0 * f1);
                }
            },
            Outcome::Window { loss, .. } => {
                windows += 1.0;
                push(Metric::Ppl, *loss);
                push(Metric::Bpb, *loss);
            }
            Outcome::Skipped { .. } => {}
        }
    }
    let (words, bytes) = match content {
        Content::Text(text) => (text.trim().split(' ').count() as f64, text.len() as f64),
        Content::Items(_) => (1.0, 1.0),
    };
    let text = Text {
        windows,
        words,
        bytes,
    };
    let mut scale = Scale::new();
    scale.insert(Metric::Ppl, |mean, text| {
        (mean * text.windows / text.words).min(20.0).exp()
    });
    scale.insert(Metric::Bpb, |mean, text| {
        mean * text.windows / text.bytes / std::f64::consts::LN_2
    });
    (values, (text, scale))
}

fn estimates(values: &Values, (text, scale): &(Text, Scale)) -> BTreeMap<Metric, Estimate> {
    let scaled = |(metric, found): (Metric, Estimate)| {
        let of = |value| scale.get(&metric).map_or(value, |scale| scale(value, text));
        let scaled = Estimate {
            value: of(found.value),
            interval: found.interval.map(|ends| ends.map(of)),
            items: found.items,
        };
        (metric, scaled)
    };
    values.estimates().into_iter().map(scaled).collect()
}

/// Shares of all items; texts are compared file by file only, since a mean over their windows is no figure of any of them.
fn overall(task: &Task, all: &Values) -> BTreeMap<Metric, Estimate> {
    match task.kind {
        Kind::LanguageModel { .. } => BTreeMap::new(),
        Kind::Choices | Kind::Generation(_) => all.estimates(),
    }
}

fn over_files(files: &[FileReport]) -> BTreeMap<Metric, OverFiles> {
    let mut by_metric: BTreeMap<Metric, Vec<(f64, usize)>> = BTreeMap::new();
    for file in files {
        for (metric, estimate) in &file.metrics {
            by_metric
                .entry(*metric)
                .or_default()
                .push((estimate.value, estimate.items));
        }
    }
    let over = by_metric
        .into_iter()
        .filter_map(|(metric, files)| Some((metric, OverFiles::of(&files)?)));
    over.collect()
}
