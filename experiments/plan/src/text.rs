//! Numbers and tables for a terminal.

/// `128,697,794,560`.
#[must_use]
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with so many decimals and separated thousands.
pub(crate) fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    let sign = if value < 0.0 { "-" } else { "" };
    if rest.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{rest}")
    }
}

/// Four or five significant digits: counts in full, large numbers with an exponent.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 || (size > 0.0 && size < 1e-3) {
        format!("{value:.4e}")
    } else if value.fract() == 0.0 || size >= 1e4 {
        decimal(value, 0)
    } else if size >= 1000.0 {
        decimal(value, 1)
    } else if size >= 10.0 {
        decimal(value, 2)
    } else {
        decimal(value, 3)
    }
}

/// Bytes in GiB with two decimals.
pub(crate) fn gib(bytes: u64) -> String {
    decimal(bytes as f64 / 1_073_741_824.0, 2)
}

/// Lines with dashes, broken before column 110.
pub(crate) fn list(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        let mut column = 0;
        for (index, word) in line.split(' ').enumerate() {
            let width = word.chars().count() + 1;
            if index == 0 {
                text.push_str("  - ");
                column = 4;
            } else if column + width > 108 {
                text.push_str("\n    ");
                column = 4;
            } else {
                text.push(' ');
            }
            text.push_str(word);
            column += width;
        }
        text.push('\n');
    }
    text
}

/// A table whose first column is flush left and whose others, unless named, are flush right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    left: Vec<usize>,
}

impl Table {
    /// With these headings; `left` lists the further columns that are flush left.
    pub(crate) fn new(headings: &[&str], left: &[usize]) -> Self {
        Self {
            rows: vec![headings.iter().map(|h| (*h).to_owned()).collect()],
            left: left.to_vec(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Lines of the table, each ended, indented by two.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = widths[column];
                if column == 0 || self.left.contains(&column) {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers compare these digits with the paper's.
    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(128_697_794_560), "128,697,794,560");
        assert_eq!(thousands(7), "7");
        assert_eq!(decimal(-1234.5, 1), "-1,234.5");
        assert_eq!(number(9.1176e18), "9.1176e18");
        assert_eq!(number(134.152), "134.15");
    }

    /// Columns line up, whatever the letters.
    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["what", "n"], &[]);
        table.row(vec!["ä".to_owned(), "10".to_owned()]);
        assert_eq!(table.text(), "  what   n\n  ä     10\n");
    }
}
