//! What there is to say about one run.

use logs::{EventKind, RunReader};

use crate::number::{compact, count};
use crate::view::Details;

/// How many events are shown at most.
const EVENTS: usize = 40;

/// Facts from manifest and last record, events newest first.
pub(super) fn of(reader: &RunReader, first: Vec<(String, String)>) -> Details {
    let mut facts = first;
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), value));
    if let Some(record) = reader.latest() {
        let shown = [
            "grad_norm",
            "lr",
            "loss_scale",
            "tokens_per_second",
            "embedding_share",
        ];
        let values = shown
            .into_iter()
            .filter_map(|name| Some(format!("{name} {}", compact(record.scalar(name)?))));
        add("now", values.collect::<Vec<_>>().join(" · "));
    }
    let imported = reader.manifest().and_then(|m| m.imported.as_ref());
    if let Some(imported) = imported {
        let files: Vec<&str> = imported
            .sources
            .iter()
            .map(|source| source.file.as_str())
            .collect();
        add(
            "imported",
            format!("trained elsewhere, from {}", files.join(", ")),
        );
        add("missing", imported.missing.join(", "));
    }
    if let Some(manifest) = reader.manifest().filter(|_| imported.is_none()) {
        add(
            "model",
            format!(
                "{} parameters · config {}",
                count(manifest.parameters),
                short(&manifest.config_hash)
            ),
        );
        let missing = match manifest.missing_languages.as_slice() {
            [] => String::new(),
            missing => format!(" (missing: {})", missing.join(", ")),
        };
        add(
            "text",
            format!(
                "{}{missing} · unigram entropy {} nats/token",
                manifest.languages.join(", "),
                compact(manifest.unigram_entropy)
            ),
        );
        add(
            "machine",
            format!(
                "{} · {} on {} · {}",
                manifest.host,
                manifest.computed_by(),
                manifest.device,
                words::counted(manifest.threads as u64, "thread")
            ),
        );
        let commit = manifest.git_commit.as_deref().map_or("unknown", short);
        let dirty = if manifest.git_dirty == Some(true) {
            " (modified)"
        } else {
            ""
        };
        add(
            "program",
            format!(
                "{} · commit {commit}{dirty} · created {}",
                manifest.program_version, manifest.created
            ),
        );
    }
    let events = reader.events().iter().rev().take(EVENTS);
    Details {
        facts,
        events: events
            .map(|event| {
                (
                    event.step,
                    kind(event.kind).to_owned(),
                    event.message.clone(),
                )
            })
            .collect(),
        warnings: reader.warnings().to_vec(),
    }
}

fn short(hash: &str) -> &str {
    hash.get(..10).unwrap_or(hash)
}

fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Start => "start",
        EventKind::Resume => "resume",
        EventKind::Checkpoint => "checkpoint",
        EventKind::Overflow => "overflow",
        EventKind::LossScale => "loss scale",
        EventKind::LossScaleMinimum => "scale minimum",
        EventKind::Alarm => "alarm",
        EventKind::Nonfinite => "non-finite",
        EventKind::Intervention => "intervention",
        EventKind::Evaluation => "evaluation",
        EventKind::Stop => "stop",
        EventKind::Finish => "finish",
        EventKind::Fail => "fail",
        EventKind::Integrity => "integrity",
        EventKind::Other => "other",
    }
}
