//! Choices that are answers to one question, judged together (arXiv 1905.00537 §3, of `MultiRC`): whether all are judged right, and F1 over
//! all answers with the second choice, yes, as what is looked for.

use super::question::Question;
use crate::record::{Outcome, Record};
use crate::summary::Estimate;
use serde::Serialize;
use std::collections::BTreeMap;

/// The choice that says that an answer is right.
const YES: usize = 1;

/// What became of the answers to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Answers {
    /// That are right and were held to be.
    found: usize,
    /// That were held to be right, and that are.
    held: usize,
    right: usize,
    /// All, and those that were asked.
    all: usize,
    asked: usize,
    /// Of those that were asked, how many were judged wrongly.
    wrong: usize,
}

/// What guessing by a fair coin scores, %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QuestionChance {
    /// The mean over questions of one half to the power of their answers.
    pub em: f64,
    /// F1 of half of the answers, `p / (p + ½)` of a share `p` of right ones.
    pub f1a: f64,
}

/// The questions of a file, by line and number.
pub(super) fn answers<'a>(
    records: impl Iterator<Item = (&'a Question, &'a Record)>,
) -> Vec<Answers> {
    let mut all: BTreeMap<(u64, u64), Answers> = BTreeMap::new();
    for (question, record) in records {
        let place = (question.line, question.whole.number);
        let answers = all.entry(place).or_default();
        answers.all = question.whole.items;
        if let Outcome::Choices { chosen, label, .. } = record.outcome {
            let (held, right) = (chosen == YES, label == YES);
            answers.asked += 1;
            answers.held += usize::from(held);
            answers.right += usize::from(right);
            answers.found += usize::from(held && right);
            answers.wrong += usize::from(held != right);
        }
    }
    all.into_values()
        .filter(|answers| answers.asked > 0)
        .collect()
}

/// Whole questions only: 100 where every answer was judged right, else 0.
pub(super) fn exact(answers: &[Answers]) -> Vec<f64> {
    let whole = answers.iter().filter(|answers| answers.is_whole());
    whole
        .map(|answers| if answers.wrong == 0 { 100.0 } else { 0.0 })
        .collect()
}

/// Over the answers of all questions, which are resampled with all of their answers.
pub(super) fn f1(answers: &[Answers]) -> Option<Estimate> {
    Estimate::of_all(answers, |answers| {
        let (mut found, mut both) = (0, 0);
        for one in answers {
            found += one.found;
            both += one.held + one.right;
        }
        // Nothing to be found, and nothing found, is no success.
        200.0 * found as f64 / both.max(1) as f64
    })
}

/// None where there is no whole question.
pub(super) fn chance(answers: &[Answers]) -> Option<QuestionChance> {
    let whole = answers.iter().filter(|answers| answers.is_whole());
    let each: Vec<f64> = whole
        .map(|answers| 0.5_f64.powi(i32::try_from(answers.all).unwrap_or(i32::MAX)))
        .collect();
    let count = |of: fn(&Answers) -> usize| answers.iter().map(of).sum::<usize>() as f64;
    let share = count(|answers| answers.right) / count(|answers| answers.asked);
    (!each.is_empty()).then(|| QuestionChance {
        em: 100.0 * each.iter().sum::<f64>() / each.len() as f64,
        f1a: 100.0 * share / (share + 0.5),
    })
}

impl Answers {
    /// Whether a limit, or what could not be asked, took no answer away.
    fn is_whole(&self) -> bool {
        self.asked == self.all
    }
}
