//! What only a fork has.

use crate::validate::Checks;
use crate::{Config, SubstituteKind};
use words::closest;

impl Config {
    /// Every entry must touch steps of the run, and name parameters of it.
    pub(crate) fn check_fork(&self, checks: &mut Checks) {
        let moves = self.batch_size_moves();
        for (index, substitute) in self.substitute.iter().enumerate() {
            let key = format!("substitute[{index}]");
            let (steps, at_once) = match substitute.kind {
                SubstituteKind::Other => (substitute.steps, false),
                SubstituteKind::Reversed => (substitute.steps, true),
                // So many later, of all steps from the first on.
                SubstituteKind::Later => (substitute.steps.min(1), true),
            };
            self.check_touched(substitute.step, steps, &key, checks);
            let most = super::ELSEWHERE / self.samples_per_step().max(1);
            checks.require(
                substitute.kind != SubstituteKind::Later || substitute.steps < most,
                &format!("{key}.steps"),
                format!(
                    "is {}; expected fewer than {most}, where batches that no step reads begin",
                    substitute.steps
                ),
            );
            checks.require(
                !(at_once && moves),
                &format!("{key}.kind"),
                "`reversed` and `later` need batches of one size, and `[[schedule]]` moves `batch.gradient_accumulation`",
            );
        }
        for (index, withhold) in self.withhold.iter().enumerate() {
            let key = format!("withhold[{index}]");
            self.check_touched(withhold.step, withhold.steps, &key, checks);
            let prefix = &withhold.tensors;
            let tensors = self.model.tensors(self.tokenizer.vocab_size);
            let mut names = tensors.into_iter().map(|(name, _)| name);
            if !names.clone().any(|name| name.starts_with(prefix)) {
                let near = closest(prefix, &mut names);
                let hint = near.map(|near| format!("the nearest is `{near}`"));
                let message = format!("is {prefix:?}, with which no parameter's name begins");
                checks.require_or(false, &format!("{key}.tensors"), message, hint);
            }
        }
    }

    fn check_touched(&self, step: u64, steps: u64, key: &str, checks: &mut Checks) {
        let last = self.steps;
        let inside = (1..=last).contains(&step);
        let message = format!("is {step}, expected one of the run's steps 1 to {last}");
        checks.require(inside, &format!("{key}.step"), message);
        if inside {
            let rest = last - step + 1;
            let message =
                format!("is {steps}; from step {step} on there are {rest}, expected 1 to {rest}");
            checks.require(
                (1..=rest).contains(&steps),
                &format!("{key}.steps"),
                message,
            );
        }
    }
}
