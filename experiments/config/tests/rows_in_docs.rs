//! The tables of `docs/numerics.md` are the rows that the program computes by.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use experiments_config::{Coefficient, Ffn, Norm, Positions, Residual};
use std::collections::BTreeSet;
use std::path::Path;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/numerics.md");
    std::fs::read_to_string(path).unwrap()
}

/// Cells of the rows of the table whose first heading is `key`.
fn table(key: &str) -> Vec<Vec<String>> {
    let page = page();
    let start = page.find(&format!("| `{key}` |")).unwrap();
    let rows = page[start..].lines().skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// First and last cells.
fn named(key: &str) -> BTreeSet<[String; 2]> {
    let rows = table(key).into_iter();
    rows.map(|row| [row.first().unwrap().clone(), row.last().unwrap().clone()])
        .collect()
}

fn row(name: &str, source: &str) -> [String; 2] {
    [format!("`{name}`"), source.to_owned()]
}

#[test]
fn norm_arrangements_are_documented_as_they_are_computed() {
    let expected = Norm::ALL.map(|norm| {
        let arrangement = norm.row();
        let words = |coefficient: Coefficient| coefficient.words.to_owned();
        let alpha = match arrangement.residual {
            Residual::Norm { alpha } => words(alpha),
            Residual::Stream { .. } => "1".to_owned(),
        };
        vec![
            format!("`{}`", norm.name()),
            norm.formula(),
            alpha,
            words(arrangement.gain),
            arrangement.source.to_owned(),
        ]
    });
    assert_eq!(table("model.norm"), expected);
}

#[test]
fn activations_and_position_encodings_are_documented_with_their_sources() {
    let ffn = Ffn::ALL.map(|ffn| row(ffn.name(), ffn.row().source));
    assert_eq!(named("model.ffn"), BTreeSet::from(ffn));
    let positions = Positions::ALL.map(|positions| row(positions.name(), positions.row().source));
    assert_eq!(named("model.positions"), BTreeSet::from(positions));
}
