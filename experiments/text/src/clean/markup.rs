//! Text out of HTML and roff. Both keep what reads as a sentence and need no more: a rule on
//! lines (`min_han`) drops what is left of menus and options.

/// The text of an HTML page, one line per block of text.
pub(super) fn html(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let tag = &rest[open..];
        // The content of these is no text; every other tag is skipped alone.
        let end = ["script", "style"].iter().find_map(|name| {
            let inner = tag[1..].get(..name.len())?;
            let close = format!("</{name}>");
            (inner.eq_ignore_ascii_case(name)).then(|| tag.find(&close).map(|at| at + close.len()))
        });
        let end = end.unwrap_or_else(|| tag.find('>').map(|at| at + 1));
        let name: String = tag
            .chars()
            .skip(1)
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if !["a", "b", "i", "em", "span", "strong", "code", "kbd"].contains(&name.as_str())
            && !tag.starts_with("</")
        {
            text.push('\n');
        }
        rest = end.map_or("", |end| &tag[end..]);
    }
    text.push_str(rest);
    let plain = entities(&text);
    let lines = plain.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Replaces the character references that occur in prose.
fn entities(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        // The longest reference understood here has ten bytes: `&#1114111;`.
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        let found = end.and_then(|end| Some((reference(&rest[1..end])?, end + 1)));
        let (character, length) = found.unwrap_or(('&', 1));
        plain.push(character);
        rest = &rest[length..];
    }
    plain + rest
}

fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?),
            None => char::from_u32(name[1..].parse().ok()?),
        },
    }
}

/// The text lines of a manual page, without requests, comments and font changes.
pub(super) fn man(page: &str) -> String {
    let mut text = String::new();
    for line in page.lines().filter(|line| !line.starts_with(['.', '\''])) {
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next() {
                Some('"') => break,
                Some('f') => drop(characters.next()),
                Some('(') => drop(characters.nth(1)),
                Some(plain @ ('-' | '\\' | '.' | ' ')) => text.push(plain),
                Some('e') => text.push('\\'),
                _ => {}
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{html, man};
    use proptest::prelude::*;

    /// What a page shows must survive, what it does not show must not.
    #[test]
    fn pages_become_lines_of_text() {
        let page = "<html><head><style>p {}</style><script>if (a<b) {}</script></head>\
                    <p>高质量<b>打印</b> &amp; &#x4e2d;&#25991;</p><p>A &lt; B &unknown; C</p>";
        assert_eq!(html(page), "高质量打印 & 中文\nA < B &unknown; C");
        let page = ".TH A 1\n.\\\" comment\n\\fB打印\\fR 用 \\-a \\(em 选项\\\" more\n";
        assert_eq!(man(page), "打印 用 -a  选项\n");
    }

    proptest! {
        /// Packages hold odd pages; none may stop the program.
        #[test]
        fn prop_no_page_panics(page in "[<>&;#x/a-z0-9é中\\\\f(\"\n .-]{0,60}") {
            html(&page);
            man(&page);
        }
    }
}
