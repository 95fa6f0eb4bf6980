use super::*;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
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
        user_file::documents(&path, max_bytes).map_err(|error| error.to_string())
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
            "line 2: it is not JSON",
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

/// Large files are not read again while nothing changed; a change is seen, and a file too fresh
/// for its time stamp to prove anything is read every time.
#[test]
fn files_are_remembered_by_size_and_time() {
    let fixture = Fixture::new();
    let cache = Cache::locate(Some(fixture.0.path().join("cache"))).unwrap();
    let path = fixture.file("a.txt", b"one");
    let source = Source {
        path: Some(path.clone()),
        language: "en".into(),
        ..Source::default()
    };
    let identify = || SourceText::identify(&source, 0.1, &cache).unwrap();
    let old = |text: &[u8]| {
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(text).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(1))
            .unwrap();
    };
    assert!(identify().documents.is_some());
    assert!(identify().documents.is_some(), "fresh files are read again");
    old(b"one");
    let first = identify();
    assert!(first.documents.is_some());
    let mut second = identify();
    assert!(second.documents.is_none(), "an old file is not read again");
    assert_eq!(first.identity(), second.identity());
    old(b"two words");
    assert!(matches!(second.split(), Err(TextError::Changed { .. })));
    assert_ne!(identify().identity(), second.identity());
}
