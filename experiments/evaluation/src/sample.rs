//! What a model read of an item and how likely it held each answer, token by token: for a look at single items, and for another harness
//! to compute again.

use crate::decode::Answer;
use crate::prompt::Prompt;
use crate::score::Choosing;
use experiments_text::Tokenizer;
use serde::Serialize;

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// What stands before an answer, as its tokens spell it: special tokens by name, without what was cut off.
    text: String,
    /// Its tokens.
    tokens: Vec<u32>,
    /// How many of them, the first ones, see one another; the others are read left to right.
    both_ways: usize,
    /// The choices, the beams, or what a window predicts.
    answers: Vec<Scored>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Scored {
    text: String,
    tokens: Vec<u32>,
    /// Natural logarithm, summed over the tokens; of a generated answer with the token that ended it, and after what is ruled out has
    /// lost its probability.
    log_probability: f64,
    /// Of each token; none of a generated answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_log_probabilities: Vec<f64>,
}

impl Sample {
    /// Of answers that were given.
    pub(super) fn scored(tokenizer: &Tokenizer, item: &Choosing, found: &[Vec<f64>]) -> Self {
        let answers = item.choices.iter().zip(found);
        let scored = answers.map(|(tokens, found)| Scored {
            text: tokenizer.decode(tokens),
            tokens: tokens.clone(),
            log_probability: found.iter().sum(),
            token_log_probabilities: found.clone(),
        });
        Self::new(tokenizer, &item.prompt, scored.collect())
    }

    /// Of answers that the model gave.
    pub(super) fn generated(tokenizer: &Tokenizer, prompt: &Prompt, found: &[Answer]) -> Self {
        let generated = found.iter().map(|answer| Scored {
            text: tokenizer.decode(&answer.tokens),
            tokens: answer.tokens.clone(),
            log_probability: answer.log_probability,
            token_log_probabilities: Vec::new(),
        });
        Self::new(tokenizer, prompt, generated.collect())
    }

    fn new(tokenizer: &Tokenizer, prompt: &Prompt, answers: Vec<Scored>) -> Self {
        let tokens = [&prompt.context[..], &prompt.causal].concat();
        Self {
            text: tokenizer.decode(&tokens),
            tokens,
            both_ways: prompt.context.len(),
            answers,
        }
    }
}
