//! Planted causes.

use crate::validate::Checks;
use crate::{Config, Inject, InjectKind};
use words::did_you_mean;

/// Entries that a run may have: each is asked for at every step.
const MOST_ENTRIES: usize = 100;

impl Config {
    /// Every entry must touch steps of the run, and name what its kind needs.
    pub(crate) fn check_inject(&self, checks: &mut Checks) {
        let entries = self.inject.len();
        checks.require(
            entries <= MOST_ENTRIES,
            "inject",
            format!("has {entries} entries, at most {MOST_ENTRIES}"),
        );
        checks.require(
            entries == 0 || !self.is_probe(),
            "inject",
            "plants causes in training, and `probe.kind` measures instead of training",
        );
        for (index, inject) in self.inject.iter().enumerate() {
            let key = format!("inject[{index}]");
            self.check_steps(inject, &key, checks);
            match inject.kind {
                InjectKind::None | InjectKind::Noise | InjectKind::ShuffledLabels => {}
                InjectKind::RepeatedNgram => self.check_ngram(inject, &key, checks),
                InjectKind::Weight => self.check_weight(inject, &key, checks),
            }
        }
    }

    fn check_steps(&self, inject: &Inject, key: &str, checks: &mut Checks) {
        let last = self.steps;
        let step = inject.step;
        let message = format!("is {step}, expected one of the run's steps 1 to {last}");
        let nearest = step.clamp(1, last.max(1));
        let hint = Some(format!("the nearest is {nearest}"));
        let inside = (1..=last).contains(&step);
        checks.require_or(inside, &format!("{key}.step"), message, hint);
        let rest = last.saturating_sub(step) + 1;
        let (steps, key) = (inject.steps, format!("{key}.steps"));
        if inject.kind == InjectKind::Weight {
            let message = format!("is {steps}; a weight is multiplied once, so expected 1");
            checks.require(steps == 1, &key, message);
        } else if inside {
            let message = format!(
                "is {steps}; from step {step} to the run's last, {last}, expected 1 to {rest}"
            );
            checks.require((1..=rest).contains(&steps), &key, message);
        }
    }

    fn check_ngram(&self, inject: &Inject, key: &str, checks: &mut Checks) {
        let most = self.model.seq_len / 2;
        let key = format!("{key}.n");
        match inject.n {
            None => checks.require(
                false,
                &key,
                format!("is missing; `repeated_ngram` needs 1 to {most} tokens"),
            ),
            Some(n) => checks.require(
                (1..=most).contains(&n),
                &key,
                format!("is {n}, expected 1 to {most}, half of `model.seq_len`"),
            ),
        }
    }

    fn check_weight(&self, inject: &Inject, key: &str, checks: &mut Checks) {
        let problem = match inject.factor {
            Some(factor) if factor.abs() <= f64::from(f32::MAX) => None,
            Some(factor) => Some(format!(
                "is {}, must be a number that FP32 holds",
                words::number(factor)
            )),
            None => Some("is missing; `weight` needs a number that FP32 holds".to_owned()),
        };
        let message = problem.clone().unwrap_or_default();
        checks.require(problem.is_none(), &format!("{key}.factor"), message);
        let place = format!("{key}.tensor");
        let tensors = self.model.tensors(self.tokenizer.vocab_size);
        let Some(name) = &inject.tensor else {
            let example = tensors.first().map_or("", |(name, _)| name);
            let message =
                format!("is missing; `weight` needs a parameter, for example `{example}`");
            checks.require(false, &place, message);
            return;
        };
        let Some((_, shape)) = tensors.iter().find(|(known, _)| known == name) else {
            let hint = did_you_mean(name, tensors.into_iter().map(|(name, _)| name));
            let message = format!("is {name:?}, which is no parameter of this model");
            checks.require_or(false, &place, message, hint);
            return;
        };
        let elements: usize = shape.iter().product();
        let element = inject.element.unwrap_or(0);
        let message = format!(
            "is {element}, `{name}` has the elements 0 to {}",
            elements - 1
        );
        checks.require(element < elements, &format!("{key}.element"), message);
    }
}
