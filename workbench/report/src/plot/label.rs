//! The words in figures: how high and wide they are, cut, and escaped.

/// Text height in CSS pixels, legible on a phone that shrinks a figure to two thirds.
pub(crate) const TEXT: i32 = 13;

/// Estimated width in CSS pixels: sans-serif letters are about .56 of their height wide, the
/// letters of East Asian scripts as wide as high.
pub(crate) fn text_width(text: &str) -> i32 {
    let units: i32 = text
        .chars()
        .map(|c| if c >= '\u{1100}' { 100 } else { 57 })
        .sum();
    units * TEXT / 100
}

/// At most `limit` characters, none of them a control character (XML cannot hold those).
pub(crate) fn shorten(label: &str, limit: usize) -> String {
    let mut clean = label.chars().filter(|c| !c.is_control());
    let mut short: String = clean.by_ref().take(limit).collect();
    if clean.next().is_some() {
        short.pop();
        short.push('…');
    }
    short
}

/// Text as XML holds it, without control characters.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}
