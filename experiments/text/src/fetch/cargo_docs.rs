//! English text without any download: READMEs and doc comments of the crates that the build
//! has left in cargo's registry folder.

use super::archive::walk;
use crate::TextError;
use crate::catalogue::Entry;
use crate::clean::DOCUMENT_BREAK;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Most text taken from one crate, so that a few with enormous generated interfaces do not
/// outweigh all others.
const MAX_CRATE_BYTES: usize = 60_000;
/// Enough text: further crates are not read.
const MAX_BYTES: usize = 6_000_000;
/// Fewest bytes in all; below, there is no build's registry folder here.
const MIN_BYTES: usize = 200_000;
/// Fewest words of a paragraph: shorter ones are headings, badges and lists of names.
const MIN_WORDS: usize = 8;

/// One document per crate.
pub(super) fn collect(entry: &Entry) -> Result<Vec<String>, TextError> {
    let refuse = |reason: String| TextError::Download {
        name: entry.name.clone(),
        reason,
    };
    let root = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .ok_or_else(|| refuse("neither CARGO_HOME nor HOME is set".to_owned()))?
        .join("registry/src");
    let documents =
        collect_from(&root).map_err(|error| refuse(format!("`{}`: {error}", root.display())))?;
    let bytes: usize = documents.iter().map(String::len).sum();
    if bytes < MIN_BYTES {
        let root = root.display();
        return Err(refuse(format!("`{root}` holds only {bytes} bytes of text")));
    }
    Ok(documents)
}

fn collect_from(root: &Path) -> io::Result<Vec<String>> {
    // root / one folder per registry / one folder per crate
    let mut crates = Vec::new();
    for registry in subfolders(root)? {
        crates.extend(subfolders(&registry)?);
    }
    // An order without meaning, the same everywhere: the first megabytes, and the held-out tail,
    // should hold crates of all kinds, which neighbours in the alphabet are not.
    crates.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default();
        *blake3::hash(name.as_encoded_bytes()).as_bytes()
    });
    // Licences, badges and the many versions of one crate repeat themselves.
    let mut seen = HashSet::new();
    let mut documents = Vec::new();
    let mut bytes = 0;
    for folder in crates {
        if bytes >= MAX_BYTES {
            break;
        }
        let mut document = String::new();
        walk(&folder, "", &mut |path, name| {
            if document.len() < MAX_CRATE_BYTES && is_prose(name) {
                let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
                let prose = if is_rust(name) {
                    doc_comments(&text)
                } else {
                    text
                };
                for paragraph in paragraphs(&prose) {
                    if seen.insert(blake3::hash(paragraph.as_bytes())) {
                        document.push_str(&paragraph);
                        document.push_str("\n\n");
                    }
                }
            }
            Ok(())
        })?;
        bytes += document.len();
        if !document.is_empty() {
            documents.push(document);
        }
    }
    Ok(documents)
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let items = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let paths = items.into_iter().map(|item| item.path());
    Ok(paths.filter(|path| path.is_dir()).collect())
}

fn is_rust(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "rs")
}

fn is_prose(name: &str) -> bool {
    (name.starts_with("src/") && is_rust(name)) || name.eq_ignore_ascii_case("README.md")
}

/// The text of `///` and `//!` comments; code between them ends a paragraph.
fn doc_comments(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines() {
        let line = line.trim_start();
        if let Some(doc) = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"))
        {
            text.push_str(doc.strip_prefix(' ').unwrap_or(doc));
        }
        text.push('\n');
    }
    text
}

/// English paragraphs of a Markdown text, without code, tables, headings and HTML.
fn paragraphs(markdown: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    let mut in_code = false;
    for line in markdown.lines() {
        let line = line.trim();
        let is_fence = line.starts_with("```") || line.starts_with("~~~");
        in_code ^= is_fence;
        let is_link = line.starts_with('[') && line.contains("]: ");
        let is_text = !in_code && !is_fence && !is_link && !line.starts_with(['#', '|', '<', '!']);
        if line.is_empty() || !is_text {
            paragraphs.push(String::new());
        } else if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    paragraphs.retain(|paragraph| is_english(paragraph));
    paragraphs
        .iter()
        .map(|paragraph| paragraph.trim_end().to_owned())
        .collect()
}

fn is_english(paragraph: &str) -> bool {
    let words = paragraph.split_whitespace();
    let letters = paragraph
        .bytes()
        .filter(|b| b.is_ascii_alphabetic() || *b == b' ');
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .count()
        >= MIN_WORDS
        && letters.count() * 100 >= paragraph.len() * 85
        && !paragraph.contains(DOCUMENT_BREAK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stand-in text must be prose: code and lists of names have other statistics.
    #[test]
    fn only_prose_of_comments_and_readmes_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let krate = dir.path().join("index/a-1.0.0");
        fs::create_dir_all(krate.join("src")).unwrap();
        let prose = "This function walks over every element of the list and adds them up.";
        fs::write(
            krate.join("src/lib.rs"),
            format!("/// {prose}\n/// ```\n/// let this code is not wanted in the text at all;\n/// ```\n/// Short.\nfn a() {{}}\n"),
        )
        .unwrap();
        fs::write(
            krate.join("README.md"),
            format!(
                "# a\n\n{prose}\n\nIt has a second sentence that nobody has seen before now.\n"
            ),
        )
        .unwrap();
        fs::write(krate.join("src/data.json"), prose).unwrap();
        let documents = collect_from(dir.path()).unwrap();
        assert_eq!(
            documents,
            [format!(
                "{prose}\n\nIt has a second sentence that nobody has seen before now.\n\n"
            )]
        );
    }
}
