use super::*;
use crate::tokens::Ids;
use experiments_config::{ModelConfig, Source, TokenizerConfig};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::{Path, PathBuf};

/// A corpus whose tokens are their own positions, so that a sample shows where it comes from.
fn positions(sizes: &[(usize, usize)]) -> Corpus {
    let part = |language, &(train, held_out): &(usize, usize)| {
        let mut ids = Ids::new(1 << 20);
        ids.extend(0..(train + held_out) as u32);
        Part {
            language,
            weight: (language + 1) as f64,
            tokens: Tokens::new(ids, train),
        }
    };
    let parts: Vec<Part> = sizes
        .iter()
        .enumerate()
        .map(|(i, size)| part(i, size))
        .collect();
    let languages = (0..sizes.len()).map(|i| format!("l{i}")).collect();
    Corpus::from_parts(parts, languages, Tokenizer::bytes().unwrap())
}

proptest! {
    /// A held-out loss means nothing if training can see held-out tokens: samples have exactly
    /// the wanted length, are consecutive and stay inside their split, at any length.
    #[test]
    fn prop_samples_stay_inside_their_split(
        sizes in prop::collection::vec((1usize..200, 1usize..50), 1..4),
        len in 0usize..300,
        seed: u64,
    ) {
        let corpus = positions(&sizes);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut out = vec![7];
        for split in [Split::Train, Split::HeldOut] {
            let language = corpus.sample(split, &mut rng, len, &mut out);
            let (train, held_out) = sizes[language];
            let range = match split {
                Split::Train => 0..train,
                Split::HeldOut => train..train + held_out,
            };
            prop_assert_eq!(out.len(), len);
            prop_assert!(out.iter().all(|id| range.contains(&(*id as usize))));
            let next = |id: u32| if id as usize + 1 == range.end { range.start as u32 } else { id + 1 };
            prop_assert!(out.windows(2).all(|pair| pair[1] == next(pair[0])));
        }
    }
}

/// Languages are mixed by weight, and equal seeds give equal sequences.
#[test]
fn sources_are_drawn_by_weight_and_reproducibly() {
    let corpus = positions(&[(100, 10), (100, 10)]);
    let draw = || {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut all = Vec::new();
        let mut second = 0;
        for _ in 0..3000 {
            let mut out = Vec::new();
            second += corpus.sample(Split::Train, &mut rng, 2, &mut out);
            all.extend(out);
        }
        (all, second)
    };
    let (all, second) = draw();
    // Weight 2 of 3; the standard deviation is 26.
    assert!((1870..2130).contains(&second), "{second}");
    assert!(
        all.contains(&0) && all.contains(&99),
        "every offset can be drawn"
    );
    assert_eq!(draw(), (all, second));
}

fn config(vocab_size: usize, files: &[(&Path, &str)]) -> Config {
    let mut config = Config {
        model: ModelConfig {
            seq_len: 8,
            ..ModelConfig::default()
        },
        tokenizer: TokenizerConfig {
            vocab_size,
            sample_bytes: 10_000,
        },
        ..Config::default()
    };
    config.data.held_out = 0.25;
    config.data.sources = files
        .iter()
        .map(|(path, language)| Source {
            path: Some(PathBuf::from(path)),
            language: (*language).to_owned(),
            weight: 1.0,
            ..Source::default()
        })
        .collect();
    config
}

struct Fixture {
    dir: tempfile::TempDir,
    cache: Cache,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::locate(Some(dir.path().join("cache"))).unwrap();
        Self { dir, cache }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn prepare(&self, config: &Config) -> (Result<Corpus, TextError>, Vec<String>) {
        let mut said = Vec::new();
        let corpus = Corpus::prepare(config, &self.cache, &mut |line| said.push(line.to_owned()));
        (corpus, said)
    }
}

/// The training part is the text's beginning, the held-out part its end, with `<eos>` after each.
#[test]
fn bytes_of_a_file_are_split_at_its_tail() {
    let fixture = Fixture::new();
    let text = format!("{}{}", "a".repeat(300), "b".repeat(100));
    let path = fixture.file("text.txt", &text);
    let corpus = fixture.prepare(&config(262, &[(&path, "en")])).0.unwrap();
    assert_eq!(corpus.token_count(Split::Train), 301);
    assert_eq!(corpus.token_count(Split::HeldOut), 101);
    let mut out = Vec::new();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    corpus.sample(Split::HeldOut, &mut rng, 101, &mut out);
    assert_eq!(corpus.decode(&out), "b".repeat(100) + "<eos>");
    assert_eq!(out[100], corpus.special().eos);
    assert_eq!(
        (corpus.languages(), corpus.vocab_size()),
        (&["en".to_owned()][..], 262)
    );
}

/// The second preparation does no work, changed text does it anew, and damage to a cache file is
/// noticed: the runs of a sweep must all see the same tokens.
#[test]
fn the_cache_is_found_again_by_content() {
    let fixture = Fixture::new();
    let english = fixture.file("en.txt", &"the cat and the dog and the bird. ".repeat(50));
    let chinese = fixture.file("zh.txt", &"天下大势，分久必合，合久必分。".repeat(50));
    let config = config(300, &[(&english, "en"), (&chinese, "zh")]);
    let (first, said) = fixture.prepare(&config);
    assert_eq!(
        said.iter()
            .filter(|line| line.starts_with("tokenising"))
            .count(),
        2
    );
    assert!(
        said[0].contains("training a tokenizer of 300 tokens"),
        "{said:?}"
    );
    let first = first.unwrap();

    let (again, said) = fixture.prepare(&config);
    let again = again.unwrap();
    assert_eq!((again.hash(), said.len()), (first.hash(), 0), "{said:?}");

    for item in fs::read_dir(fixture.cache.root().join("tokens")).unwrap() {
        fs::write(item.unwrap().path(), "cut short").unwrap();
    }
    let (mended, said) = fixture.prepare(&config);
    assert_eq!((mended.unwrap().hash(), said.len()), (first.hash(), 2));

    fixture.file("en.txt", &"another text about the same cat. ".repeat(60));
    let (changed, _) = fixture.prepare(&config);
    let changed = changed.unwrap();
    assert_ne!(changed.hash(), first.hash());
    assert_ne!(changed.tokenizer_hash(), first.tokenizer_hash());
}

/// Training runs on many threads; the tokenizer must not depend on how they were scheduled.
#[test]
fn training_a_tokenizer_is_reproducible() {
    let words: String = (0..3000u32).fold(String::new(), |text, i| {
        text + &format!("w{} x{} ", i * 7919 % 97, i * 104_729 % 31)
    });
    let hashes: Vec<String> = (0..3)
        .map(|_| {
            let fixture = Fixture::new();
            let path = fixture.file("en.txt", &words);
            let corpus = fixture.prepare(&config(500, &[(&path, "en")])).0.unwrap();
            corpus.hash().to_owned()
        })
        .collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
}

/// Weights change the mixture, not the tokenizer: a sweep over weights changes one thing.
#[test]
fn weights_change_the_corpus_hash_only() {
    let fixture = Fixture::new();
    let path = fixture.file("en.txt", &"the cat and the dog. ".repeat(50));
    let mut config = config(280, &[(&path, "en"), (&path, "en")]);
    let first = fixture.prepare(&config).0.unwrap();
    config.data.sources[1].weight = 3.0;
    let second = fixture.prepare(&config).0.unwrap();
    assert_eq!(first.tokenizer_hash(), second.tokenizer_hash());
    assert_ne!(first.hash(), second.hash());
}

/// Too little text must be said before hours of training on one repeated sequence.
#[test]
fn short_text_is_refused_with_the_number_needed() {
    let fixture = Fixture::new();
    let path = fixture.file("text.txt", &"a".repeat(100));
    let text = fixture
        .prepare(&config(262, &[(&path, "en")]))
        .0
        .err()
        .unwrap()
        .to_string();
    assert!(
        text.contains("text.txt") && text.contains("held-out part has 26 tokens, 32"),
        "{text}"
    );
    assert!(text.contains("`data.held_out`"), "{text}");
    let none = fixture.prepare(&config(262, &[])).0.err().unwrap();
    assert!(matches!(none, TextError::NoText { .. }));
}

/// 400 kB without a space took two minutes; of any one character it must take no longer than text.
#[test]
fn a_word_without_end_is_tokenised() {
    for word in ["a", " ", "\n", "7", "天", "😀", "."] {
        let fixture = Fixture::new();
        let text = format!("x{}x", word.repeat(400_000 / word.len()));
        let path = fixture.file("text.txt", &text);
        let corpus = fixture.prepare(&config(300, &[(&path, "en")])).0;
        assert!(corpus.unwrap().token_count(Split::Train) > 0, "{word:?}");
    }
}
