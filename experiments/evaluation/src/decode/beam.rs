//! Several answers at once (`BeamSearchStrategy` of GLM-130B, deterministic).
//!
//! All beams share the slots of the prompt and append theirs to one sequence; each attends to its own. Where the original keeps only
//! the best of the answers that were never finished, all are kept.

use super::rules::Rules;
use super::{Answer, Course, End};
use crate::error::NotFinite;
use crate::model::{Row, log_sum_exp, up_to};
use crate::prompt::Prompt;
use std::ops::Range;

/// An answer that goes on.
#[derive(Clone)]
struct Beam {
    tokens: Vec<u32>,
    /// Log-probability so far.
    score: f64,
    /// What its last token attends to.
    sees: Vec<Range<usize>>,
}

/// A finished answer.
struct Ended {
    answer: Answer,
    penalized: f64,
}

/// A token that would continue a beam.
struct Candidate {
    score: f64,
    beam: usize,
    token: u32,
}

pub(super) struct Search<'a> {
    sequence: usize,
    prompt: &'a Prompt,
    rules: Rules<'a>,
    width: usize,
    length_penalty: f64,
    live: Vec<Beam>,
    /// Best first.
    ended: Vec<Ended>,
    /// Slots of the sequence so far.
    slots: usize,
    is_done: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        sequence: usize,
        prompt: &'a Prompt,
        rules: Rules<'a>,
        width: usize,
        length_penalty: f64,
    ) -> Self {
        let start = Beam {
            tokens: Vec::new(),
            score: 0.0,
            sees: up_to(prompt.len()),
        };
        Self {
            sequence,
            prompt,
            width,
            length_penalty,
            live: vec![start],
            ended: Vec::new(),
            slots: 0,
            is_done: rules.room == 0,
            rules,
        }
    }

    fn penalized(&self, score: f64, tokens: usize) -> f64 {
        let length = (self.prompt.len() + tokens) as f64;
        score / ((5.0 + length) / 6.0).powf(self.length_penalty)
    }

    fn end(&mut self, tokens: Vec<u32>, score: f64, count: usize, end: End) {
        let penalized = self.penalized(score, count);
        let place = self
            .ended
            .partition_point(|other| other.penalized >= penalized);
        let answer = Answer {
            tokens,
            log_probability: score,
            end,
        };
        self.ended.insert(place, Ended { answer, penalized });
        self.ended.truncate(self.width);
    }

    /// The likeliest continuations of all beams, best first.
    fn candidates(&self, logits: &[f32]) -> Result<Vec<Candidate>, NotFinite> {
        let vocabulary = logits.len() / self.live.len();
        let mut all = Vec::new();
        for (number, (beam, logits)) in self
            .live
            .iter()
            .zip(logits.chunks_exact(vocabulary))
            .enumerate()
        {
            let allowed = self.rules.allowed(logits, &beam.tokens)?;
            let log_sum = log_sum_exp(&allowed);
            let possible = (0..).zip(&allowed).filter(|(_, x)| **x > f32::NEG_INFINITY);
            all.extend(possible.map(|(token, logit)| Candidate {
                score: beam.score + f64::from(*logit) - log_sum,
                beam: number,
                token,
            }));
        }
        // As many as there can be endings, and a continuation for every beam.
        let most = (self.rules.decoding.stop.len().max(1) + 1) * self.width;
        let order = |a: &Candidate, b: &Candidate| {
            let place = |c: &Candidate| (c.beam, c.token);
            b.score.total_cmp(&a.score).then(place(a).cmp(&place(b)))
        };
        if all.len() > most {
            all.select_nth_unstable_by(most - 1, order);
            all.truncate(most);
        }
        all.sort_unstable_by(order);
        Ok(all)
    }

    /// Whether no beam can become better than the worst finished answer.
    fn is_settled(&self) -> bool {
        let (Some(worst), Some(best)) = (self.ended.last(), self.live.first()) else {
            return self.live.is_empty();
        };
        let best = self.penalized(best.score, best.tokens.len());
        self.ended.len() == self.width && worst.penalized >= best
    }

    fn give_up(&mut self, end: End) {
        for beam in std::mem::take(&mut self.live) {
            let count = beam.tokens.len();
            self.end(beam.tokens, beam.score, count, end);
        }
        self.is_done = true;
    }
}

impl Course for Search<'_> {
    fn rows(&mut self) -> Vec<Row> {
        if self.is_done {
            return Vec::new();
        }
        if self.slots == 0 {
            self.slots = self.prompt.len();
            return self.prompt.rows(self.sequence);
        }
        let mut rows = Vec::new();
        for beam in &mut self.live {
            let Some((token, before)) = beam.tokens.split_last() else {
                continue;
            };
            let own = self.slots;
            self.slots += 1;
            match beam.sees.last_mut() {
                Some(last) if last.end == own => last.end += 1,
                Some(_) | None => beam.sees.push(own..own + 1),
            }
            let sees = beam.sees.clone();
            rows.push((self.prompt).answer_row(self.sequence, before.len(), *token, sees));
        }
        rows
    }

    fn take(&mut self, logits: &[f32]) -> Result<Option<u32>, NotFinite> {
        let mut next: Vec<Beam> = Vec::new();
        let candidates = self.candidates(logits)?;
        if candidates.is_empty() {
            self.give_up(End::NothingLeft);
            return Ok(None);
        }
        for Candidate { score, beam, token } in candidates {
            let mut tokens = self.live[beam].tokens.clone();
            if self.rules.ends(token) {
                let count = tokens.len() + 1;
                self.end(tokens, score, count, End::Stop);
            } else if next.len() < self.width {
                tokens.push(token);
                let sees = self.live[beam].sees.clone();
                next.push(Beam {
                    tokens,
                    score,
                    sees,
                });
            } else {
                break;
            }
        }
        let length = next.first().map_or(0, |beam| beam.tokens.len());
        self.live = next;
        if self.is_settled() {
            self.is_done = true;
        } else if length == self.rules.room {
            self.give_up(End::Length);
        }
        Ok(None)
    }

    fn finish(mut self: Box<Self>) -> Vec<Answer> {
        // Only where nothing may be generated at all.
        if self.ended.is_empty() {
            self.give_up(End::Length);
        }
        self.ended.into_iter().map(|ended| ended.answer).collect()
    }
}
