//! Tables of text.

use crate::printable_line;
use unicode_width::UnicodeWidthStr;

/// A table whose columns line up in a terminal, also where a letter takes two columns, as Chinese does.
///
/// The first column is flush left. What a terminal would obey is written out ([`printable_line`]).
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Further columns that are flush left, of a table whose others are flush right.
    left: Option<Vec<usize>>,
}

impl Table {
    /// With these headings. Columns of numbers are flush right, others left; `-` stands for a number.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![
                headings
                    .iter()
                    .map(|heading| (*heading).to_owned())
                    .collect(),
            ],
            left: None,
        }
    }

    /// With these headings. All columns are flush right but the first and those in `left`.
    #[must_use]
    pub fn of_numbers(headings: &[&str], left: &[usize]) -> Self {
        Self {
            left: Some(left.to_owned()),
            ..Self::new(headings)
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells
            .into_iter()
            .map(|cell| printable_line(&cell).into_owned());
        self.rows.push(cells.collect());
    }

    /// The lines, indented by `indent`, with two spaces between columns; every line is ended.
    #[must_use]
    pub fn render(&self, indent: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(|at| self.width(at)).collect();
        let right: Vec<bool> = (0..columns).map(|at| self.is_flush_right(at)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(at, cell)| {
                let pad = " ".repeat(widths[at] - cell.width());
                if right[at] {
                    pad + cell
                } else {
                    format!("{cell}{pad}")
                }
            });
            let line = " ".repeat(indent) + &cells.collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn width(&self, at: usize) -> usize {
        let widths = self.column(at).map(UnicodeWidthStr::width);
        widths.max().unwrap_or(0)
    }

    fn is_flush_right(&self, at: usize) -> bool {
        let is_numeric = |cell: &str| cell == "-" || cell.starts_with(|c: char| c.is_ascii_digit());
        match &self.left {
            Some(left) => at > 0 && !left.contains(&at),
            None => at > 0 && self.column(at).skip(1).all(is_numeric),
        }
    }

    fn column(&self, at: usize) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter_map(move |row| row.get(at).map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_right_and_words_left() {
        let mut table = Table::new(&["arm", "role", "runs"]);
        table.row(["post", "descriptive", "6"].map(str::to_owned));
        table.row(["deepnorm_glm", "α", "12"].map(str::to_owned));
        assert_eq!(
            table.render(0),
            "arm           role         runs\n\
             post          descriptive     6\n\
             deepnorm_glm  α              12\n"
        );
    }

    /// Counted by letters, the second column would begin two columns too late.
    #[test]
    fn chinese_takes_two_columns() {
        let mut table = Table::of_numbers(&["what", "n"], &[]);
        table.row(["学习率", "10"].map(str::to_owned));
        table.row(["ä", "7"].map(str::to_owned));
        assert_eq!(
            table.render(2),
            "  what     n\n  学习率  10\n  ä        7\n"
        );
    }

    #[test]
    fn a_cell_is_one_line() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["x\ny\u{1b}", "z"].map(str::to_owned));
        assert_eq!(table.render(0), "a               b\nx\\u000ay\\u001b  z\n");
    }
}
