//! How likely a model holds an answer, and how well it predicts a text.

use crate::error::NotFinite;
use crate::model::{Model, Row, log_sum_exp};
use crate::prompt::{Layout, Prompt};
use experiments_config::ObjectiveMode;
use std::ops::Range;

/// A prompt and the answers to choose from, each one token at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Choosing {
    /// What all follow.
    pub prompt: Prompt,
    /// Their tokens.
    pub choices: Vec<Vec<u32>>,
}

impl Choosing {
    /// Slots of all rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        let inside = self
            .choices
            .iter()
            .map(|choice| choice.len().saturating_sub(1));
        self.prompt.len() + inside.sum::<usize>()
    }
}

/// The log-probability of every token of every choice, in nats. Choices share the slots of their prompt and do not see one another:
/// one pass for all of them, as if each were read alone. What a prompt expects first is computed once.
///
/// # Errors
/// If a logit is not finite.
pub fn choice_log_probabilities(
    model: &mut dyn Model,
    items: &[Choosing],
) -> Result<Vec<Vec<Vec<f64>>>, NotFinite> {
    let vocabulary = model.vocabulary();
    let rows: Vec<Row> = items
        .iter()
        .enumerate()
        .flat_map(|(sequence, item)| choice_rows(sequence, item))
        .collect();
    model.clear();
    let logits = model.read(&rows);
    let mut rest = logits.chunks_exact(vocabulary);
    let mut next = |targets: Vec<u32>| -> Result<Vec<f64>, NotFinite> {
        let logits = rest.next().ok_or(NotFinite)?;
        let log_sum = log_sum_exp(logits);
        let of = |token: u32| f64::from(logits[token as usize]) - log_sum;
        let found: Vec<f64> = targets.into_iter().map(of).collect();
        let all = found.iter().all(|x| x.is_finite());
        all.then_some(found).ok_or(NotFinite)
    };
    let mut scored = Vec::new();
    for item in items {
        let firsts = next(item.choices.iter().map(|choice| choice[0]).collect())?;
        let mut choices: Vec<Vec<f64>> = firsts.into_iter().map(|first| vec![first]).collect();
        for (choice, found) in item.choices.iter().zip(&mut choices) {
            for token in &choice[1..] {
                found.extend(next(vec![*token])?);
            }
        }
        scored.push(choices);
    }
    Ok(scored)
}

fn choice_rows(sequence: usize, item: &Choosing) -> Vec<Row> {
    let prompt = &item.prompt;
    let mut rows = prompt.rows(sequence);
    for choice in &item.choices {
        let start = rows.len();
        for (index, token) in choice[..choice.len() - 1].iter().enumerate() {
            let sees = vec![0..prompt.len(), start..start + index + 1];
            rows.push(prompt.answer_row(sequence, index, *token, sees));
        }
    }
    rows
}

/// A part of a running text and what of it is predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Tokens that are given.
    pub(crate) given: Range<usize>,
    /// Tokens that are predicted; they follow.
    pub(crate) predicted: Range<usize>,
}

/// Windows over `len` tokens in `slots` slots, each of which predicts `step` tokens and the first all but one: every token but the
/// first is predicted once (`LanguageModelTaskDataset` of GLM-130B).
pub(crate) fn windows(len: usize, slots: usize, step: usize) -> Vec<Window> {
    // The blank takes one.
    let width = slots.saturating_sub(1).max(2);
    let step = step.min(width - 1);
    let mut all = Vec::new();
    let mut done = 1;
    while done < len {
        let (start, end) = if all.is_empty() {
            (0, width.min(len))
        } else {
            (done + step - width, (done + step).min(len))
        };
        all.push(Window {
            given: start..done,
            predicted: done..end,
        });
        done = end;
    }
    all
}

impl Window {
    /// What is predicted, behind a blank with all that is given read both ways, or from left to right.
    pub(crate) fn item(&self, layout: &Layout, tokens: &[u32], how: Reading) -> Choosing {
        Choosing {
            prompt: how.prompt(layout, tokens[self.given.clone()].to_vec()),
            choices: vec![tokens[self.predicted.clone()].to_vec()],
        }
    }
}

/// How a text without a blank of its own is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) use_task_mask: bool,
    pub(crate) unidirectional: bool,
}

impl Reading {
    /// A text that is to be continued.
    pub(crate) fn prompt(self, layout: &Layout, mut text: Vec<u32>) -> Prompt {
        match layout.mode {
            ObjectiveMode::Gpt => layout.left_to_right(&text),
            ObjectiveMode::Glm if self.unidirectional => layout.one_way(&text),
            ObjectiveMode::Glm if self.use_task_mask => {
                text.push(layout.special.gmask);
                layout.at_blank(text, crate::Blank::Gmask)
            }
            ObjectiveMode::Glm => {
                let place = text.len();
                text.push(layout.special.mask);
                layout.at_blank(text, crate::Blank::Mask(place))
            }
        }
    }
}

#[cfg(test)]
mod tests;
