//! One number of a run, from what it recorded.

use super::reduce::{Made, Reduce};
use logs::Record;
use serde::{Deserialize, Serialize};

/// What is compared between arms beside the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// A scalar signal, or for spikes also one layer of another (`layer_grad_norm[3]`). The last `held_out_loss` falls back on training losses.
    pub name: String,
    /// What is made of its values.
    #[serde(skip_serializing_if = "is_last", default)]
    pub reduce: Reduce,
    /// First step that counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_step: Option<u64>,
    /// Last step that counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to_step: Option<u64>,
}

/// Signals in nats per token that training lowers.
pub(super) const LOSSES: [&str; 6] = [
    "loss",
    "loss_gmask",
    "loss_mask",
    "loss_task",
    "held_out_loss",
    "last_word_loss",
];

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_last(reduce: &Reduce) -> bool {
    *reduce == Reduce::Last
}

impl Metric {
    /// The last value of a signal.
    #[must_use]
    pub fn last(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            reduce: Reduce::Last,
            from_step: None,
            to_step: None,
        }
    }

    /// Whether the outcome rules already say its value.
    pub(crate) fn is_final_loss(&self) -> bool {
        self.name == "held_out_loss"
            && self.reduce == Reduce::Last
            && self.from_step.is_none()
            && self.to_step.is_none()
    }

    /// Whether it is made of a loss of the trained model, whatever is made of it.
    pub(crate) fn is_loss(&self) -> bool {
        LOSSES.contains(&self.name.as_str())
    }

    /// For people: `mean embedding_share of steps 1 to 50`.
    #[must_use]
    pub fn label(&self) -> String {
        let what = self.reduce.row().label.replace("{}", &self.name);
        match (self.from_step, self.to_step) {
            (None, None) => what,
            (Some(from), None) => format!("{what} from step {from}"),
            (None, Some(to)) => format!("{what} to step {to}"),
            (Some(from), Some(to)) => format!("{what} of steps {from} to {to}"),
        }
    }

    /// The steps that count.
    pub(super) fn steps(&self) -> std::ops::RangeInclusive<u64> {
        self.from_step.unwrap_or(0)..=self.to_step.unwrap_or(u64::MAX)
    }

    /// The recorded values of the steps that count.
    fn recorded<'a>(&'a self, records: &'a [Record]) -> impl Iterator<Item = f64> + 'a {
        let steps = self.steps();
        let records = records.iter();
        let counted = records.filter(move |record| steps.contains(&record.step));
        counted.filter_map(|record| record.scalar(&self.name))
    }

    /// Whether the number that [`Metric::of`] makes is without some of the values.
    pub(crate) fn leaves_out(&self, records: &[Record]) -> bool {
        let mut recorded = self.recorded(records);
        match self.reduce.row().made {
            Made::Last => false,
            Made::Finite(_) => recorded.any(|value| !value.is_finite()),
            Made::Positive(_) => recorded.any(|value| !value.is_finite() || value <= 0.0),
            Made::Spikes { known, .. } => self.loses_spikes(records, known),
        }
    }

    /// The value over a run's records, sorted by step. Values that are not finite are left out,
    /// except that the last value is what it is; absent where nothing is left.
    #[must_use]
    pub fn of(&self, records: &[Record]) -> Option<f64> {
        let recorded = self.recorded(records);
        let (of, least) = match self.reduce.row().made {
            Made::Last => return recorded.last(),
            Made::Spikes { of, .. } => return self.of_spikes(records, of),
            Made::Finite(of) => (of, f64::NEG_INFINITY),
            Made::Positive(of) => (of, 0.0),
        };
        let values: Vec<f64> = recorded.filter(|x| x.is_finite() && *x > least).collect();
        if values.is_empty() { None } else { of(&values) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(values: &[f64]) -> Vec<Record> {
        let record = |(index, value): (usize, &f64)| {
            let mut record = Record::new(index as u64 + 1);
            record.set_named("grad_norm", *value);
            record
        };
        values.iter().enumerate().map(record).collect()
    }

    fn reduced(values: &[f64], reduce: Reduce) -> Option<f64> {
        let metric = Metric {
            reduce,
            ..Metric::last("grad_norm")
        };
        metric.of(&records(values))
    }

    #[test]
    fn every_reduction_says_what_its_name_says() {
        let values = [4.0, 1.0, 2.0, f64::NAN];
        let found = [
            Reduce::Mean,
            Reduce::Median,
            Reduce::Min,
            Reduce::Max,
            Reduce::Sum,
            Reduce::MeanLog2,
        ]
        .map(|reduce| reduced(&values, reduce).unwrap());
        assert_eq!(found, [7.0 / 3.0, 2.0, 1.0, 4.0, 7.0, 1.0]);
        assert!(reduced(&values, Reduce::Last).unwrap().is_nan());
        // ln 4, ln 1, ln 2 lie ln 2 apart.
        assert!((reduced(&values, Reduce::SdLn).unwrap() - 2f64.ln()).abs() < 1e-12);
        assert_eq!(reduced(&[], Reduce::Mean), None);
    }

    #[test]
    fn only_the_steps_asked_for_count() {
        let metric = Metric {
            reduce: Reduce::Sum,
            from_step: Some(2),
            to_step: Some(3),
            ..Metric::last("grad_norm")
        };
        assert_eq!(
            metric.of(&records(&[1.0, 10.0, 100.0, 1000.0])),
            Some(110.0)
        );
        assert_eq!(metric.label(), "sum of grad_norm of steps 2 to 3");
    }

    #[test]
    fn one_outlier_in_many_is_a_spike_and_does_not_hide_itself() {
        let mut values: Vec<f64> = (0..228).map(|i| f64::from(i % 2)).collect();
        assert_eq!(reduced(&values, Reduce::SpikeScore), Some(0.0));
        values[200] = 50.0;
        assert_eq!(reduced(&values, Reduce::SpikeScore), Some(1.0));
        assert_eq!(reduced(&values[..128], Reduce::SpikeScore), None);
    }
}
