//! The words in figures: how high and wide they are, cut, and escaped.

/// Text height in CSS pixels, legible on a phone that shrinks a figure to two thirds.
pub(crate) const TEXT: i32 = 13;

/// Estimated width in CSS pixels. The font is the reader's; the advances are those of `DejaVu` Sans, the widest of the usual
/// sans-serif ones, and the letters of East Asian scripts are as wide as high.
pub(crate) fn text_width(text: &str) -> i32 {
    let units: i32 = text.chars().map(advance).sum();
    (units * TEXT + 99) / 100
}

/// Hundredths of the text height.
fn advance(c: char) -> i32 {
    match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '('
        | ')' | '-' => 40,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '—' => 100,
        '=' | '+' | '<' | '>' | '×' | '−' | '±' => 84,
        c if c >= '\u{1100}' => 100,
        _ => 64,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured in Chromium with `DejaVu` Sans at 13 px: what is estimated leaves room for it.
    #[test]
    fn names_have_room_in_the_widest_font() {
        for (text, measured) in [("num_heads=4", 95), ("lr=1e-4", 50), ("deepnorm_glm", 98)] {
            assert!(text_width(text) >= measured, "{text}");
            assert!(text_width(text) <= measured + measured / 5, "{text}");
        }
    }
}
