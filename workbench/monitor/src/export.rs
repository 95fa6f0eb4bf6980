//! A screen as a picture or as text, and a pane's values as a table.

use std::fmt::Write as _;
use std::path::Path;

use crate::MonitorError;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// What a file is written as, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A picture of the screen.
    Svg,
    /// The same picture in pixels.
    Png,
    /// The screen's characters.
    Text,
    /// The values of the pane with the focus.
    Csv,
}

/// The format of a file name, or what is wrong with it.
pub(crate) fn check(file: &str) -> Result<Format, String> {
    let end = Path::new(file).extension().and_then(|end| end.to_str());
    match end.map(str::to_lowercase).as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        Some("txt") => Ok(Format::Text),
        Some("csv") => Ok(Format::Csv),
        _ => Err(format!(
            "`{file}`: a view is written as .svg, .png, .txt or .csv"
        )),
    }
}

/// Writes a screen, or a table where that is asked for, whole or not at all. What is to be told of the file.
pub(crate) fn write(
    file: &Path,
    format: Format,
    screen: &Buffer,
    table: &[Vec<String>],
) -> Result<Option<String>, MonitorError> {
    let mut note = None;
    let bytes = match format {
        Format::Svg => svg(screen).into_bytes(),
        Format::Png => {
            let picture = workbench_picture::png(&svg(screen))?;
            note = picture.note();
            picture.bytes
        }
        Format::Text => plain(screen).into_bytes(),
        Format::Csv => csv(table).into_bytes(),
    };
    logs::output::write(file, &bytes)?;
    Ok(note)
}

/// Values with commas, quotes or line ends are quoted (RFC 4180).
fn csv(table: &[Vec<String>]) -> String {
    let value = |value: &String| {
        if value.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.clone()
        }
    };
    let row = |row: &Vec<String>| row.iter().map(value).collect::<Vec<_>>().join(",") + "\n";
    table.iter().map(row).collect()
}

/// Width and height of a cell in the picture.
const CELL: (f64, f64) = (8.1, 17.0);
const PAPER: &str = "#111111";
const INK: &str = "#e6e6e6";

fn svg(screen: &Buffer) -> String {
    let (width, height) = (
        f64::from(screen.area.width) * CELL.0,
        f64::from(screen.area.height) * CELL.1,
    );
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"DejaVu Sans Mono, monospace\" \
         font-size=\"13.4\" shape-rendering=\"crispEdges\">\n"
    );
    rect(&mut picture, (0.0, 0.0), (width, height), PAPER);
    for row in 0..screen.area.height {
        for column in 0..screen.area.width {
            let at = (f64::from(column) * CELL.0, f64::from(row) * CELL.1);
            cell(
                &mut picture,
                &screen[(screen.area.x + column, screen.area.y + row)],
                at,
            );
        }
    }
    picture + "</svg>\n"
}

fn rect(picture: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
    let _ = writeln!(
        picture,
        "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{colour}\"/>"
    );
}

fn colour(colour: Color, otherwise: &str) -> String {
    match colour {
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        _ => otherwise.to_owned(),
    }
}

/// One character in its cell. Dots and blocks are shapes: few fonts have them as wide as a letter.
fn cell(picture: &mut String, cell: &Cell, (x, y): (f64, f64)) {
    let ink = colour(cell.fg, INK);
    if cell.bg != Color::Reset {
        rect(
            picture,
            (x, y),
            (CELL.0 + 0.05, CELL.1 + 0.05),
            &colour(cell.bg, PAPER),
        );
    }
    let half = (CELL.0 + 0.05, CELL.1 / 2.0);
    match cell.symbol().chars().next().unwrap_or(' ') {
        letter @ '\u{2800}'..='\u{28ff}' => dots(picture, letter, (x, y), &ink),
        '▀' => rect(picture, (x, y), half, &ink),
        '▄' => rect(picture, (x, y + half.1), half, &ink),
        '█' => rect(picture, (x, y), (half.0, CELL.1 + 0.05), &ink),
        letter if letter.is_whitespace() || letter.is_control() => {}
        _ => {
            let bold = if cell.modifier.contains(Modifier::BOLD) {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let text = escape(cell.symbol());
            let _ = writeln!(
                picture,
                "<text x=\"{x:.2}\" y=\"{:.2}\" fill=\"{ink}\"{bold}>{text}</text>",
                y + 13.0
            );
        }
    }
}

/// Column and row of the bits of a braille character (Unicode chapter 21.1).
const DOTS: [(f64, f64); 8] = [
    (0.0, 0.0),
    (0.0, 1.0),
    (0.0, 2.0),
    (1.0, 0.0),
    (1.0, 1.0),
    (1.0, 2.0),
    (0.0, 3.0),
    (1.0, 3.0),
];

fn dots(picture: &mut String, letter: char, (x, y): (f64, f64), ink: &str) {
    for (bit, (column, row)) in DOTS.into_iter().enumerate() {
        if (u32::from(letter) - 0x2800) >> bit & 1 == 1 {
            rect(
                picture,
                (x + 1.2 + 4.0 * column, y + 1.3 + 4.2 * row),
                (1.9, 1.9),
                ink,
            );
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The symbols of a buffer, line by line.
pub(crate) fn plain(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut covered = 0;
        for x in area.left()..area.right() {
            let symbol = buffer[(x, y)].symbol();
            // A wide letter covers the next cell, which holds a space that is not there.
            if covered == 0 {
                line.push_str(symbol);
                covered = ratatui::text::Line::raw(symbol).width().max(1);
            }
            covered -= 1;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn a_picture_has_the_letters_dots_and_colours_of_the_screen() {
        let mut screen = Buffer::empty(Rect::new(0, 0, 3, 1));
        screen.set_string(0, 0, "<⠁", Style::new().fg(Color::Rgb(1, 2, 255)));
        let picture = svg(&screen);
        assert!(
            picture.contains("fill=\"#0102ff\">&lt;</text>"),
            "{picture}"
        );
        assert!(
            picture.contains("<rect x=\"9.30\" y=\"1.30\" width=\"1.90\""),
            "{picture}"
        );
        assert_eq!(picture.matches("<text").count(), 1);
    }

    #[test]
    fn values_that_would_end_a_cell_are_quoted() {
        let table = [
            ["a,b".to_owned(), "say \"x\"".to_owned()].into(),
            ["1".to_owned()].into(),
        ];
        assert_eq!(csv(&table), "\"a,b\",\"say \"\"x\"\"\"\n1\n");
    }

    #[test]
    fn a_screen_in_pixels_is_twice_as_large_as_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("view.png");
        write(
            &file,
            Format::Png,
            &Buffer::empty(Rect::new(0, 0, 10, 2)),
            &[],
        )
        .unwrap();
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((side(16), side(20)), (162, 68));
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        assert_eq!(check("a/view.SVG"), Ok(Format::Svg));
        assert_eq!(check("view.png"), Ok(Format::Png));
        assert!(
            check("view.gif")
                .unwrap_err()
                .contains(".svg, .png, .txt or .csv")
        );
        assert!(check("view").is_err());
    }
}
