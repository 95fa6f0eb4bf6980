use super::*;
use std::path::PathBuf;

fn cache() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::locate(Some(dir.path().join("cache"))).unwrap();
    (dir, cache)
}

/// Puts a text of a catalogue entry into the cache, as `get` does after a download.
fn put(cache: &Cache, name: &str) {
    let entry = catalogue::find(name).unwrap();
    let folder = cache.path("texts", &entry.folder());
    let text = "one\n\u{c}two";
    cache
        .write(&folder.join("text.txt"), text.as_bytes())
        .unwrap();
    let record = serde_json::json!({
        "name": name, "language": entry.language, "bytes": text.len(), "documents": 2,
        "hash": crate::cache::hash_parts([text]), "package": "p", "licence": "l",
    });
    cache
        .write_json(&folder.join("text.json"), &record)
        .unwrap();
}

fn resolve(data: &DataConfig, cache: &Cache) -> Result<Resolved, TextError> {
    resolve_sources(data, cache, false, &mut |_| {})
}

/// Where everything is there, the configuration is used as it is.
#[test]
fn cached_texts_are_used_as_asked() {
    let (_dir, cache) = cache();
    put(&cache, "gutenberg");
    put(&cache, "three-kingdoms");
    let data = DataConfig::default();
    let resolved = resolve(&data, &cache).unwrap();
    assert_eq!(resolved.data, data);
    assert!(resolved.missing_languages.is_empty() && resolved.notes.is_empty());
}

/// Without network the run goes on in English, and the missing language is named: a bilingual
/// claim must never be judged on one language unnoticed.
#[test]
fn stand_ins_are_used_and_missing_languages_named() {
    let (_dir, cache) = cache();
    put(&cache, "cargo-docs");
    let resolved = resolve(&DataConfig::default(), &cache).unwrap();
    let names: Vec<_> = resolved
        .data
        .sources
        .iter()
        .map(|s| s.name.as_deref())
        .collect();
    assert_eq!(names, [Some("cargo-docs")]);
    assert_eq!(resolved.missing_languages, ["zh"]);
    assert!(
        resolved.notes[0].contains("`cargo-docs` takes its place"),
        "{:?}",
        resolved.notes
    );
    assert!(
        resolved.notes[1].contains("`three-kingdoms`"),
        "{:?}",
        resolved.notes
    );
}

/// No text at all is an error that tells what was tried.
#[test]
fn nothing_left_is_an_error() {
    let (_dir, cache) = cache();
    let mut data = DataConfig::default();
    data.sources.remove(0);
    let text = resolve(&data, &cache).unwrap_err().to_string();
    assert!(
        text.contains("no text can be used") && text.contains("three-kingdoms"),
        "{text}"
    );
}

/// Mistakes in the user's own configuration never lead to other text.
#[test]
fn mistakes_are_errors_not_stand_ins() {
    let (dir, cache) = cache();
    put(&cache, "gutenberg");
    let with = |change: &dyn Fn(&mut Source)| {
        let mut data = DataConfig::default();
        data.sources.truncate(1);
        change(&mut data.sources[0]);
        resolve(&data, &cache)
    };
    let wrong = with(&|source| source.language = "zh".to_owned()).unwrap_err();
    assert!(
        wrong.to_string().contains("is in `en`, not in `zh`"),
        "{wrong}"
    );
    let unknown = with(&|source| source.name = Some("gutenburg".to_owned())).unwrap_err();
    assert!(unknown.to_string().contains("`gutenberg`?"), "{unknown}");
    let absent = dir.path().join("none.txt");
    let file = |path: PathBuf| {
        with(&|source| {
            source.name = None;
            source.path = Some(path.clone());
        })
    };
    let error = file(absent).unwrap_err().to_string();
    assert!(error.contains("none.txt"), "{error}");
    let there = dir.path().join("there.txt");
    std::fs::write(&there, "text").unwrap();
    let found = file(there).unwrap().data.sources.remove(0);
    assert!(found.path.unwrap().is_absolute());
    let content = blake3::hash(b"text").to_hex().to_string();
    assert_eq!(found.blake3, Some(content), "the content is pinned");
}
