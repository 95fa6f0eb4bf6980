//! Whose gradient grew before an alarm.

use logs::spike::{LOOK_BACK, LossSpike, Owner, owner_before};

use super::Shared;

/// Steps from an alarm to the first or behind the last step of a spike that it is taken to be about.
const NEAR: u64 = 8;

/// What is known of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Owned {
    pub(crate) owner: Option<Owner>,
    /// Whether the gradient norms of layers were recorded in the steps that decide.
    pub(crate) recorded: bool,
    /// The spike of the loss that the alarm is about; known once a run of a sweep has finished.
    pub(crate) spike: Option<LossSpike>,
}

impl Shared {
    /// The owner of the spike that an alarm at this step is about, or else of the step itself.
    pub(crate) fn owner(&self, run: usize, step: u64) -> Owned {
        let from = step.saturating_sub(LOOK_BACK);
        let before = self.source.log(run).with_layers(from..step);
        let recorded = before
            .iter()
            .any(|record| record.layers.contains_key("layer_grad_norm"));
        let covers = |spike: &&LossSpike| {
            let (first, last) = (spike.spike.first, spike.spike.last);
            (first.saturating_sub(NEAR)..=last.saturating_add(NEAR)).contains(&step)
        };
        let spikes = self.source.spikes(run).iter().filter(covers);
        let spike = spikes.min_by_key(|spike| spike.spike.first.abs_diff(step));
        Owned {
            owner: match spike {
                Some(spike) => spike.owner.clone(),
                None => owner_before(&before, step),
            },
            recorded,
            spike: spike.cloned(),
        }
    }
}
