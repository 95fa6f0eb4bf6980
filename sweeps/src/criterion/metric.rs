//! One number of a run, from what it recorded.

use crate::stats::{median, moments};
use logs::Record;
use serde::{Deserialize, Serialize};

/// What is made of a signal's values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// The last value.
    #[default]
    Last,
    /// The mean.
    Mean,
    /// The median.
    Median,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The sum.
    Sum,
    /// Sample standard deviation of the natural logarithms.
    SdLn,
    /// Mean of the logarithms to base 2: for what is doubled and halved.
    MeanLog2,
    /// Percentage of values at least 6 standard deviations above the mean of the 128 values
    /// before them ("olmo-core-128/6" with the value itself left out of its window).
    SpikeScore,
    /// Number of spikes, as [`logs::spike`] defines them.
    Spikes,
    /// Height of the highest spike over the level there, in the signal's unit; 0 without one.
    SpikeHeight,
    /// Steps of the longest spike, from its first to its last; 0 without one.
    SpikeDuration,
    /// First step of the first spike; without one the step after the last that counts.
    FirstSpike,
    /// Steps of the first spike; 0 without one.
    FirstSpikeDuration,
    /// Number of spikes that a layer owns, see [`logs::spike::owner()`].
    SpikesOfLayers,
    /// Number of spikes that the word embedding owns.
    SpikesOfEmbedding,
    /// Steps by which the signal, a norm, had doubled before a spike of the loss: mean over these spikes, 0 without
    /// one. See [`logs::spike::lead`].
    SpikeLead,
}

impl Reduce {
    pub(crate) const WORDS: &'static [(&'static str, Self)] = &[
        ("last", Self::Last),
        ("mean", Self::Mean),
        ("median", Self::Median),
        ("min", Self::Min),
        ("max", Self::Max),
        ("sum", Self::Sum),
        ("sd_ln", Self::SdLn),
        ("mean_log2", Self::MeanLog2),
        ("spike_score", Self::SpikeScore),
        ("spikes", Self::Spikes),
        ("spike_height", Self::SpikeHeight),
        ("spike_duration", Self::SpikeDuration),
        ("first_spike", Self::FirstSpike),
        ("first_spike_duration", Self::FirstSpikeDuration),
        ("spikes_of_layers", Self::SpikesOfLayers),
        ("spikes_of_embedding", Self::SpikesOfEmbedding),
        ("spike_lead", Self::SpikeLead),
    ];
}

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
        let what = match self.reduce {
            Reduce::Last => self.name.clone(),
            Reduce::Mean => format!("mean {}", self.name),
            Reduce::Median => format!("median {}", self.name),
            Reduce::Min => format!("smallest {}", self.name),
            Reduce::Max => format!("largest {}", self.name),
            Reduce::Sum => format!("sum of {}", self.name),
            Reduce::SdLn => format!("sd of ln {}", self.name),
            Reduce::MeanLog2 => format!("mean log2 {}", self.name),
            Reduce::SpikeScore => format!("spike score of {}", self.name),
            Reduce::Spikes => format!("spikes of {}", self.name),
            Reduce::SpikeHeight => format!("height of the highest spike of {}", self.name),
            Reduce::SpikeDuration => format!("steps of the longest spike of {}", self.name),
            Reduce::FirstSpike => format!("step of the first spike of {}", self.name),
            Reduce::FirstSpikeDuration => format!("steps of the first spike of {}", self.name),
            Reduce::SpikesOfLayers => format!("spikes of {} that a layer owns", self.name),
            Reduce::SpikesOfEmbedding => format!("spikes of {} that the embedding owns", self.name),
            Reduce::SpikeLead => format!("lead of {} over spikes of the loss", self.name),
        };
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
        if self.reduce.is_of_spikes() {
            return self.loses_spikes(records);
        }
        let left_out = |value: f64| match self.reduce {
            Reduce::Last => false,
            Reduce::SdLn | Reduce::MeanLog2 => !value.is_finite() || value <= 0.0,
            Reduce::Mean
            | Reduce::Median
            | Reduce::Min
            | Reduce::Max
            | Reduce::Sum
            | Reduce::SpikeScore
            | Reduce::Spikes
            | Reduce::SpikeHeight
            | Reduce::SpikeDuration
            | Reduce::FirstSpike
            | Reduce::FirstSpikeDuration
            | Reduce::SpikesOfLayers
            | Reduce::SpikesOfEmbedding
            | Reduce::SpikeLead => !value.is_finite(),
        };
        self.recorded(records).any(left_out)
    }

    /// The value over a run's records, sorted by step. Values that are not finite are left out,
    /// except that the last value is what it is; absent where nothing is left.
    #[must_use]
    pub fn of(&self, records: &[Record]) -> Option<f64> {
        if self.reduce.is_of_spikes() {
            return self.of_spikes(records);
        }
        let all: Vec<f64> = self.recorded(records).collect();
        if self.reduce == Reduce::Last {
            return all.last().copied();
        }
        let finite: Vec<f64> = all.into_iter().filter(|value| value.is_finite()).collect();
        if finite.is_empty() {
            return None;
        }
        Some(match self.reduce {
            Reduce::Last
            | Reduce::Spikes
            | Reduce::SpikeHeight
            | Reduce::SpikeDuration
            | Reduce::FirstSpike
            | Reduce::FirstSpikeDuration
            | Reduce::SpikesOfLayers
            | Reduce::SpikesOfEmbedding
            | Reduce::SpikeLead => return None,
            Reduce::Mean => moments(&finite)?.0,
            Reduce::Median => median(finite)?,
            Reduce::Min => finite.into_iter().fold(f64::INFINITY, f64::min),
            Reduce::Max => finite.into_iter().fold(f64::NEG_INFINITY, f64::max),
            Reduce::Sum => finite.iter().sum(),
            Reduce::SdLn => moments(&logarithms(&finite, f64::ln))?.1?.sqrt(),
            Reduce::MeanLog2 => moments(&logarithms(&finite, f64::log2))?.0,
            Reduce::SpikeScore => spike_score(&finite)?,
        })
    }
}

/// Logarithms of the positive values.
fn logarithms(values: &[f64], logarithm: fn(f64) -> f64) -> Vec<f64> {
    let positive = values.iter().copied().filter(|value| *value > 0.0);
    positive.map(logarithm).collect()
}

/// Values that do not have a whole window before them are not judged; absent where none has.
fn spike_score(values: &[f64]) -> Option<f64> {
    const WINDOW: usize = 128;
    const SIGMAS: f64 = 6.0;
    let judged = values
        .len()
        .checked_sub(WINDOW)
        .filter(|count| *count > 0)?;
    let spikes = values.windows(WINDOW + 1).filter(|window| {
        let (before, value) = (&window[..WINDOW], window[WINDOW]);
        moments(before).is_some_and(|(mean, variance)| {
            let sd = variance.unwrap_or(0.0).sqrt();
            sd > 0.0 && value >= mean + SIGMAS * sd
        })
    });
    Some(100.0 * spikes.count() as f64 / judged as f64)
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
