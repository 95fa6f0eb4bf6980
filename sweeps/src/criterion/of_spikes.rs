//! Numbers of spikes.

use crate::stats::moments;
use logs::Record;
use logs::spike::{self, Owner, Spike, owner};

/// Of which signal a number is asked, and to which step.
pub(super) struct Asked<'a> {
    pub(super) signal: &'a str,
    pub(super) to_step: Option<u64>,
}

/// The number of these spikes, and none where the records do not say it.
pub(super) type OfSpikes = fn(&Asked, &[Record], &[Spike]) -> Option<f64>;

/// Mean lead of the signal over the spikes; none where it was not recorded before one of them.
pub(super) fn mean_lead(asked: &Asked, records: &[Record], found: &[Spike]) -> Option<f64> {
    let leads = found
        .iter()
        .map(|spike| Some(spike::lead(records, spike, asked.signal)? as f64));
    let leads: Vec<f64> = leads.collect::<Option<_>>()?;
    Some(moments(&leads).map_or(0.0, |(mean, _)| mean))
}

/// The step after the last that counts: the earliest at which a run without a spike could have had its
/// first one.
pub(super) fn step_after(asked: &Asked, records: &[Record]) -> Option<u64> {
    let last = records.last()?.step;
    Some(asked.to_step.map_or(last, |to| to.min(last)) + 1)
}

/// Spikes with an owner of this kind; none where nobody could be named, because no layer's norm was recorded.
pub(super) fn owned(
    records: &[Record],
    found: &[Spike],
    wanted: impl Fn(&Owner) -> bool,
) -> Option<f64> {
    let recorded = |record: &Record| record.layers.contains_key("layer_grad_norm");
    if !found.is_empty() && !records.iter().any(recorded) {
        return None;
    }
    let owners = found.iter().filter_map(|spike| owner(records, spike));
    Some(owners.filter(wanted).count() as f64)
}
