use super::*;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::fs;
use std::io::Write;

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str, bytes: &[u8], max_bytes: usize) -> Result<Vec<String>, String> {
        let path = self.file(name, bytes);
        let documents = user_file::documents(&path, max_bytes);
        documents
            .map(|found| found.texts)
            .map_err(|error| error.to_string())
    }
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same text in every documented form.
#[test]
fn every_kind_of_file_is_read() {
    let fixture = Fixture::new();
    let zst = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let text = "第一\nsecond".as_bytes();
    for (name, bytes) in [
        ("a.txt", text.to_vec()),
        ("A.TXT.gz", gz(text)),
        ("a.txt.zst", zst(text)),
    ] {
        assert_eq!(
            fixture.read(name, &bytes, 0).unwrap(),
            ["第一\nsecond"],
            "{name}"
        );
    }
    let lines =
        "{\"text\": \"第一\", \"id\": 1}\n\n{\"text\": \"\"}\n{\"text\": \"b\\nc\"}".as_bytes();
    for (name, bytes) in [
        ("a.jsonl", lines.to_vec()),
        ("a.jsonl.gz", gz(lines)),
        ("a.jsonl.zst", zst(lines)),
    ] {
        assert_eq!(
            fixture.read(name, &bytes, 0).unwrap(),
            ["第一", "b\nc"],
            "{name}"
        );
    }
}

/// `max_bytes` bounds memory and never yields half a character.
#[test]
fn only_the_first_bytes_are_used() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.read("a.txt", "天下大".as_bytes(), 5).unwrap(),
        ["天"]
    );
    let lines = b"{\"text\": \"abc\"}\n{\"text\": \"defg\"}\nnever read";
    assert_eq!(fixture.read("a.jsonl", lines, 5).unwrap(), ["abc", "de"]);
    assert_eq!(
        truncate(vec!["ab".into(), "天".into(), "c".into()], 4),
        ["ab"]
    );
}

/// What other programs write beside the text, and how files arrive that were joined or packed.
#[test]
fn files_of_the_world_are_read() {
    let fixture = Fixture::new();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let lines = format!(
        "\u{feff}{{\"score\": NaN, \"text\": \"a\"}}\r\n\u{feff}{{\"text\": \"b\", \"n\": 1e999}}\n\u{feff}\n{{\"x\": {deep}, \"text\": \"c\", \"y\": \"\\ud800\"}}"
    );
    let read = |name, bytes: &[u8]| fixture.read(name, bytes, 0).unwrap();
    assert_eq!(read("a.jsonl", lines.as_bytes()), ["a", "b", "c"]);
    assert_eq!(
        read(
            "joined.txt",
            "\u{feff}one\n\u{feff}two \u{feff}three".as_bytes()
        ),
        ["one\ntwo \u{feff}three"]
    );
    let mut packed = [gz(b"one "), gz(b"two")].concat();
    packed.extend(vec![0; 100_000]);
    assert_eq!(read("a.txt.gz", &packed), ["one two"]);
    packed.extend(b"rest");
    assert!(fixture.read("a.txt.gz", &packed, 0).is_err(), "no gzip");
    let mut long = zstd::Encoder::new(Vec::new(), 1).unwrap();
    long.window_log(31).unwrap();
    long.write_all(b"long window").unwrap();
    assert_eq!(read("a.txt.zst", &long.finish().unwrap()), ["long window"]);
}

/// A lone surrogate is in no text; the rest of the line is, and the user hears of it.
#[test]
fn lone_surrogates_are_replaced_counted_and_said() {
    let fixture = Fixture::new();
    let cache = Cache::locate(Some(fixture.0.path().join("cache"))).unwrap();
    let path = fixture.file(
        "a.jsonl",
        b"{\"text\": \"a\\ud800b\"}\n{\"text\": \"\\udc00\"}",
    );
    let source = Source {
        path: Some(path),
        ..Source::default()
    };
    let mut said = Vec::new();
    let text = SourceText::identify(&source, 0.1, &cache, &mut |line| said.push(line.to_owned()));
    let documents = text.unwrap().documents.unwrap();
    assert_eq!(documents, ["a\u{fffd}b", "\u{fffd}"]);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("a.jsonl`: 2 lone surrogates"), "{said:?}");
}

/// Kilobytes can unpack to gigabytes: what is asked for bounds the memory.
#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let fixture = Fixture::new();
    let mut bomb = zstd::Encoder::new(Vec::new(), 1).unwrap();
    bomb.write_all(b"{\"text\": \"").unwrap();
    let block = vec![b'a'; 1 << 20];
    for _ in 0..65 {
        bomb.write_all(&block).unwrap();
    }
    let error = fixture.read("a.jsonl.zst", &bomb.finish().unwrap(), 100);
    let error = error.unwrap_err();
    assert!(error.contains("line 1 is longer than 64 MiB"), "{error}");
}

/// Users see these; each must name the file, the place and what was expected.
#[test]
fn bad_files_get_one_clear_error() {
    let fixture = Fixture::new();
    for (name, bytes, expected) in [
        ("empty.txt", &b""[..], "holds no text"),
        ("blank.txt", b" \n ", "holds no text"),
        ("none.jsonl", b"{\"text\": \" \"}\n", "holds no text"),
        (
            "bad.txt",
            b"one\ntwo \xff three",
            "first bad byte at offset 8 (line 2)",
        ),
        ("cut.txt", b"one \xe5\xa4", "offset 4 (line 1)"),
        (
            "bad.jsonl",
            b"{\"text\": \"a\"}\n{\"text\": \"\xff\"}\n",
            "offset 24 (line 2)",
        ),
        (
            "json.jsonl",
            b"{\"text\": \"a\"}\n{\"text\"\n",
            "line 2: it is not JSON: expected `:` in column 8, found nothing",
        ),
        (
            "escape.jsonl",
            b"{\"text\": \"\\x\"}",
            "line 1: `text` is not JSON: invalid escape;",
        ),
        (
            "mark.jsonl",
            b"{\"text\": \"a\"}\xef\xbb\xbf{\"text\": \"b\"}",
            "line 1: it is not JSON: expected the end of the line after the object in column 14, found a byte order mark (U+FEFF)",
        ),
        ("list.jsonl", b"[1]", "line 1: it is not an object"),
        ("type.jsonl", b"{\"text\": 1}", "`text` is not a string"),
        (
            "field.jsonl",
            b"{\"content\": \"a\"}",
            "no field `text` (fields: `content`)",
        ),
        ("gzip.txt.gz", b"plain", "cannot read"),
        ("zstd.txt.zst", b"plain", "cannot read"),
        (
            "a.pdf",
            b"x",
            "expected .txt or .jsonl, each also as .gz or .zst",
        ),
        ("a.gz", b"x", "expected .txt or .jsonl"),
    ] {
        let error = fixture.read(name, bytes, 0).unwrap_err();
        assert!(
            error.contains(expected) && error.contains(name),
            "{name}: {error}"
        );
    }
    let folder = fixture.0.path().join("folder.txt");
    fs::create_dir(&folder).unwrap();
    assert!(
        check_file(&folder)
            .unwrap_err()
            .to_string()
            .contains("not a file")
    );
    assert!(check_file(&fixture.0.path().join("absent.txt")).is_err());
}

fn split_of(documents: &[String], held_out: f64) -> (Vec<String>, Vec<String>) {
    let mut text = SourceText {
        origin: String::new(),
        language: String::new(),
        home: Home::File(PathBuf::new()),
        max_bytes: 0,
        held_out,
        identity: String::new(),
        blake3: None,
        note: None,
        documents: Some(documents.to_vec()),
    };
    let (train, rest) = text.split().unwrap();
    let owned = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect();
    (owned(train), owned(rest))
}

proptest! {
    /// Every character is in exactly one of the two parts, in order: nothing held out is trained
    /// on and nothing is lost.
    #[test]
    fn prop_splits_are_a_partition(
        documents in prop::collection::vec("[a天😀]{1,20}", 1..6),
        held_out in 0.01f64..0.5,
    ) {
        let (train, rest) = split_of(&documents, held_out);
        prop_assert_eq!(train.concat() + &rest.concat(), documents.concat());
        let bytes = documents.concat().len() as f64;
        prop_assert!((rest.concat().len() as f64 - bytes * held_out).abs() <= 5.0);
        // Documents are cut at one place at most.
        prop_assert!(train.len() + rest.len() <= documents.len() + 1);
    }
}

/// Large files are not read again while nothing changed. A change is seen, also one that leaves size
/// and time as they were, and a file too fresh for its stamp to prove anything is read every time.
#[test]
fn files_are_remembered_by_everything_that_a_write_changes() {
    let fixture = Fixture::new();
    let cache = Cache::locate(Some(fixture.0.path().join("cache"))).unwrap();
    let path = fixture.file("a.txt", b"one");
    let source = Source {
        path: Some(path.clone()),
        language: "en".into(),
        ..Source::default()
    };
    let identify = || SourceText::identify(&source, 0.1, &cache, &mut |_| {}).unwrap();
    let first = identify();
    assert!(first.documents.is_some());
    assert!(identify().documents.is_some(), "fresh files are read again");
    // As if the file had been written long ago.
    let remember = |text: &SourceText| {
        let known = Fingerprint {
            path: path.clone(),
            stamp: Stamp::of(&path).unwrap(),
            identity: text.identity.clone(),
            blake3: text.blake3.clone().unwrap(),
        };
        cache
            .write_json(&note_of(&cache, &path, 0), &known)
            .unwrap();
    };
    remember(&first);
    let second = identify();
    assert!(second.documents.is_none(), "an old file is not read again");
    assert_eq!(first.identity(), second.identity());
    assert_eq!(first.blake3(), second.blake3());

    let time = fs::metadata(&path).unwrap().modified().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"two").unwrap();
    file.set_modified(time).unwrap();
    let third = identify();
    assert_ne!(third.identity(), first.identity());
    assert_ne!(third.blake3(), first.blake3());

    // A stamp that lies is found out when the text is used, and not believed twice.
    remember(&first);
    let mut fourth = identify();
    assert!(matches!(fourth.split(), Err(TextError::Changed { .. })));
    assert_eq!(identify().identity(), third.identity());
}

/// A run must not go on with another text under the name of the first.
#[test]
fn a_file_with_other_content_than_the_configuration_says_is_refused() {
    let fixture = Fixture::new();
    let cache = Cache::locate(Some(fixture.0.path().join("cache"))).unwrap();
    let path = fixture.file("a.txt", b"one");
    let mut source = Source {
        path: Some(path.clone()),
        ..Source::default()
    };
    let identify = |source: &Source| SourceText::identify(source, 0.1, &cache, &mut |_| {});
    source.blake3 = identify(&source).unwrap().blake3;
    assert!(identify(&source).is_ok());
    fs::write(&path, "two").unwrap();
    let error = identify(&source).err().unwrap().to_string();
    assert!(
        error.contains("a.txt` is not the file that the configuration was made for"),
        "{error}"
    );
}
