//! Range checks: each section has its own, in `bounds`. Every complaint is collected, so that one run of the
//! program shows them all.

use crate::{Complaint, Config, ConfigError};
use words::number;

/// Collects complaints; each check names its key and what was expected.
#[derive(Default)]
pub(crate) struct Checks(pub(crate) Vec<Complaint>);

impl Checks {
    pub(crate) fn require(&mut self, holds: bool, key: &str, expected: impl Into<String>) {
        self.require_or(holds, key, expected, None);
    }

    pub(crate) fn require_or(
        &mut self,
        holds: bool,
        key: &str,
        expected: impl Into<String>,
        hint: Option<String>,
    ) {
        if !holds {
            self.0.push(Complaint {
                key: key.to_owned(),
                message: expected.into(),
                hint,
            });
        }
    }

    /// A size that no arithmetic on sizes can overflow.
    pub(crate) fn size(&mut self, value: usize, most: usize, key: &str) {
        let message = format!("is {value}, must lie between 1 and {most}");
        self.require((1..=most).contains(&value), key, message);
    }

    pub(crate) fn positive(&mut self, value: usize, key: &str) {
        self.require(value > 0, key, "must be at least 1");
    }

    pub(crate) fn probability(&mut self, value: f64, key: &str) {
        let message = format!("is {}, must lie in [0, 1)", number(value));
        self.require((0.0..1.0).contains(&value), key, message);
    }

    pub(crate) fn share(&mut self, value: f64, key: &str) {
        let message = format!("is {}, must lie in [0, 1]", number(value));
        self.require((0.0..=1.0).contains(&value), key, message);
    }

    pub(crate) fn at_least_zero(&mut self, value: f64, key: &str) {
        let expected = "a finite number that is not negative";
        let message = format!("is {}, must be {expected}", number(value));
        self.require(value.is_finite() && value >= 0.0, key, message);
    }

    pub(crate) fn above_zero(&mut self, value: f64, key: &str) {
        let message = format!("is {}, must be a finite number above 0", number(value));
        self.require(value.is_finite() && value > 0.0, key, message);
    }
}

/// With the largest batch, samples still fit into 64 bits.
const MOST_STEPS: u64 = 1_000_000_000;

impl Config {
    /// Refuses what no run of this program can train, by its key.
    pub fn check_trainable(&self) -> Result<(), ConfigError> {
        let Some(key) = self.model.plan_only.first_key() else {
            return Ok(());
        };
        Err(ConfigError::Invalid {
            origin: "the configuration".to_owned(),
            complaints: vec![Complaint {
                key: key.to_owned(),
                message: "cannot be trained by this program yet; only `plan`, `preflight` and `export --to` know it".to_owned(),
                hint: Some("leave it out to train the model without".to_owned()),
            }],
        })
    }

    /// Everything that is out of range.
    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = self.value_complaints();
        // A schedule is judged by the values it leads to, and what is planted by the model and the
        // steps, which need a sound base.
        if complaints.is_empty() {
            let mut checks = Checks::default();
            self.check_schedule(&mut checks);
            self.check_inject(&mut checks);
            self.check_fork(&mut checks);
            self.check_recovery(&mut checks);
            complaints = checks.0;
        }
        complaints
    }

    /// Everything that is out of range at the values the keys have at the start.
    pub(crate) fn value_complaints(&self) -> Vec<Complaint> {
        let mut checks = Checks::default();
        checks.require(
            (1..=MOST_STEPS).contains(&self.steps),
            "steps",
            format!(
                "is {}, must be at least 1 and at most {MOST_STEPS}",
                self.steps
            ),
        );
        self.check_model(&mut checks);
        self.check_data(&mut checks);
        self.check_objective(&mut checks);
        self.check_tasks(&mut checks);
        self.check_batch(&mut checks);
        self.check_optimizer(&mut checks);
        self.check_training(&mut checks);
        self.check_precision(&mut checks);
        self.check_probe(&mut checks);
        self.check_alarm(&mut checks);
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use crate::load_preset;

    /// Every complaint must name its key; users read nothing else.
    fn complaint(set: &str) -> String {
        load_preset("t0", &[set.parse().unwrap()])
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn out_of_range_values_name_key_and_expectation() {
        for (set, expected) in [
            ("model.num_heads=3", "does not divide"),
            ("model.num_heads=64", "even number"),
            ("steps=0", "at least 1"),
            ("tokenizer.vocab_size=100", "at least 262"),
            ("egs.alpha=1.5", "[0, 1]"),
            ("precision.softmax=fp16", "same as"),
            ("optimizer.lr=-1.0", "not negative"),
            ("runtime.device=gpu", "`cpu`, `cuda` or `vulkan`"),
            ("runtime.device=vulcan", "did you mean `vulkan`?"),
            (
                "alarm.detectors=[\"robst-loss\"]",
                "did you mean `robust-loss`?",
            ),
            (
                "alarm.detectors=[\"x\"]",
                "expected non-finite, robust-loss",
            ),
            ("alarm.detectors=[\"clip\", \"clip\"]", "`clip` twice"),
            ("alarm.threshold.loss-scale=1.5", "whole number from 1"),
            ("alarm.threshold.jump-loss=1.0", "factor above 1"),
            ("alarm.threshold.olmo-core-128/6-gradient=8.0", "not among"),
            (
                "alarm.threshold.robst-loss=8.0",
                "did you mean `alarm.threshold.robust-loss`?",
            ),
            ("alarm.threshold.non-finite=8.0", "no such key"),
            ("alarm.action=bel", "did you mean `bell`?"),
            ("alarm.command=\"touch x\"", "no such key"),
            ("probe.score=0.0", "must lie between"),
            ("probe.score=10.0", "plants no scores"),
            ("model.init.qk_gain=-1.0", "not negative"),
            (
                "data.sources=[{ path = \"\", language = \"en\", weight = 1.0 }]",
                "is empty; expected a file",
            ),
            (
                "data.sources=[{ path = \"a.txt\", blake3 = \"AB\", language = \"en\", weight = 1.0 }]",
                "must be 64 hexadecimal digits",
            ),
        ] {
            let text = complaint(set);
            let key = set.split('=').next().unwrap();
            assert!(
                text.contains(key) && text.contains(expected),
                "{set}: {text}"
            );
        }
    }

    /// A probe that measures once must not promise 200 steps to the monitor.
    #[test]
    fn probes_say_what_they_need() {
        let with = |set: &[&str]| {
            let set: Vec<_> = set.iter().map(|s| s.parse().unwrap()).collect();
            load_preset("t0", &set).map_err(|error| error.to_string())
        };
        let error = with(&["probe.kind=update_law"]).unwrap_err();
        assert!(error.contains("`steps`: is 200, must be 1"), "{error}");
        assert!(with(&["probe.kind=update_law", "steps=1"]).is_ok());
        let softmax = ["probe.kind=attention_softmax", "steps=1"];
        let error = with(&softmax).unwrap_err();
        assert!(error.contains("heads of 32 dimensions"), "{error}");
        assert!(with(&[softmax[0], softmax[1], "model.num_heads=4"]).is_ok());
        assert!(with(&["probe.kind=egs_twin", "egs.alpha=0.5"]).is_ok());
        assert!(with(&["probe.kind=egs_twin", "optimizer.eps=0.0"]).is_ok());
    }

    /// A number is written as people write it, not with 300 digits.
    #[test]
    fn a_large_number_is_named_as_it_was_given() {
        let large = "data.held_out=1e300";
        assert!(
            complaint(large).contains("is 1e300, must lie"),
            "{}",
            complaint(large)
        );
        let large = "alarm.threshold.repeated-skips=1e300";
        assert!(
            complaint(large).contains("is 1e300, must be"),
            "{}",
            complaint(large)
        );
    }

    #[test]
    fn heads_suggest_the_nearest_that_fits() {
        assert!(complaint("model.num_heads=3").contains("nearest that fits: 2"));
    }
}
