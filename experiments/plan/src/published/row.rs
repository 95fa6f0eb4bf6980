//! A published figure beside ours, and a table of them.

use crate::text::number;
use serde::Serialize;
use words::Table;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedRow {
    /// What it is.
    pub quantity: String,
    /// Its unit; empty for counts.
    pub unit: String,
    /// What was published; absent where nothing was, and the figure is ours alone.
    pub published: Option<f64>,
    /// What this program computes.
    pub ours: f64,
    /// `ours / published - 1`.
    pub difference: Option<f64>,
    /// Where it was published, or from what it was derived.
    pub source: String,
    /// Why the two differ, or what the figure rests on.
    pub note: String,
}

/// The rows as a table, notes below their numbers.
#[must_use]
pub fn text(rows: &[PublishedRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::of_numbers(&["figure", "published", "ours", "diff %", "source"], &[4]);
    let mut notes = String::new();
    let mut count = 0;
    for row in rows {
        let mark = if row.note.is_empty() {
            String::new()
        } else {
            count += 1;
            notes.push_str(&words::hanging(&format!("  [{count}] "), &row.note, 6, 107));
            format!(" [{count}]")
        };
        let unit = if row.unit.is_empty() {
            String::new()
        } else {
            format!(", {}", row.unit)
        };
        table.row([
            format!("{}{unit}{mark}", row.quantity),
            row.published.map_or_else(|| "ours".to_owned(), number),
            number(row.ours),
            row.difference
                .map_or_else(|| "-".to_owned(), |d| format!("{:+.2}", 100.0 * d)),
            row.source.clone(),
        ]);
    }
    table.render(2) + &notes
}
