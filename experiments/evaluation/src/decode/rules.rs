//! Which tokens may come next.

use super::Decoding;
use crate::error::NotFinite;
use crate::prompt::Prompt;

/// The rules for the answers to one prompt.
pub(super) struct Rules<'a> {
    pub(super) decoding: &'a Decoding,
    prompt: &'a Prompt,
    /// Tokens at the most.
    pub(super) room: usize,
}

impl<'a> Rules<'a> {
    pub(super) fn new(decoding: &'a Decoding, prompt: &'a Prompt, slots: usize) -> Self {
        Self {
            decoding,
            prompt,
            room: decoding.room(prompt, slots),
        }
    }

    pub(super) fn ends(&self, token: u32) -> bool {
        self.decoding.stop.contains(&token)
    }

    /// The logits for what follows `answer`, -inf where a token is ruled out.
    pub(super) fn allowed(&self, logits: &[f32], answer: &[u32]) -> Result<Vec<f32>, NotFinite> {
        if logits.iter().any(|x| !x.is_finite()) {
            return Err(NotFinite);
        }
        let mut logits = logits.to_vec();
        let mut ban = |token: &u32| {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        };
        self.decoding.banned.iter().for_each(&mut ban);
        if answer.is_empty() {
            self.decoding.banned_first.iter().for_each(&mut ban);
        }
        if answer.len() < self.decoding.min_tokens {
            self.decoding.stop.iter().for_each(&mut ban);
        }
        self.repeats(answer).iter().for_each(&mut ban);
        Ok(logits)
    }

    /// Tokens that would complete an n-gram of which an answer has the last token already.
    fn repeats(&self, answer: &[u32]) -> Vec<u32> {
        let n = self.decoding.no_repeat_ngram;
        let given = self.prompt.len();
        if n == 0 || given + answer.len() < n {
            return Vec::new();
        }
        let Prompt {
            context, causal, ..
        } = self.prompt;
        let all = [context.as_slice(), causal, answer].concat();
        let last = &all[all.len() + 1 - n..];
        // An n-gram ends where its last token stands.
        let ends = given.max(n - 1)..all.len();
        let same = ends.filter(|end| all[end + 1 - n..*end] == *last);
        same.map(|end| all[end]).collect()
    }
}
