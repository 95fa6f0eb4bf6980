//! Screens for terminals that show ASCII only.

use ratatui::buffer::Buffer;

/// Whether the locale, of the values of `LC_ALL`, `LC_CTYPE` and `LANG`, is one without Unicode. Where none is set, as in many
/// containers, the terminal around it can nearly always show it.
pub(crate) fn is_wanted(variables: [Option<&str>; 3]) -> bool {
    let mut set = variables
        .into_iter()
        .flatten()
        .filter(|value| !value.is_empty());
    set.next().is_some_and(|locale| {
        let locale = locale.to_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

/// Decides from this process's environment.
pub(crate) fn detect() -> bool {
    let values = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).ok());
    is_wanted(values.each_ref().map(Option::as_deref))
}

/// Puts a character of ASCII into every cell.
pub(crate) fn reduce(screen: &mut Buffer) {
    for cell in &mut screen.content {
        let letter = cell.symbol().chars().next().unwrap_or(' ');
        if !cell.symbol().is_ascii() {
            cell.set_char(nearest(letter));
        }
    }
}

/// What looks most like it.
fn nearest(letter: char) -> char {
    match letter {
        '\u{2800}'..='\u{28ff}' => dots(u32::from(letter) - 0x2800),
        '─' | '–' | '—' | '╌' => '-',
        '│' | '┃' | '╎' => '|',
        '╭' | '╮' | '╰' | '╯' | '├' | '└' | '┌' | '┐' | '┘' => '+',
        '█' | '▓' | '■' | '▇' | '◆' => '#',
        '━' | '▒' | '▅' | '▆' => '=',
        '░' | '▃' | '▄' | '▀' => ':',
        '▁' | '▂' => '_',
        '●' => '*',
        '○' => 'o',
        '◌' => '~',
        '✓' | '▼' | '↓' => 'v',
        '✗' | '✕' | '×' => 'x',
        '·' | '…' | '½' => '.',
        '▲' | '↑' => '^',
        '→' | '▸' | '≥' => '>',
        '←' | '≤' => '<',
        '↻' => '@',
        '⚑' => '!',
        'σ' => 's',
        '°' => '\'',
        _ => '?',
    }
}

/// Dots in the upper half of a cell, in the lower half, in both (bits as in Unicode chapter 21.1).
fn dots(bits: u32) -> char {
    match (bits & 0b0001_1011 != 0, bits & 0b1110_0100 != 0) {
        (true, true) => ':',
        (true, false) => '\'',
        (false, true) => '.',
        (false, false) => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::colour::Depth;
    use crate::export::plain;
    use crate::panes::{PANES, tabs};
    use ratatui::layout::Rect;

    #[test]
    fn the_first_locale_that_is_set_decides() {
        assert!(is_wanted([Some("C"), None, Some("en_GB.UTF-8")]));
        assert!(is_wanted([None, Some(""), Some("de_DE")]));
        assert!(!is_wanted([None, None, Some("C.UTF-8")]));
        assert!(!is_wanted([None; 3]));
    }

    /// No sign of the screen is without one that stands for it.
    #[test]
    fn every_screen_can_be_shown_in_ascii() {
        let mut app = App::new(Box::new(crate::fixed::twenty(5)), &PANES, Depth::Mono);
        for tab in tabs(&PANES) {
            app.screen.open(tab);
            let area = Rect::new(0, 0, 160, 45);
            let mut screen = Buffer::empty(area);
            app.draw(area, &mut screen);
            reduce(&mut screen);
            let text = plain(&screen);
            assert!(text.is_ascii(), "{text}");
            assert!(
                !text
                    .lines()
                    .skip(1)
                    .any(|line| line.contains('?') && !line.contains("? help")),
                "{text}"
            );
        }
    }
}
