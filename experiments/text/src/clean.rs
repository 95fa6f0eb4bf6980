//! Cleaning: files of a package become documents of plain text.

mod markup;

use crate::TextError;
use crate::catalogue::{Cleaning, Entry, TextFormat};
use std::collections::HashSet;

/// Separates the documents of a cached text: ASCII form feed, which cleaning removes elsewhere.
pub(crate) const DOCUMENT_BREAK: char = '\u{c}';

/// The documents of an entry's files (path and content), cleaned by its rules; at least one.
pub(crate) fn documents(
    entry: &Entry,
    files: Vec<(String, Vec<u8>)>,
) -> Result<Vec<String>, TextError> {
    let refuse = |message: String| TextError::Package {
        name: entry.name.clone(),
        message,
    };
    let mut documents = Vec::new();
    let mut seen = HashSet::new();
    for (path, bytes) in files {
        let text = decode(bytes, entry.clean.latin1)
            .ok_or_else(|| refuse(format!("`{path}` is not UTF-8")))?;
        let texts = match entry.format {
            TextFormat::Text => vec![text],
            TextFormat::JsonStrings => serde_json::from_str(&text)
                .map_err(|error| refuse(format!("`{path}` is not a list of strings: {error}")))?,
            TextFormat::Html => vec![markup::html(&text)],
            TextFormat::Man => vec![markup::man(&text)],
        };
        documents.extend(texts.iter().map(|text| tidy(text, &entry.clean, &mut seen)));
    }
    documents.retain(|document| !document.trim().is_empty());
    if documents.is_empty() {
        return Err(refuse("no text is left after cleaning".to_owned()));
    }
    Ok(match entry.clean.deal_bytes {
        0 => documents,
        size => deal(&documents, size),
    })
}

/// UTF-8 without a byte-order mark, or ISO-8859-1 where that is allowed.
fn decode(bytes: Vec<u8>, latin1: bool) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(
            text.strip_prefix('\u{feff}')
                .map(str::to_owned)
                .unwrap_or(text),
        ),
        // Every ISO-8859-1 byte is the code point of the same number.
        Err(error) if latin1 => Some(error.as_bytes().iter().map(|b| char::from(*b)).collect()),
        Err(_) => None,
    }
}

/// One line ending, no form feeds, the lines that the rules keep, the size they allow.
fn tidy(text: &str, rules: &Cleaning, seen: &mut HashSet<String>) -> String {
    let text = text
        .replace("\r\n", "\n")
        .replace(['\r', DOCUMENT_BREAK], "\n");
    let keep_line = |line: &&str| {
        line.chars().filter(|c| is_han(*c)).count() >= rules.min_han
            && (!rules.unique_lines || line.is_empty() || seen.insert((*line).to_owned()))
    };
    let separator = if rules.join_lines { "" } else { "\n" };
    let kept: Vec<&str> = text.lines().map(str::trim_end).filter(keep_line).collect();
    let mut text = kept.join(separator).trim().to_owned();
    if rules.max_file_bytes > 0 {
        text.truncate(text.floor_char_boundary(rules.max_file_bytes));
    }
    text
}

/// CJK unified ideographs, the basic block and extension A.
fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// Cuts the documents into pieces of about `size` bytes at paragraph ends and takes one piece of
/// each in turn until all are used up.
fn deal(documents: &[String], size: usize) -> Vec<String> {
    let mut left: Vec<&str> = documents.iter().map(String::as_str).collect();
    let mut pieces = Vec::new();
    while !left.is_empty() {
        for rest in &mut left {
            let near = rest.floor_char_boundary(size);
            let cut = rest[near..].find("\n\n").map_or(rest.len(), |at| near + at);
            pieces.push(rest[..cut].trim_matches('\n').to_owned());
            *rest = &rest[cut..];
        }
        left.retain(|rest| !rest.trim().is_empty());
    }
    pieces
}

#[cfg(test)]
mod tests;
