//! The members of one JSON object, found without reading their values.
//!
//! Files of texts carry much beside the text, written by programs that are not strict: `NaN`,
//! numbers that no float holds, halves of surrogate pairs, deep nesting. Only what is used has to
//! be sound, so an object is first cut into its members by its brackets and quotes alone.

use super::BYTE_ORDER_MARK;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Names and values of the members of the object that `line` is; values as they are written.
pub(crate) fn members(line: &str) -> Result<Vec<(Cow<'_, str>, &str)>, String> {
    let mut scanner = Scanner { line, at: 0 };
    let mut members = Vec::new();
    scanner.open()?;
    if scanner.next_is(b'}') {
        return scanner.end().map(|()| members);
    }
    loop {
        let name = scanner.string()?;
        scanner.expect(b':')?;
        members.push((decoded(name), scanner.value()?));
        if !scanner.next_is(b',') {
            scanner.expect(b'}')?;
            return scanner.end().map(|()| members);
        }
    }
}

/// A member's name; one that cannot be read is kept as it is written, and is no name we look for.
fn decoded(raw: &str) -> Cow<'_, str> {
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    string(raw).map_or(Cow::Borrowed(inner), |(name, _)| Cow::Owned(name))
}

/// Most names that a message lists.
const LISTED: usize = 12;

/// The names for a message.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut list: Vec<String> = names.take(LISTED).map(|name| format!("`{name}`")).collect();
    if more > 0 {
        list.push(format!("{more} more"));
    }
    list.join(", ")
}

/// A JSON string as text, and how many lone surrogates in it became U+FFFD.
pub(crate) fn string(raw: &str) -> Result<(String, u64), String> {
    parse(raw)
}

/// A JSON value, and how many lone surrogates in its strings became U+FFFD.
pub(crate) fn parse<T: DeserializeOwned>(raw: &str) -> Result<(T, u64), String> {
    let (mended, replaced) = without_lone_surrogates(raw);
    match serde_json::from_str(&mended) {
        Ok(value) => Ok((value, replaced)),
        // The library counts lines and columns from the start of this value, which says nothing.
        Err(error) => {
            let text = error.to_string();
            Err(text.split(" at line ").next().unwrap_or(&text).to_owned())
        }
    }
}

/// Replaces the escapes `\ud800` to `\udfff` that are no halves of a pair: they name no character,
/// so no text can hold them. Python writes them for bytes that were no UTF-8.
fn without_lone_surrogates(raw: &str) -> (Cow<'_, str>, u64) {
    let mut mended = String::new();
    let (mut kept, mut at, mut replaced) = (0, 0, 0);
    while let Some(found) = raw[at..].find('\\') {
        let start = at + found;
        let second = unit(&raw[start..]).map(|first| (first, unit(&raw[start + 6..])));
        at = start
            + match second {
                Some((0xd800..=0xdbff, Some(0xdc00..=0xdfff))) => 12,
                Some((0xd800..=0xdfff, _)) => {
                    mended.push_str(&raw[kept..start]);
                    mended.push_str("\\ufffd");
                    replaced += 1;
                    kept = start + 6;
                    6
                }
                Some(_) => 6,
                // A backslash and what it escapes, which may have more than one byte.
                None => 1 + raw[start + 1..].chars().next().map_or(0, char::len_utf8),
            };
    }
    if replaced == 0 {
        return (Cow::Borrowed(raw), 0);
    }
    mended.push_str(&raw[kept..]);
    (Cow::Owned(mended), replaced)
}

/// The UTF-16 unit of an escape `\uXXXX` at the start of `text`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

struct Scanner<'a> {
    line: &'a str,
    /// Bytes that are done with; always between two characters.
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The opening brace. Other kinds of values are told apart from what is no JSON at all.
    fn open(&mut self) -> Result<(), String> {
        match self.peek() {
            Some(b'[' | b'"' | b'-' | b'0'..=b'9') => Err("it is not an object".to_owned()),
            _ if ["true", "false", "null", "NaN"].contains(&self.line.trim()) => {
                Err("it is not an object".to_owned())
            }
            _ => self.expect(b'{'),
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<&'a str, String> {
        self.expect(b'"')?;
        let start = self.at - 1;
        let bytes = self.line.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err("it is not JSON: it ends inside a string".to_owned()),
            }
        }
        self.at += 1;
        Ok(&self.line[start..self.at])
    }

    /// Any value; brackets and quotes must match, the rest is not looked at.
    fn value(&mut self) -> Result<&'a str, String> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'"') => return self.string(),
            Some(b'{' | b'[') => self.nested()?,
            _ => {
                let rest = &self.line[start..];
                let ends = |c: char| c.is_ascii_whitespace() || ",:{}[]\"".contains(c);
                self.at += rest.find(ends).unwrap_or(rest.len());
                if self.at == start {
                    return Err(self.unexpected("a value"));
                }
            }
        }
        Ok(&self.line[start..self.at])
    }

    /// Passes over an object or a list with all it holds, however deep.
    fn nested(&mut self) -> Result<(), String> {
        let mut open = Vec::new();
        loop {
            match self.line.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{') => open.push(b'}'),
                Some(b'[') => open.push(b']'),
                Some(close @ (b'}' | b']')) => {
                    if open.pop() != Some(*close) {
                        return Err(self.unexpected("the bracket that is open"));
                    }
                }
                Some(_) => {}
                None => return Err(self.unexpected("a closing bracket")),
            }
            self.at += 1;
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// Nothing but white space may follow the object.
    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the line after the object")),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.next_is(byte) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{}`", char::from(byte))))
    }

    /// Takes the byte, if it comes next.
    fn next_is(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.line.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn unexpected(&self, wanted: &str) -> String {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let found = rest
            .chars()
            .next()
            .map_or_else(|| "nothing".to_owned(), shown);
        let before = self.line.get(..self.at).unwrap_or(self.line);
        let column = before.chars().count() + 1;
        format!("it is not JSON: expected {wanted} in column {column}, found {found}")
    }
}

/// A character for a message, visible whatever it is.
fn shown(character: char) -> String {
    match character {
        BYTE_ORDER_MARK => "a byte order mark (U+FEFF)".to_owned(),
        c if c.is_ascii_graphic() || c.is_alphanumeric() => format!("`{c}`"),
        c => format!("the character U+{:04X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests;
