//! Plain text: tables and numbers for people.

/// A table of strings; the first column is left-aligned, columns of numbers to the right.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(headers: [&str; N]) -> Self {
        Self {
            rows: vec![headers.map(str::to_owned).into()],
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.map(|cell| logs::printable_line(&cell).into_owned());
        self.rows.push(cells.into());
    }

    /// The table with two spaces between columns; every line ends with a newline.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows[0].len();
        let widths: Vec<usize> = (0..columns).map(|at| self.width(at)).collect();
        let right: Vec<bool> = (0..columns).map(|at| self.is_numeric(at)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[at] - cell.chars().count());
                if at > 0 {
                    line.push_str("  ");
                }
                if right[at] {
                    line.push_str(&pad);
                    line.push_str(cell);
                } else {
                    line.push_str(cell);
                    line.push_str(&pad);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn width(&self, at: usize) -> usize {
        let lengths = self.rows.iter().map(|row| row[at].chars().count());
        lengths.max().unwrap_or(0)
    }

    fn is_numeric(&self, at: usize) -> bool {
        let numeric = |cell: &str| cell == "-" || cell.starts_with(|c: char| c.is_ascii_digit());
        at > 0 && self.rows[1..].iter().all(|row| numeric(&row[at]))
    }
}

/// `38.4 MB`, decimal units.
#[must_use]
pub fn bytes(count: u64) -> String {
    scaled(count as f64, &["B", "kB", "MB", "GB", "TB", "PB"])
}

/// `537.6 k`; whole below a thousand.
#[must_use]
pub fn count(count: u64) -> String {
    scaled(count as f64, &["", "k", "M", "G", "T", "P"])
        .trim_end()
        .to_owned()
}

fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value} {}", units[0]),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

/// `45 s`, `4 min 05 s`, `3 h 20 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "-".to_owned();
    }
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Three decimals, or `-`.
pub(crate) fn nats(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_right_and_words_left() {
        let mut table = Table::new(["arm", "role", "runs"]);
        table.row(["post".into(), "descriptive".into(), "6".into()]);
        table.row(["deepnorm_glm".into(), "α".into(), "12".into()]);
        assert_eq!(
            table.render(),
            "arm           role         runs\n\
             post          descriptive     6\n\
             deepnorm_glm  α              12\n"
        );
    }

    #[test]
    fn quantities_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999_960), "1.0 MB");
        assert_eq!(count(537_600), "537.6 k");
        assert_eq!(count(14), "14");
        assert_eq!(
            [5.4, 245.0, 12_000.0, f64::NAN].map(duration),
            ["5 s", "4 min 05 s", "3 h 20 min", "-"]
        );
    }
}
