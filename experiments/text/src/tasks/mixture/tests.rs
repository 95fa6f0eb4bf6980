use super::*;
use crate::tasks::{Availability, availability, catalogue};
use experiments_config::TaskSource;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::Path;

/// `rows` numbered rows in the file `name`, and the source that reads it.
fn source(dir: &Path, name: &str, rows: usize, max_samples: u64) -> TaskSource {
    let path = dir.join(name);
    let line = |i| format!("{{\"text\": \"{name} {i}\", \"targets\": \"<eos> {i}\"}}\n");
    fs::write(&path, (0..rows).map(line).collect::<String>()).unwrap();
    TaskSource {
        path: Some(path),
        max_samples,
        ..TaskSource::default()
    }
}

fn prepare(dir: &Path, sources: &[TaskSource]) -> (TaskMixture, Vec<String>) {
    let cache = Cache::locate(Some(dir.join("cache"))).unwrap();
    let sources = sources
        .iter()
        .map(|source| SetSource::new_in(source, None).unwrap());
    let mut said = Vec::new();
    let tokenizer = Tokenizer::bytes().unwrap();
    let mixture = TaskMixture::of(sources.collect(), &tokenizer, &cache, &mut |text| {
        said.push(text.to_owned());
    });
    (mixture.unwrap().unwrap(), said)
}

fn pairs(mixture: &TaskMixture) -> Vec<(String, String, usize)> {
    let tokenizer = Tokenizer::bytes().unwrap();
    (0..mixture.len())
        .map(|index| mixture.get(index))
        .map(|s| (tokenizer.decode(s.text), tokenizer.decode(s.target), s.set))
        .collect()
}

/// Texts and targets must stay in pairs across batches and sets, and an `<eos>` spelt out in a
/// row must not end anything.
#[test]
fn samples_are_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let sources = [
        source(dir.path(), "a.jsonl", 1100, 0),
        source(dir.path(), "b.jsonl", 3, 0),
    ];
    let (mixture, _) = prepare(dir.path(), &sources);
    let row = |name: &str, i: usize, set| (format!("{name} {i}"), format!("<eos> {i}"), set);
    let a = (0..1100).map(|i| row("a.jsonl", i, 0));
    let b = (0..3).map(|i| row("b.jsonl", i, 1));
    assert_eq!(pairs(&mixture), a.chain(b).collect::<Vec<_>>());
}

/// The second start must cost nothing and see the same, and whatever changes the samples must
/// change the hash that runs are told apart by.
#[test]
fn a_mixture_is_found_again_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (
        source(dir.path(), "a.jsonl", 50, 0),
        source(dir.path(), "b.jsonl", 9, 0),
    );
    let (first, said) = prepare(dir.path(), &[a.clone(), b.clone()]);
    assert_eq!(said.len(), 2, "{said:?}");
    let (second, said) = prepare(dir.path(), &[a.clone(), b.clone()]);
    assert!(said.is_empty(), "{said:?}");
    assert_eq!((first.hash(), first.sets()), (second.hash(), second.sets()));
    assert_eq!(pairs(&first), pairs(&second));

    let hash = |sources: &[TaskSource]| prepare(dir.path(), sources).0.hash().to_owned();
    let capped = TaskSource {
        max_samples: 10,
        ..a.clone()
    };
    let prompted = TaskSource {
        input: Some("{{ text }}!".to_owned()),
        target: Some("{{ targets }}".to_owned()),
        ..a.clone()
    };
    let mut hashes = vec![
        first.hash().to_owned(),
        hash(&[b.clone(), a.clone()]),
        hash(std::slice::from_ref(&a)),
    ];
    hashes.extend([hash(&[capped]), hash(&[prompted])]);
    // A file that is written anew under the same name.
    hashes.push(hash(&[source(dir.path(), "a.jsonl", 49, 0)]));
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
}

/// arXiv 2210.02414 appendix C.1: sets are cut to their caps, then every sample of the union is
/// as likely as any other.
#[test]
fn samples_are_uniform_over_the_union_after_caps() {
    let dir = tempfile::tempdir().unwrap();
    let sources = [
        source(dir.path(), "a.jsonl", 500, 30),
        source(dir.path(), "b.jsonl", 10, 0),
    ];
    let (mixture, _) = prepare(dir.path(), &sources);
    let [a, b] = mixture.sets() else { panic!() };
    assert_eq!(
        (a.found, a.samples, a.cap, a.truncated()),
        (500, 30, Some(30), true)
    );
    assert_eq!(
        (b.found, b.samples, b.cap, b.truncated()),
        (10, 10, None, false)
    );
    assert_eq!(mixture.len(), 40);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let drawn: Vec<_> = (0..8_000).map(|_| mixture.sample(&mut rng)).collect();
    let first = drawn.iter().filter(|sample| sample.set == 0).count();
    assert!((5_800..6_200).contains(&first), "{first}");
    let mut again = ChaCha8Rng::seed_from_u64(1);
    assert!(
        drawn
            .iter()
            .all(|sample| mixture.sample(&mut again) == *sample)
    );
    let kinds: std::collections::BTreeSet<_> = drawn.iter().map(|s| s.text).collect();
    assert_eq!(kinds.len(), 40);
}

/// Without sources there is nothing to mix in.
#[test]
fn no_sources_make_no_mixture() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::locate(Some(dir.path().to_owned())).unwrap();
    let tokenizer = Tokenizer::bytes().unwrap();
    let mixture =
        TaskMixture::prepare(&TasksConfig::default(), &tokenizer, &cache, &mut |_| ()).unwrap();
    assert!(mixture.is_none());
}

/// The prompts must fill every row of the real files. Runs where `WORKBENCH_EVAL_DATA` names them.
#[test]
fn real_files_give_samples() {
    let here = |entry: &&crate::tasks::CatalogueEntry| {
        matches!(availability(entry), Availability::Found(_))
    };
    let entries: Vec<_> = catalogue().iter().filter(here).collect();
    if entries.is_empty() {
        eprintln!("skipped: WORKBENCH_EVAL_DATA names no folder with task files");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::locate(Some(dir.path().to_owned())).unwrap();
    let tokenizer = Tokenizer::bytes().unwrap();
    let named = |name: &String| TaskSource {
        name: Some(name.clone()),
        ..TaskSource::default()
    };
    let config = TasksConfig {
        ratio: 0.05,
        sources: entries.iter().map(|entry| named(&entry.name)).collect(),
    };
    let mixture = TaskMixture::prepare(&config, &tokenizer, &cache, &mut |_| ());
    let mixture = mixture.unwrap().unwrap();
    let mut start = 0;
    for set in mixture.sets() {
        let sample = mixture.get(start);
        eprintln!(
            "{}: {} rows, {} samples, {} skipped\n---\n{}\n=> {}\n",
            set.name,
            set.rows,
            set.samples,
            set.skipped,
            tokenizer.decode(sample.text),
            tokenizer.decode(sample.target)
        );
        assert!(set.rows > 0 && set.samples > 0 && !set.truncated());
        start += set.samples;
    }
    assert!((0..mixture.len()).all(|i| !mixture.get(i).target.is_empty()));
}
