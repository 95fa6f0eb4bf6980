//! One number of a run's spikes, for cards that compare them.

use super::metric::Metric;
use super::of_spikes::{Asked, OfSpikes};
use super::reduce::{Made, Reduce};
use logs::Record;
use logs::spike::{self, Spike};

impl Reduce {
    /// Whether it is made of spikes and not of single values.
    pub(crate) fn is_of_spikes(self) -> bool {
        matches!(self.row().made, Made::Spikes { .. })
    }
}

impl Metric {
    /// Whether it is made of per-layer signals, which a reader leaves out unless something needs them.
    pub(crate) fn needs_layers(&self) -> bool {
        let owners = matches!(
            self.reduce,
            Reduce::SpikesOfLayers | Reduce::SpikesOfEmbedding | Reduce::SpikeLead
        );
        owners || self.layer().is_some()
    }

    /// The layer, from 0, where its signal is one layer of a per-layer signal: `layer_grad_norm[3]`.
    pub(crate) fn layer(&self) -> Option<usize> {
        logs::split_layer(&self.name).map(|(_, layer)| layer)
    }

    /// The number over the spikes that begin in the steps that count; levels come from all steps. Absent
    /// where the signal has too few values for any to be judged.
    pub(super) fn of_spikes(&self, records: &[Record], of: OfSpikes) -> Option<f64> {
        let spiking = self.spiking();
        if !spike::is_judged(records, spiking) {
            return None;
        }
        let mut found = spike::spikes(records, spiking);
        found.retain(|spike| self.steps().contains(&spike.first));
        of(
            &Asked {
                signal: &self.name,
                to_step: self.to_step,
            },
            records,
            &found,
        )
    }

    /// The signal whose spikes they are.
    fn spiking(&self) -> &str {
        if self.reduce == Reduce::SpikeLead {
            "loss"
        } else {
            &self.name
        }
    }

    /// Whether a run that lost its losses says nothing about its spikes: those to come are not known. When the first
    /// came is known where it came before a value was lost, and how long it lasted where it was over as well.
    pub(super) fn loses_spikes(
        &self,
        records: &[Record],
        known: fn(Option<&Spike>) -> bool,
    ) -> bool {
        let mut counted = records
            .iter()
            .filter(|record| self.steps().contains(&record.step));
        let spiking = self.spiking();
        let lost = counted.find(|record| record.value(spiking).is_some_and(|x| !x.is_finite()));
        let Some(lost) = lost else { return false };
        let before = &records[..records.partition_point(|record| record.step < lost.step)];
        let mut found = spike::spikes(before, spiking).into_iter();
        let first = found.find(|spike| self.steps().contains(&spike.first));
        !known(first.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Losses around 6 with spikes of these heights at these steps.
    fn losses(steps: usize, spikes: &[(usize, f64)]) -> Vec<Record> {
        let mut values: Vec<f64> = (0..steps)
            .map(|i| 6.0 + 0.1 * ((i * 7) % 11) as f64)
            .collect();
        for (step, height) in spikes {
            values[step - 1] += height;
        }
        let record = |(i, value): (usize, &f64)| {
            let mut record = Record::new(i as u64 + 1);
            record.set_named("loss", *value);
            record
        };
        values.iter().enumerate().map(record).collect()
    }

    fn of(reduce: Reduce, records: &[Record]) -> Option<f64> {
        let metric = Metric {
            reduce,
            ..Metric::last("loss")
        };
        metric.of(records)
    }

    const ALL: [Reduce; 5] = [
        Reduce::Spikes,
        Reduce::SpikeHeight,
        Reduce::SpikeDuration,
        Reduce::FirstSpike,
        Reduce::FirstSpikeDuration,
    ];

    #[test]
    fn every_number_of_spikes_says_what_its_name_says() {
        let spikes = [(100, 5.0), (150, 9.0), (151, 9.5), (152, 9.0)];
        let records = losses(200, &spikes);
        let found = ALL.map(|reduce| of(reduce, &records).unwrap());
        assert_eq!(
            (found[0], found[2], found[3], found[4]),
            (2.0, 3.0, 100.0, 1.0)
        );
        assert!((found[1] - 9.5).abs() < 0.6, "{found:?}");
    }

    #[test]
    fn a_run_without_a_spike_has_none_of_no_height_and_its_first_is_yet_to_come() {
        let found = ALL.map(|reduce| of(reduce, &losses(200, &[])).unwrap());
        assert_eq!(found, [0.0, 0.0, 0.0, 201.0, 0.0]);
    }

    #[test]
    fn a_run_too_short_for_a_level_has_no_number() {
        assert_eq!(of(Reduce::Spikes, &losses(spike::HISTORY, &[])), None);
        assert_eq!(of(Reduce::Spikes, &[]), None);
        let judged = losses(spike::HISTORY + 1, &[]);
        assert_eq!(of(Reduce::Spikes, &judged), Some(0.0));
    }

    #[test]
    fn spikes_count_by_their_first_step_and_are_judged_from_all_before() {
        let records = losses(200, &[(50, 5.0), (100, 5.0), (150, 5.0)]);
        let metric = Metric {
            reduce: Reduce::FirstSpike,
            from_step: Some(90),
            to_step: Some(120),
            ..Metric::last("loss")
        };
        assert_eq!(metric.of(&records), Some(100.0));
        let none = Metric {
            from_step: Some(101),
            ..metric
        };
        assert_eq!(none.of(&records), Some(121.0));
    }

    #[test]
    fn what_came_before_a_loss_was_lost_is_known_and_the_rest_is_not() {
        let leaves_out = |records: &[Record]| {
            ALL.map(|reduce| {
                let metric = Metric {
                    reduce,
                    ..Metric::last("loss")
                };
                metric.leaves_out(records)
            })
        };
        let mut lost = losses(200, &[(100, 5.0)]);
        lost[180].set_named("loss", f64::NAN);
        assert_eq!(leaves_out(&lost), [true, true, true, false, false]);
        // It went on beyond all numbers: how long, nobody knows.
        let mut in_it = losses(200, &[(100, 5.0)]);
        in_it[100].set_named("loss", f64::INFINITY);
        assert_eq!(leaves_out(&in_it), [true, true, true, false, true]);
        let mut before = losses(200, &[(100, 5.0)]);
        before[60].set_named("loss", f64::NAN);
        assert_eq!(leaves_out(&before), [true; 5]);
        assert_eq!(leaves_out(&losses(200, &[(100, 5.0)])), [false; 5]);
    }

    #[test]
    fn one_layer_of_a_signal_is_judged_like_any_other() {
        let mut records = losses(200, &[]);
        for (i, record) in records.iter_mut().enumerate() {
            let grown = if i == 149 { 1e4 } else { 1.0 };
            let scatter = 1.0 + 0.1 * ((i * 7) % 11) as f64;
            record.set_layers_named("layer_grad_norm", vec![scatter, grown * scatter]);
        }
        let spikes = |name: &str| {
            let metric = Metric {
                reduce: Reduce::Spikes,
                ..Metric::last(name)
            };
            metric.of(&records)
        };
        assert_eq!(spikes("layer_grad_norm[0]"), Some(0.0));
        assert_eq!(spikes("layer_grad_norm[1]"), Some(1.0));
        assert_eq!(spikes("layer_grad_norm[2]"), None, "there is no such layer");
    }

    /// A run whose loss spikes twice; a layer owns the first spike, the embedding the second.
    fn owned_twice() -> Vec<Record> {
        let mut records = losses(300, &[(150, 5.0), (250, 5.0)]);
        for record in &mut records {
            let step = record.step;
            let grown = |leading: std::ops::Range<u64>| {
                if leading.contains(&step) { 10.0 } else { 1.0 }
            };
            record.set_named("grad_norm_embedding", grown(247..250));
            record.set_layers_named("layer_grad_norm", vec![1.0, grown(145..150)]);
        }
        records
    }

    #[test]
    fn spikes_have_owners_and_norms_lead_them() {
        let records = owned_twice();
        let metric = |name: &str, reduce: Reduce| {
            let metric = Metric {
                reduce,
                ..Metric::last(name)
            };
            metric.of(&records)
        };
        assert_eq!(metric("loss", Reduce::SpikesOfLayers), Some(1.0));
        assert_eq!(metric("loss", Reduce::SpikesOfEmbedding), Some(1.0));
        assert_eq!(metric("grad_norm_embedding", Reduce::SpikeLead), Some(1.5));
        assert_eq!(metric("layer_grad_norm", Reduce::SpikeLead), Some(2.5));
        assert_eq!(metric("layer_grad_norm[0]", Reduce::SpikeLead), Some(0.0));
    }

    #[test]
    fn owners_and_leads_of_a_run_that_recorded_no_norms_are_not_known() {
        let spiking = losses(200, &[(150, 5.0)]);
        assert_eq!(of(Reduce::SpikesOfLayers, &spiking), None);
        let lead = Metric {
            reduce: Reduce::SpikeLead,
            ..Metric::last("grad_norm_embedding")
        };
        assert_eq!(lead.of(&spiking), None);
        let calm = losses(200, &[]);
        assert_eq!(of(Reduce::SpikesOfEmbedding, &calm), Some(0.0));
        assert_eq!(lead.of(&calm), Some(0.0));
    }
}
