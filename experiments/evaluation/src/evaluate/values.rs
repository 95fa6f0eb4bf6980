//! From what became of items to what is measured.

use super::question::Question;
use super::questions::{self, Answers};
use super::texts;
use crate::metrics::{best, rouge_l};
use crate::record::{Outcome, Record};
use crate::summary::Estimate;
use crate::task::{Judge, Kind, Task};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Items whose right choice is the likeliest, or whose answer is right as the task judges it; what the likeliest is worth, where
    /// choices are worth more or less; %.
    Accuracy,
    /// Answers that say the same as a target, or questions of which every answer is judged right; %.
    Em,
    /// Words in common with the nearest target, %.
    F1,
    /// F1 over the answers of all questions, %.
    F1a,
    /// Words in common with the nearest target in the same order, %.
    RougeL,
    /// The score between chance, 0, and all, 100; below 0 where guessing is better.
    Normalised,
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
            Self::RougeL => "ROUGE-L %",
            Self::Normalised => "normalised %",
            Self::Ppl => "perplexity",
            Self::Bpb => "bits per byte",
        }
    }
}

/// Of items.
#[derive(Default)]
pub(super) struct Values {
    /// Shares, metric by metric, %.
    of: BTreeMap<Metric, Vec<f64>>,
    /// Of a task that is judged by questions too.
    pub(super) answers: Vec<Answers>,
    /// Of a normalised task what each item scored, and what guessing would have, %.
    scores: Vec<f64>,
    chances: Vec<f64>,
}

impl Values {
    /// Of records, those of texts left out. `group` is the one that they are told of in.
    pub(super) fn of<'a>(
        task: &Task,
        group: &str,
        records: impl Iterator<Item = (&'a Question, &'a Record)> + Clone,
    ) -> Self {
        let mut values = Self::default();
        if task.by_question {
            values.answers = questions::answers(records.clone());
            for exact in questions::exact(&values.answers) {
                values.push(Metric::Em, exact);
            }
        }
        for (question, record) in records {
            match &record.outcome {
                Outcome::Choices { chosen, .. } => {
                    let share = 100.0 * question.worth(*chosen);
                    values.push(Metric::Accuracy, share);
                    values.score(task, share, question.chance());
                }
                Outcome::Answer { answer, exact, f1 } => {
                    let score = values.answer(task, group, (question, answer), (*exact, *f1));
                    values.score(task, score, None);
                }
                Outcome::Window { .. } | Outcome::Skipped { .. } => {}
            }
        }
        values
    }

    /// What an answer scores, by what judges those of its group.
    fn answer(
        &mut self,
        task: &Task,
        group: &str,
        (question, answer): (&Question, &str),
        (exact, f1): (f64, f64),
    ) -> f64 {
        let is_lambada = matches!(&task.kind, Kind::Generation(rules) if rules.is_lambada);
        if is_lambada {
            self.push(Metric::Accuracy, 100.0 * exact);
            return 100.0 * exact;
        }
        self.push(Metric::Em, 100.0 * exact);
        self.push(Metric::F1, 100.0 * f1);
        match task.judge(group) {
            Judge::Exact => 100.0 * exact,
            Judge::F1 => 100.0 * f1,
            Judge::RougeL => {
                let score = 100.0 * best(question.targets(), |target| rouge_l(answer, target));
                self.push(Metric::RougeL, score);
                score
            }
        }
    }

    fn score(&mut self, task: &Task, score: f64, chance: Option<f64>) {
        if task.normalised {
            self.scores.push(score);
            self.chances.push(100.0 * chance.unwrap_or(0.0));
        }
    }

    fn push(&mut self, metric: Metric, value: f64) {
        self.of.entry(metric).or_default().push(value);
    }

    /// Of more items. Normalised scores are told file by file only, since each has a level of chance of its own.
    pub(super) fn extend(&mut self, other: &Self) {
        for (metric, values) in &other.of {
            self.of.entry(*metric).or_default().extend(values);
        }
        self.answers.extend(&other.answers);
    }

    pub(super) fn estimates(&self) -> BTreeMap<Metric, Estimate> {
        let of =
            |(metric, values): (&Metric, &Vec<f64>)| Some((*metric, Estimate::of_shares(values)?));
        let f1a = questions::f1(&self.answers).map(|estimate| (Metric::F1a, estimate));
        let normalised = self.normalised();
        let normalised = normalised.map(|estimate| (Metric::Normalised, estimate));
        self.of
            .iter()
            .filter_map(of)
            .chain(f1a)
            .chain(normalised)
            .collect()
    }

    /// None where chance is all.
    fn normalised(&self) -> Option<Estimate> {
        let found = Estimate::of_shares(&self.scores)?;
        let low = self.chances.iter().sum::<f64>() / self.chances.len() as f64;
        let scaled = |score: f64| 100.0 * (score - low) / (100.0 - low);
        (low < 100.0).then(|| Estimate {
            value: scaled(found.value),
            interval: found.interval.map(|ends| ends.map(scaled)),
            items: found.items,
        })
    }
}

/// Everything that is measured of the records of a file.
pub(super) fn estimates<'a>(
    task: &Task,
    values: &Values,
    records: impl Iterator<Item = (&'a Question, &'a Record)>,
) -> BTreeMap<Metric, Estimate> {
    let mut all = texts::estimates(records, task.has_items());
    all.append(&mut values.estimates());
    all
}
