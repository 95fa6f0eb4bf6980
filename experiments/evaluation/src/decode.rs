//! From what a model expects next to an answer, token by token.

mod beam;
mod rules;
mod single;

use crate::error::NotFinite;
use crate::model::{Model, Row};
use crate::prompt::Prompt;
use beam::Search;
use experiments_text::Tokenizer;
use rules::Rules;
use serde::Serialize;
use single::Single;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The likeliest.
    Greedy,
    /// Drawn at random.
    Sample {
        /// What logits are divided by: below 1 the likely become likelier.
        temperature: f64,
        /// Only from so many of the likeliest.
        top_k: Option<usize>,
        /// Only from the fewest likeliest that have this share of all probability (nucleus, arXiv 1904.09751).
        top_p: Option<f64>,
        /// Of the draws.
        seed: u64,
    },
    /// Several answers at once, of which the likeliest go on.
    Beam {
        /// How many.
        beams: usize,
        /// A finished answer's log-probability is divided by `((5 + n) / 6)^penalty`, n tokens with the prompt
        /// (arXiv 1609.08144 §7; GLM-130B counts the prompt too).
        length_penalty: f64,
    },
}

/// How an answer is generated.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoding {
    /// How the next token is chosen.
    pub method: Method,
    /// Tokens at the most; fewer where the model's slots end.
    pub max_tokens: usize,
    /// Tokens before the answer may end.
    pub min_tokens: usize,
    /// No n-gram of this length whose last token was generated comes twice; 0 allows all.
    pub no_repeat_ngram: usize,
    /// Tokens that end an answer, and are no part of it.
    pub stop: Vec<u32>,
    /// Tokens that never come.
    pub banned: Vec<u32>,
    /// Tokens that never come first.
    pub banned_first: Vec<u32>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By a token that ends answers.
    Stop,
    /// It has as many tokens as it may, or there are no more slots.
    Length,
    /// Every token was ruled out.
    NothingLeft,
}

/// What was generated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Without the token that ended it.
    pub tokens: Vec<u32>,
    /// Sum over its tokens, the one that ended it among them, in nats; of a search over beams: after what is ruled out
    /// has lost its probability.
    pub log_probability: f64,
    /// Why it ended.
    pub end: End,
}

impl Decoding {
    /// Greedy, ended by eop or eos, without tokens that are no text.
    #[must_use]
    pub fn greedy(tokenizer: &Tokenizer, max_tokens: usize) -> Self {
        let special = tokenizer.special();
        let is_empty = |id: &u32| tokenizer.piece(*id).is_empty();
        let unused = (0..special.mask).filter(is_empty);
        Self {
            method: Method::Greedy,
            max_tokens,
            min_tokens: 0,
            no_repeat_ngram: 0,
            stop: vec![special.eop, special.eos],
            banned: unused
                .chain([special.mask, special.gmask, special.sop, special.pad])
                .collect(),
            banned_first: Vec::new(),
        }
    }

    /// Tokens that an answer to a prompt may have, of a model with so many slots.
    #[must_use]
    pub fn room(&self, prompt: &Prompt, slots: usize) -> usize {
        // The last token of an answer is never read.
        self.max_tokens
            .min((slots + 1).saturating_sub(prompt.len()))
    }
}

/// One prompt on its way to answers.
trait Course {
    /// What is to be read next, in slots from the sequence's next one on; nothing at the end.
    fn rows(&mut self) -> Vec<Row>;

    /// Takes in the logits of the rows that asked, `[t, v]`. Returns a token that is sure to be part of the answer.
    fn take(&mut self, logits: &[f32]) -> Result<Option<u32>, NotFinite>;

    /// The answers, best first.
    fn finish(self: Box<Self>) -> Vec<Answer>;
}

/// Answers to prompts, those of each best first: one, or as many as there are beams. All prompts go through the model
/// together; none changes what another is answered. `on_token` is told the number of the prompt and the token as soon as one is
/// certain.
///
/// # Errors
/// If the model's logits are not finite.
pub fn decode(
    model: &mut dyn Model,
    prompts: &[Prompt],
    decoding: &Decoding,
    on_token: &mut dyn FnMut(usize, u32),
) -> Result<Vec<Vec<Answer>>, NotFinite> {
    let (vocabulary, slots) = (model.vocabulary(), model.slots());
    let mut courses: Vec<Box<dyn Course + '_>> = prompts
        .iter()
        .enumerate()
        .map(|(sequence, prompt)| course(sequence, prompt, decoding, slots))
        .collect();
    model.clear();
    loop {
        let steps: Vec<Vec<Row>> = courses.iter_mut().map(|course| course.rows()).collect();
        let rows = steps.concat();
        if rows.is_empty() {
            return Ok(courses.into_iter().map(Course::finish).collect());
        }
        let logits = model.read(&rows);
        let mut rest = logits.as_slice();
        for (number, (course, own)) in courses.iter_mut().zip(&steps).enumerate() {
            let asked = own.iter().filter(|row| row.asks).count();
            let (own, after) = rest.split_at(asked * vocabulary);
            rest = after;
            if let Some(token) = (asked > 0).then(|| course.take(own)).transpose()?.flatten() {
                on_token(number, token);
            }
        }
    }
}

fn course<'a>(
    sequence: usize,
    prompt: &'a Prompt,
    decoding: &'a Decoding,
    slots: usize,
) -> Box<dyn Course + 'a> {
    let rules = Rules::new(decoding, prompt, slots);
    match decoding.method {
        Method::Greedy | Method::Sample { .. } => Box::new(Single::new(sequence, prompt, rules)),
        Method::Beam {
            beams,
            length_penalty,
        } => Box::new(Search::new(sequence, prompt, rules, beams, length_penalty)),
    }
}

#[cfg(test)]
mod tests;
