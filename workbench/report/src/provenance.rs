//! Where the runs come from: what they share is said once, what differs is listed and, where it
//! may not differ in a fair comparison, becomes a warning.

use crate::prose;
use crate::view::Fact;
use logs::Manifest;

/// A field of the manifest that is shown.
struct Field {
    name: &'static str,
    code: bool,
    /// Whether runs that are compared must agree in it.
    fixed: bool,
    value: fn(&Manifest) -> String,
}

const FIELDS: [Field; 15] = [
    Field {
        name: "imported from",
        code: false,
        fixed: false,
        value: imported,
    },
    Field {
        name: "program",
        code: false,
        fixed: true,
        value: |m| m.program_version.clone(),
    },
    Field {
        name: "commit",
        code: true,
        fixed: true,
        value: commit,
    },
    Field {
        name: "features",
        code: false,
        fixed: true,
        value: |m| m.features.join(", "),
    },
    Field {
        name: "backend",
        code: false,
        fixed: true,
        value: |m| m.backend.clone(),
    },
    Field {
        name: "device",
        code: false,
        fixed: true,
        value: |m| m.device.clone(),
    },
    Field {
        name: "processor",
        code: false,
        fixed: false,
        value: |m| m.cpu.clone(),
    },
    Field {
        name: "threads per run",
        code: false,
        fixed: false,
        value: |m| known(m, || m.threads.to_string()),
    },
    Field {
        name: "host",
        code: false,
        fixed: false,
        value: |m| m.host.clone(),
    },
    Field {
        name: "operating system",
        code: false,
        fixed: false,
        value: |m| m.os.clone(),
    },
    Field {
        name: "languages",
        code: false,
        fixed: true,
        value: |m| m.languages.join(", "),
    },
    Field {
        name: "corpus",
        code: true,
        fixed: false,
        value: |m| m.corpus_hash.clone(),
    },
    Field {
        name: "tokenizer",
        code: true,
        fixed: false,
        value: |m| m.tokenizer_hash.clone(),
    },
    Field {
        name: "parameters",
        code: false,
        fixed: false,
        value: |m| known(m, || words::thousands(m.parameters)),
    },
    Field {
        name: "unigram entropy",
        code: false,
        fixed: false,
        value: |m| known(m, || entropy(m)),
    },
];

/// What only a run that was trained here knows.
fn known(manifest: &Manifest, value: impl FnOnce() -> String) -> String {
    match manifest.imported {
        Some(_) => String::new(),
        None => value(),
    }
}

/// The files with their formats, sizes and hashes.
fn imported(manifest: &Manifest) -> String {
    let sources = manifest
        .imported
        .iter()
        .flat_map(|imported| &imported.sources);
    let sources = sources.map(|source| {
        let (bytes, hash) = (
            words::thousands(source.bytes),
            source.hash.get(..16).unwrap_or_default(),
        );
        format!(
            "{} ({}, {bytes} bytes, BLAKE3 {hash}…)",
            source.file, source.format
        )
    });
    sources.collect::<Vec<_>>().join("; ")
}

fn commit(manifest: &Manifest) -> String {
    let mut commit = manifest.git_commit.clone().unwrap_or_default();
    if manifest.git_dirty == Some(true) && !commit.is_empty() {
        commit += " with uncommitted changes";
    }
    commit
}

fn entropy(manifest: &Manifest) -> String {
    format!(
        "{} nats per token, conditional on language and objective (of the whole mixture: {})",
        prose::loss(manifest.unigram_entropy),
        prose::loss(manifest.unigram_entropy_mixture)
    )
}

/// One fact per field that is known, and a warning per field that differs and should not.
pub(crate) fn of(manifests: &[&Manifest]) -> (Vec<Fact>, Vec<String>) {
    let (mut facts, mut warnings) = (Vec::new(), Vec::new());
    for field in &FIELDS {
        let mut values: Vec<String> = manifests
            .iter()
            .map(|manifest| (field.value)(manifest))
            .collect();
        values.retain(|value| !value.is_empty());
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            continue;
        }
        if field.fixed && values.len() > 1 {
            warnings.push(format!(
                "The runs differ in their {} ({}), so arms may differ for that reason.",
                field.name,
                values.join("; ")
            ));
        }
        facts.push(Fact {
            code: field.code,
            ..Fact::new(field.name, values.join("; "))
        });
    }
    (facts, warnings)
}
