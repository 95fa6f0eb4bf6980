//! One run in the table and folded out.

use crate::prose::{self, NONE};
use crate::view::{Event, Fact};
use logs::{EventKind, RunReader};

/// Events shown of one run; the rest is in its `events.jsonl`.
const MOST_EVENTS: usize = 40;

/// What a run's files say beyond its row in the table.
pub(crate) fn facts(reader: &RunReader) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(summary) = reader.summary() {
        let attempt = match summary.attempt {
            1 => String::new(),
            attempt => format!(" (attempt {attempt})"),
        };
        facts.push(Fact::new(
            "wall time",
            words::duration(summary.seconds) + &attempt,
        ));
    }
    let values = |name: &str| -> Vec<f64> {
        reader
            .series(name)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    };
    let finite = |name: &str| -> Vec<f64> {
        values(name)
            .into_iter()
            .filter(|value| value.is_finite())
            .collect()
    };
    if let Some(speed) = crate::band::median(&mut finite("tokens_per_second")) {
        facts.push(Fact::new(
            "tokens per second, median",
            prose::significant(speed, 3),
        ));
    }
    if let Some(loss) = values("loss").last() {
        facts.push(Fact::new("last training loss", prose::loss(*loss)));
    }
    if let Some(largest) = finite("grad_norm").into_iter().reduce(f64::max) {
        facts.push(Fact::new(
            "largest gradient norm",
            prose::significant(largest, 4),
        ));
    }
    let skipped = values("skipped")
        .iter()
        .filter(|&&skipped| skipped == 1.0)
        .count();
    if skipped > 0 {
        facts.push(Fact::new("skipped steps", skipped.to_string()));
    }
    let scales = finite("loss_scale");
    if let Some(least) = scales
        .iter()
        .copied()
        .reduce(f64::min)
        .filter(|least| *least != 1.0)
    {
        facts.push(Fact::new("lowest loss scale", prose::significant(least, 7)));
    }
    if let Some(manifest) = reader.manifest() {
        facts.push(Fact::code("configuration", &manifest.config_hash));
        facts.extend(
            manifest
                .parent
                .as_ref()
                .map(|parent| Fact::code("forked from", parent)),
        );
        facts.push(Fact::new("created", &manifest.created));
    }
    facts
}

/// What happened in a run: its own events but routine ones, its alarms as rows, and how many are left out.
pub(crate) fn events(reader: &RunReader) -> (Vec<Event>, Option<String>) {
    // Alarms come as rows: an event of theirs may be a further rule that sees the same.
    let left_out = [
        EventKind::Checkpoint,
        EventKind::Evaluation,
        EventKind::Alarm,
    ];
    let recorded = reader.events().iter();
    let mut events: Vec<Event> = recorded
        .filter(|event| !left_out.contains(&event.kind))
        .map(|event| Event {
            step: event.step,
            kind: event.kind.words().to_owned(),
            message: event.message.clone(),
        })
        .collect();
    events.extend(reader.sightings().into_iter().map(|sighting| Event {
        step: sighting.alarm.step,
        kind: EventKind::Alarm.words().to_owned(),
        message: format!("{} ({})", sighting.alarm.message, sighting.rules.join(", ")),
    }));
    // Stable: events of one step stay in the order of the file.
    events.sort_by_key(|event| event.step);
    let more = events.len().saturating_sub(MOST_EVENTS);
    events.truncate(MOST_EVENTS);
    let note = (more > 0).then(|| {
        format!(
            "{} more in `events.jsonl`.",
            words::counted(more as u64, "event")
        )
    });
    (events, note)
}

/// `120 / 150`.
pub(crate) fn steps(done: u64, planned: u64) -> String {
    if done == planned {
        done.to_string()
    } else {
        format!("{done} / {planned}")
    }
}

/// The last held-out loss recorded, not finite ones included.
pub(crate) fn held_out_loss(reader: Option<&RunReader>) -> String {
    let last = reader.and_then(|reader| reader.series("held_out_loss").last().copied());
    last.map_or(NONE.to_owned(), |(_, value)| prose::loss(value))
}
