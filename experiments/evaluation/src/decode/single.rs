//! One answer, of which every token is settled as it comes.

use super::rules::Rules;
use super::{Answer, Course, End, Method};
use crate::error::NotFinite;
use crate::model::{Row, largest, log_sum_exp, up_to};
use crate::prompt::Prompt;
use crate::random::stream;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

pub(super) struct Single<'a> {
    sequence: usize,
    prompt: &'a Prompt,
    rules: Rules<'a>,
    generator: ChaCha8Rng,
    tokens: Vec<u32>,
    log_probability: f64,
    end: Option<End>,
    has_begun: bool,
}

impl<'a> Single<'a> {
    pub(super) fn new(sequence: usize, prompt: &'a Prompt, rules: Rules<'a>) -> Self {
        let seed = match rules.decoding.method {
            Method::Sample { seed, .. } => seed,
            Method::Greedy | Method::Beam { .. } => 0,
        };
        Self {
            sequence,
            prompt,
            generator: stream(seed, "sample", sequence as u64),
            tokens: Vec::new(),
            log_probability: 0.0,
            end: (rules.room == 0).then_some(End::Length),
            has_begun: false,
            rules,
        }
    }

    fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        let index = match self.rules.decoding.method {
            Method::Sample {
                temperature,
                top_k,
                top_p,
                ..
            } => draw(logits, temperature, top_k, top_p, &mut self.generator),
            Method::Greedy | Method::Beam { .. } => {
                let all = logits.iter().map(|x| f64::from(*x));
                largest(all).filter(|index| logits[*index] > f32::NEG_INFINITY)
            }
        };
        index.map(|index| index as u32)
    }
}

impl Course for Single<'_> {
    fn rows(&mut self) -> Vec<Row> {
        if self.end.is_some() {
            return Vec::new();
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            return self.prompt.rows(self.sequence);
        }
        let Some((token, before)) = self.tokens.split_last() else {
            return Vec::new();
        };
        let slots = self.prompt.len() + self.tokens.len();
        let sees = up_to(slots);
        vec![
            self.prompt
                .answer_row(self.sequence, before.len(), *token, sees),
        ]
    }

    fn take(&mut self, logits: &[f32]) -> Result<Option<u32>, NotFinite> {
        let allowed = self.rules.allowed(logits, &self.tokens)?;
        let Some(token) = self.choose(&allowed) else {
            self.end = Some(End::NothingLeft);
            return Ok(None);
        };
        self.log_probability += f64::from(logits[token as usize]) - log_sum_exp(logits);
        if self.rules.ends(token) {
            self.end = Some(End::Stop);
            return Ok(None);
        }
        self.tokens.push(token);
        if self.tokens.len() == self.rules.room {
            self.end = Some(End::Length);
        }
        Ok(Some(token))
    }

    fn finish(self: Box<Self>) -> Vec<Answer> {
        vec![Answer {
            tokens: self.tokens,
            log_probability: self.log_probability,
            end: self.end.unwrap_or(End::Length),
        }]
    }
}

/// The place of a logit, drawn by its probability; none where all are -inf.
fn draw(
    logits: &[f32],
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
    generator: &mut impl Rng,
) -> Option<usize> {
    let mut order: Vec<usize> = (0..logits.len())
        .filter(|index| logits[*index] > f32::NEG_INFINITY)
        .collect();
    // Likeliest first, the first of equals before the others.
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
    order.truncate(top_k.unwrap_or(usize::MAX));
    let top = f64::from(logits[*order.first()?]);
    let weight = |index: &usize| ((f64::from(logits[*index]) - top) / temperature).exp();
    let mut weights: Vec<f64> = order.iter().map(weight).collect();
    let total: f64 = weights.iter().sum();
    if let Some(share) = top_p {
        let mut sum = 0.0;
        let kept = weights.iter().take_while(|weight| {
            let before = sum;
            sum += *weight;
            before < share * total
        });
        // The likeliest stays, however small the share.
        let kept = kept.count().max(1);
        weights.truncate(kept);
    }
    let mut left = generator.random::<f64>() * weights.iter().sum::<f64>();
    let hit = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    // Rounding may leave a little of the last one.
    Some(order[hit.unwrap_or(weights.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> [f64; 4] {
        let logits = [0.4_f32, 0.3, 0.2, 0.1].map(f32::ln);
        let mut generator = stream(3, "test", 0);
        let mut counts = [0.0; 4];
        for _ in 0..100_000 {
            counts[draw(&logits, temperature, top_k, top_p, &mut generator).unwrap()] += 1e-5;
        }
        counts
    }

    /// Five standard errors of a share of 1e5 draws are less than 0.008.
    fn close(found: [f64; 4], expected: [f64; 4]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.008, "{found} for {expected}");
        }
    }

    #[test]
    fn tokens_come_by_their_probability_among_those_that_are_left() {
        close(shares(1.0, None, None), [0.4, 0.3, 0.2, 0.1]);
        close(shares(1.0, Some(2), None), [4.0 / 7.0, 3.0 / 7.0, 0.0, 0.0]);
        // 0.4 + 0.3 lack a little of 0.71; the token that crosses it stays.
        close(
            shares(1.0, None, Some(0.71)),
            [4.0 / 9.0, 3.0 / 9.0, 2.0 / 9.0, 0.0],
        );
        close(
            shares(1.0, None, Some(0.69)),
            [4.0 / 7.0, 3.0 / 7.0, 0.0, 0.0],
        );
        // Half the temperature squares the odds.
        close(
            shares(0.5, None, None),
            [16.0, 9.0, 4.0, 1.0].map(|x| x / 30.0),
        );
        close(shares(1.0, None, Some(0.0)), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(
            draw(
                &[f32::NEG_INFINITY; 3],
                1.0,
                None,
                None,
                &mut stream(1, "", 0)
            ),
            None
        );
    }
}
