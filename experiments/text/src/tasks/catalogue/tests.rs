use super::*;
use crate::tasks::prompter::Prompter;
use std::collections::{BTreeMap, BTreeSet};

/// The table's counts, by family: the claim of 74 sets stands on them (arXiv 2210.02414 table 12,
/// counted by configuration and, for `DeepStruct`, by task).
#[test]
fn the_catalogue_has_the_papers_74_sets_and_fewclue() {
    let count = |group| catalogue().iter().filter(|e| e.group == group).count();
    assert_eq!(
        [Group::T0, Group::Deepstruct, Group::Extra].map(count),
        [58, 16, 9]
    );
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in catalogue().iter().filter(|e| e.group != Group::Extra) {
        *families.entry(&entry.family).or_default() += 1;
    }
    let expected = [
        ("NLI", 3),
        ("closed-book QA", 6),
        ("completion", 2),
        ("coreference", 2),
        ("dialogue state", 1),
        ("event extraction", 1),
        ("extractive QA", 9),
        ("multiple-choice QA", 17),
        ("named entities", 6),
        ("paraphrase", 3),
        ("relation classification", 1),
        ("relation extraction", 4),
        ("semantic roles", 3),
        ("sentiment", 5),
        ("structure-to-text", 2),
        ("summarisation", 5),
        ("topic", 3),
        ("word sense", 1),
    ];
    assert_eq!(families.into_iter().collect::<Vec<_>>(), expected);
    let names: BTreeSet<_> = catalogue().iter().map(|e| &e.name).collect();
    assert_eq!(names.len(), 83);
}

/// arXiv 2210.02414 appendix C.1.
#[test]
fn caps_are_the_papers() {
    for entry in catalogue() {
        let expected = match (entry.group, entry.name.as_str()) {
            (_, "deepstruct/kelm" | "deepstruct/propbank") => 500_000,
            (Group::Deepstruct, _) => 200_000,
            _ => 100_000,
        };
        assert_eq!(entry.cap, expected, "{}", entry.name);
    }
}

/// A prompt whose set is not in the catalogue would silently be lost, and a file that is not a
/// training split would spoil every evaluation.
#[test]
fn prompts_belong_to_sets_and_read_training_splits() {
    let prompts: Prompts = toml::from_str(include_str!("../prompts.toml")).unwrap();
    assert_eq!(prompts.set.len(), 17);
    for set in prompts.set {
        let entry = find(&set.name).unwrap();
        let built_in = entry.built_in.as_ref().unwrap();
        let file = built_in.file.rsplit('/').next().unwrap();
        assert!(matches!(file, "train.jsonl" | "train_few_all.json"));
        assert!(!built_in.prompts.is_empty());
        let chinese = built_in.file.starts_with("fewclue/");
        assert_eq!(entry.language, if chinese { "zh" } else { "en" });
        Prompter::new(&entry.name, &built_in.each, &built_in.prompts).unwrap();
    }
}

/// A misspelt or shortened name must show the way.
#[test]
fn unknown_names_suggest_the_nearest() {
    let text = |name: &str| find(name).unwrap_err().to_string();
    assert!(text("boolq").contains("did you mean `super_glue/boolq`?"));
    assert!(text("super_glue/bolq").contains("did you mean `super_glue/boolq`?"));
    assert!(text("xyz").contains("`workbench tasks list` shows all 83"));
}

/// The list in the documentation must not drift from the catalogue.
#[test]
fn the_documentation_lists_every_set() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tasks.md");
    let page = std::fs::read_to_string(path).unwrap();
    for entry in catalogue() {
        let how = entry
            .built_in
            .as_ref()
            .map_or("your own file".to_owned(), |b| format!("`{}`", b.file));
        let line = format!(
            "| `{}` | {} | {} | {how} |",
            entry.name,
            entry.family,
            words::thousands(entry.cap)
        );
        assert!(page.contains(&line), "{line}");
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("00,000"));
    assert_eq!(rows.count(), catalogue().len());
}
