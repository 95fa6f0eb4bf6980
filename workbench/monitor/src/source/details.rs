//! What there is to say about one run.

use logs::import::Imported;
use logs::{Manifest, Record, RunReader};

use crate::number::{compact, count};
use crate::view::Details;

/// How many events are shown at most.
const EVENTS: usize = 2000;

/// Name and value.
type Fact = (&'static str, String);

/// Facts from manifest and last record, events newest first.
pub(super) fn of(reader: &RunReader, first: Vec<(String, String)>) -> Details {
    let mut facts = first;
    let mut add = |(name, value): Fact| facts.push((name.to_owned(), value));
    if let Some(record) = reader.latest() {
        add(now(record));
    }
    if let Some(manifest) = reader.manifest() {
        match &manifest.imported {
            Some(imported) => of_imported(imported).into_iter().for_each(add),
            None => of_trained(manifest).into_iter().for_each(add),
        }
    }
    Details {
        facts,
        events: events(reader),
        earlier: reader.events().len().saturating_sub(EVENTS),
        warnings: reader.warnings().to_vec(),
    }
}

fn now(record: &Record) -> Fact {
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
    ("now", values.collect::<Vec<_>>().join(" · "))
}

fn of_imported(imported: &Imported) -> [Fact; 2] {
    let files: Vec<&str> = imported
        .sources
        .iter()
        .map(|source| source.file.as_str())
        .collect();
    [
        (
            "imported",
            format!("trained elsewhere, from {}", files.join(", ")),
        ),
        ("missing", imported.missing.join(", ")),
    ]
}

/// Of a run that this program trained.
fn of_trained(manifest: &Manifest) -> [Fact; 4] {
    let model = format!(
        "{} parameters · config {}",
        count(manifest.parameters),
        short(&manifest.config_hash)
    );
    let machine = format!(
        "{} · {} on {} · {}",
        manifest.host,
        manifest.computed_by(),
        manifest.device,
        words::counted(manifest.threads as u64, "thread")
    );
    [
        ("model", model),
        ("text", text(manifest)),
        ("machine", machine),
        ("program", program(manifest)),
    ]
}

fn text(manifest: &Manifest) -> String {
    let missing = match manifest.missing_languages.as_slice() {
        [] => String::new(),
        missing => format!(" (missing: {})", missing.join(", ")),
    };
    format!(
        "{}{missing} · unigram entropy {} nats/token",
        manifest.languages.join(", "),
        compact(manifest.unigram_entropy)
    )
}

fn program(manifest: &Manifest) -> String {
    let commit = manifest.git_commit.as_deref().map_or("unknown", short);
    let dirty = if manifest.git_dirty == Some(true) {
        " (modified)"
    } else {
        ""
    };
    format!(
        "{} · commit {commit}{dirty} · created {}",
        manifest.program_version, manifest.created
    )
}

/// Step, kind and message of the last events.
fn events(reader: &RunReader) -> Vec<(u64, String, String)> {
    let events = reader.events().iter().rev().take(EVENTS);
    events
        .map(|event| {
            (
                event.step,
                event.kind.words().to_owned(),
                event.message.clone(),
            )
        })
        .collect()
}

fn short(hash: &str) -> &str {
    hash.get(..10).unwrap_or(hash)
}
