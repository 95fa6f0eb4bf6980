//! Fills the templates. HTML is escaped by the engine, because the template's name ends in
//! `.html`; Markdown by the filters here.

use crate::plot::palette;
use crate::view::{CardsPage, Report};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use std::fmt::Write as _;

/// The whole page, style and figures included.
pub(crate) fn html(report: &Report) -> Result<String, minijinja::Error> {
    let css = format!("{}{}", include_str!("../templates/report.css"), colours());
    let page = environment()?
        .get_template("report.html")?
        .render(context! {
            css,
            js => include_str!("../templates/report.js"),
            ..Value::from(Serde(report))
        })?;
    Ok(page)
}

/// The page over all cards, style and figures included.
pub(crate) fn cards_html(page: &CardsPage) -> Result<String, minijinja::Error> {
    let css = format!("{}{}", include_str!("../templates/report.css"), colours());
    environment()?.get_template("cards.html")?.render(context! {
        css,
        js => include_str!("../templates/report.js"),
        ..Value::from(Serde(page))
    })
}

/// The Markdown page, whose figures lie in `figures/` beside it.
pub(crate) fn markdown(report: &Report) -> Result<String, minijinja::Error> {
    let page = environment()?
        .get_template("report.md")?
        .render(Serde(report))?;
    // Templates leave runs of empty lines where a part is absent.
    let mut text = String::with_capacity(page.len());
    let mut empty = 0;
    for line in page.lines() {
        empty = if line.trim().is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    Ok(text)
}

/// A figure as a file of its own: dark where the reader's system is.
pub(crate) fn standalone_svg(svg: &str) -> String {
    let style = format!(
        "<style>@media (prefers-color-scheme:dark){{{}}}</style>\n<title",
        palette::dark_rules("")
    );
    shown(&svg.replacen("<title", &style, 1))
}

/// Colours of arms and dark mode. `screen`, because paper is white.
fn colours() -> String {
    let mut light = String::new();
    let mut dark = palette::dark_rules("svg.figure ");
    for (class, colour) in palette::classes() {
        let _ = writeln!(light, ".{class} {{ background: {}; }}", colour.light());
        let _ = writeln!(dark, ".{class} {{ background: {}; }}", colour.dark());
    }
    format!(
        "{light}@media screen and (prefers-color-scheme: dark) {{\n\
         :root {{ --paper: {}; --ink: {}; --faint: {}; --rule: #30363d; --panel: #1c2127; \
         --link: #6cb6ff; --good: #3fb97c; --bad: #f2894a; --open: {}; }}\n{dark}\n}}\n",
        palette::PAPER.dark(),
        palette::INK.dark(),
        palette::FAINT.dark(),
        palette::FAINT.dark(),
    )
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if value.is_safe() => {
            minijinja::escape_formatter(out, state, &Value::from_safe_string(shown(text)))
        }
        Some(text) => minijinja::escape_formatter(out, state, &Value::from(shown(text))),
        None => minijinja::escape_formatter(out, state, value),
    });
    environment.add_filter("rich", |text: &str| {
        Value::from_safe_string(rich_html(text))
    });
    environment.add_filter("md", rich_markdown);
    environment.add_filter("code", code_span);
    environment.add_filter("fence", fence);
    environment.add_template(
        "report.html",
        concat!(
            include_str!("../templates/figure.html"),
            include_str!("../templates/report.html")
        ),
    )?;
    environment.add_template(
        "cards.html",
        concat!(
            include_str!("../templates/figure.html"),
            include_str!("../templates/cards.html")
        ),
    )?;
    environment.add_template("report.md", include_str!("../templates/report.md"))?;
    Ok(environment)
}

/// Text as it may stand in a page: what a terminal or an editor would obey is written out. Every value that
/// a template prints passes here.
fn shown(text: &str) -> String {
    // A card with line ends of Windows is no attack.
    words::printable(&text.replace("\r\n", "\n")).into_owned()
}

/// The parts of a sentence, and whether each is code: texts of cards and messages put names
/// between backticks. An odd backtick is a backtick.
fn parts(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let paired = text.matches('`').count().is_multiple_of(2);
    let separator = if paired { "`" } else { "\0" };
    text.split(separator)
        .enumerate()
        .map(move |(i, part)| (part, paired && i % 2 == 1))
}

/// Escaped HTML with names between backticks as code.
fn rich_html(text: &str) -> String {
    let part = |(text, code)| {
        let text = minijinja::HtmlEscape(text);
        if code {
            format!("<code>{text}</code>")
        } else {
            text.to_string()
        }
    };
    parts(text).map(part).collect()
}

/// Text for a paragraph or table cell with names between backticks as code. All other characters
/// with a meaning in Markdown or HTML are escaped, line breaks become spaces.
fn rich_markdown(text: &str) -> String {
    parts(text)
        .map(|(text, code)| if code { code_span(text) } else { escaped(text) })
        .collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '$' | '&' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A code span for a table cell.
fn code_span(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = text.replace('|', "\\|");
    let ticks = "`".repeat(longest_run_of_backticks(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A fenced code block.
fn fence(text: &str) -> String {
    let fence = "`".repeat((longest_run_of_backticks(text) + 1).max(3));
    format!("{fence}sh\n{}\n{fence}", text.trim_end())
}

fn longest_run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Figure;
    use crate::plot::data::Table;
    use crate::view::{CardView, Claim, Fact, Verdict};

    fn hostile() -> Report {
        let evil = "<script>alert('1')</script> | `a` & *b*\n# c";
        Report {
            title: evil.to_owned(),
            verdict: Verdict {
                word: "Inconclusive".to_owned(),
                sentence: evil.to_owned(),
                ..Verdict::default()
            },
            warnings: vec![evil.to_owned()],
            hypothesis: Some(evil.to_owned()),
            claim: Some(Claim {
                paper: evil.to_owned(),
                reference: evil.to_owned(),
                text: evil.to_owned(),
                numbers: vec![Fact::new(evil, evil)],
            }),
            measured: vec![evil.to_owned()],
            command: Some(evil.to_owned()),
            provenance: vec![Fact::code("host", evil)],
            card_text: Some(evil.to_owned()),
            ..Report::default()
        }
    }

    fn figure(text: &str) -> Figure {
        let svg = format!("<svg><text>{text}</text></svg>");
        let data = Table::new([text]);
        Figure::single(("figure", text), text.to_owned(), text, svg, &data)
    }

    /// A card's text or a host name must not become part of the page.
    #[test]
    fn user_text_stays_text() {
        let page = html(&hostile()).unwrap();
        assert!(!page.contains("<script>alert"), "{page}");
        assert_eq!(page.matches("<script").count(), 1, "the page's own");
        assert!(page.contains("&lt;script&gt;"));

        // Code spans and blocks are left out here: inside them nothing is escaped, rightly.
        let prose = Report {
            command: None,
            provenance: Vec::new(),
            ..hostile()
        };
        let page = markdown(&prose).unwrap();
        assert!(!page.replace("\\<", "").contains('<'), "{page}");
        assert!(page.contains("\\<script\\>alert"));
        assert!(
            !page.contains("\n# c\n\n"),
            "a line break in a title opened a heading"
        );
    }

    /// A page is read in editors and terminals too; a text from a manifest must not hide what stands beside it.
    #[test]
    fn no_page_holds_a_character_that_is_obeyed() {
        let evil = "a\u{1b}[31m\u{202e}\u{9b}b\r\nc";
        let report = Report {
            title: evil.to_owned(),
            warnings: vec![evil.to_owned()],
            command: Some(evil.to_owned()),
            provenance: vec![Fact::code("host", evil), Fact::new("os", evil)],
            card_text: Some(evil.to_owned()),
            ..Report::default()
        };
        let card = CardView {
            title: evil.to_owned(),
            rerun: evil.to_owned(),
            figure: Some(figure(evil)),
            ..CardView::default()
        };
        let cards = CardsPage {
            cards: vec![card],
            ..CardsPage::default()
        };
        for page in [
            html(&report).unwrap(),
            markdown(&report).unwrap(),
            cards_html(&cards).unwrap(),
            standalone_svg(&figure(evil).panels[0].svg),
        ] {
            assert_eq!(words::printable(&page), page);
            assert!(page.contains("u202e") || page.contains("u202E"), "{page}");
        }
        let page = html(&report).unwrap();
        assert!(
            !page.contains("u000d\n"),
            "an end of a line is none such: {page}"
        );
    }

    /// All that may be absent is: no template asks for more than there is.
    #[test]
    fn pages_of_nothing_can_be_filled_in() {
        html(&Report::default()).unwrap();
        markdown(&Report::default()).unwrap();
        let card = CardView::default();
        cards_html(&CardsPage::default()).unwrap();
        let page = CardsPage {
            cards: vec![card],
            ..CardsPage::default()
        };
        let page = cards_html(&page).unwrap();
        assert!(!page.contains("What the source shows"), "{page}");
    }

    #[test]
    fn the_page_needs_nothing_from_outside() {
        let page = html(&hostile()).unwrap();
        for foreign in ["http://", "https://", "src=", "@import", "<link"] {
            let found = page
                .replace("http://www.w3.org/2000/svg", "")
                .contains(foreign);
            assert!(!found, "{foreign}");
        }
    }

    #[test]
    fn names_between_backticks_are_code() {
        assert_eq!(rich_html("`a<b` & c"), "<code>a&lt;b</code> &amp; c");
        assert_eq!(rich_html("odd ` tick"), "odd ` tick");
        assert_eq!(rich_markdown("`a_b` c_d"), "`a_b` c\\_d");
        assert_eq!(rich_markdown("odd ` tick"), "odd \\` tick");
    }

    #[test]
    fn code_spans_survive_backticks_and_pipes() {
        assert_eq!(code_span("a`b|c"), "``a`b\\|c``");
        assert_eq!(code_span("`"), "`` ` ``");
        assert!(fence("```").starts_with("````sh\n"));
    }

    #[test]
    fn a_figure_on_its_own_can_go_dark() {
        let svg = standalone_svg("<svg>\n<title>t</title></svg>");
        assert!(svg.starts_with("<svg>\n<style>@media"), "{svg}");
    }
}
