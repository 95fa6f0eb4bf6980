//! What a finished run without a finite value counts as where a metric is compared.

use super::metric::{LOSSES, Metric};
use super::reduce::Bad;
use super::worst::Worst;
use words::named;

named! {
    /// What becomes of a criterion when a finished run of its arms has no finite value.
    pub enum Failed {
        /// The run ranks behind every run that has a value.
        Worst = "worst",
        /// The criterion is not decided.
        Open = "open",
    }
}

/// Scalar signals by what happens to them in a run that fails: as the losses they grow beyond every bound, ...
const HIGH: &[&str] = &[
    "z_loss",
    "skipped",
    "grad_norm",
    "grad_max",
    "grad_norm_embedding",
    "grad_norm_embedding_input",
    "grad_norm_embedding_logit",
    "grad_norm_sequence",
    "update_norm",
    "update_norm_embedding",
    "param_norm",
    "adam_rms",
    "max_attention_logit",
    "overflow_count",
    "underflow_count",
    "logit_update_rms",
    "twin_loss",
    "parameter_distance",
    "nonfinite_scores",
    "nonfinite_probabilities",
    "empty_rows",
    "probability_error",
    "ulp_error",
    "gradient_error",
    "int8_loss_change",
    "int4_loss_change",
    "int4_zero_point_loss_change",
    "int4_gptq_loss_change",
    "weight_kurtosis",
    "weight_peak",
];

/// ... or they fall to their least value. Of all others neither is known.
const LOW: &[&str] = &["last_word_accuracy", "loss_scale", "clip_coefficient"];

impl Metric {
    /// The end of the scale that is bad; `None` where neither is, as for a share.
    #[must_use]
    pub fn worst(&self) -> Option<Worst> {
        match self.reduce.row().worst {
            Bad::OfSignal => of_signal(&self.name),
            Bad::Always(worst) => Some(worst),
            Bad::Neither => None,
        }
    }
}

fn of_signal(name: &str) -> Option<Worst> {
    if LOSSES.contains(&name) || HIGH.contains(&name) {
        Some(Worst::High)
    } else if LOW.contains(&name) {
        Some(Worst::Low)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criterion::Reduce;

    /// Signals of which neither end is bad; a new signal must be put into one of the three lists.
    const NEITHER: &[&str] = &[
        "lr",
        "data_position",
        "egs_alpha",
        "batch_size",
        "tasks_ratio",
        "samples",
        "tokens",
        "tokens_per_second",
        "step_seconds",
        "record_seconds",
        "machine_watts",
        "embedding_share",
        "grad_noise_scale",
        "embedding_update",
        "smallest_gradient",
    ];

    #[test]
    fn every_scalar_is_in_one_of_three_lists() {
        let scalars = logs::SIGNALS.iter().filter(|signal| !signal.per_layer);
        let mut known: Vec<&str> = scalars.map(|signal| signal.name).collect();
        let mut listed = [&LOSSES, HIGH, LOW, NEITHER].concat();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, known);
    }

    #[test]
    fn unsteadiness_is_bad_whatever_is_unsteady() {
        let clip = Metric::last("clip_coefficient");
        assert_eq!(clip.worst(), Some(Worst::Low));
        let reduce = Reduce::SdLn;
        assert_eq!(Metric { reduce, ..clip }.worst(), Some(Worst::High));
        assert_eq!(Metric::last("embedding_share").worst(), None);
    }
}
