use super::*;
use crate::catalogue;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

fn entry(patterns: &[&str]) -> Entry {
    Entry {
        files: patterns.iter().map(|p| (*p).to_owned()).collect(),
        ..catalogue::find("gutenberg").unwrap().clone()
    }
}

fn gz(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Only what the catalogue names may be read out of a package.
#[test]
fn patterns() {
    assert!(matches("a/*.txt", "a/b/c.txt") && matches("*", "") && matches("a", "a"));
    assert!(!matches("a/*.txt", "b/a/c.txt") && !matches("a*b", "a") && !matches("a", "ab"));
    assert!(matches("*中*", "a中b"));
}

#[test]
fn tgz_of_npm() {
    let dir = tempfile::tempdir().unwrap();
    let package = dir.path().join("p.tgz");
    let mut builder = tar::Builder::new(GzEncoder::new(
        File::create(&package).unwrap(),
        Compression::fast(),
    ));
    for (name, text) in [
        ("package/b.txt", "B"),
        ("package/a.txt", "A"),
        ("package/x.js", "X"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, text.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
    let files = read(&entry(&["package/*.txt"]), &package, dir.path()).unwrap();
    let expected = [("package/a.txt", "A"), ("package/b.txt", "B")];
    assert_eq!(
        files,
        expected.map(|(n, t)| (n.to_owned(), t.as_bytes().to_vec()))
    );
    let error = read(&entry(&["none/*"]), &package, dir.path()).unwrap_err();
    assert!(error.to_string().contains("holds no `none/*`"), "{error}");
}

#[test]
fn wheel_of_pip_with_a_compressed_member() {
    let dir = tempfile::tempdir().unwrap();
    let package = dir.path().join("p-1-py3-none-any.whl");
    let mut writer = zip::ZipWriter::new(File::create(&package).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in [("p/docs.json.gz", gz("[\"text\"]")), ("p/code.py", vec![1])] {
        writer.start_file(name, options).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap();
    let files = read(&entry(&["p/docs*"]), &package, dir.path()).unwrap();
    assert_eq!(
        files,
        [("p/docs.json.gz".to_owned(), b"[\"text\"]".to_vec())]
    );
}

/// A download that was cut short must be an error that names the entry.
#[test]
fn damaged_packages_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["p.tgz", "p.whl", "p.deb", "p.exe"] {
        let package = dir.path().join(name);
        fs::write(&package, b"\x1f\x8b\x08 not a package").unwrap();
        let error = read(&entry(&["*"]), &package, dir.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`gutenberg` cannot be unpacked"),
            "{error}"
        );
    }
}

/// Needs `dpkg-deb`, so it is skipped where that is absent.
#[test]
fn deb_of_apt() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir_all(tree.join("usr/man")).unwrap();
    let control =
        "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: p\n";
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    fs::write(tree.join("usr/man/a.1.gz"), gz("text")).unwrap();
    let package = dir.path().join("p.deb");
    if run(Command::new("dpkg-deb")
        .arg("--build")
        .arg(&tree)
        .arg(&package))
    .is_err()
    {
        return;
    }
    let files = read(&entry(&["usr/*.gz"]), &package, dir.path()).unwrap();
    assert_eq!(files, [("usr/man/a.1.gz".to_owned(), b"text".to_vec())]);
}
