//! One optimiser step, with its times.

use super::beside::{account, lead_step};
use super::next::Next;
use super::sequences::mean_square;
use super::training::Training;
use crate::files::parity::ParityFile;
use crate::state::Trained;
use logs::{Event, Record, signal};
use std::time::Instant;

/// Runs one step: schedule, plant, take it, record. Fills `parity` where one is asked for.
pub(super) fn step(
    training: &Training,
    trained: &mut Trained,
    mut parity: Option<&mut ParityFile>,
) -> (Record, Vec<Event>) {
    let start = Instant::now();
    lead_step(training, trained);
    let next = Next::prepare(training, trained);
    if let Some(parity) = &mut parity {
        parity.state("before", &trained.parameters, &trained.adam);
        parity.scalar("updates_before", trained.adam.updates as f64);
    }
    let sequence_squared = next.measures_noise().then(|| mean_square(&next, trained));
    let taken = next.take(trained, parity);
    let recording = Instant::now();
    let (mut record, mut events) = next.record(taken, trained, sequence_squared);
    events.extend(account(training, trained.state.step, start));
    let seconds = start.elapsed().as_secs_f64();
    record.set(signal::STEP_SECONDS, seconds);
    record.set(signal::RECORD_SECONDS, recording.elapsed().as_secs_f64());
    record.set(
        signal::TOKENS_PER_SECOND,
        next.config.tokens_per_step() as f64 / seconds,
    );
    (record, events)
}
