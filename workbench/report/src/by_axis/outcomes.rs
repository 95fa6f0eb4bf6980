//! How many runs show the card's event, by two axes.

use super::{name, verb};
use crate::error::ReportError;
use crate::plot::data::Table;
use crate::plot::matrix::{self, Matrix};
use crate::plot::{Figure, Kind, Panel};
use crate::sweep::comparison::event_name;
use std::cmp::Reverse;
use sweeps::card::label;
use sweeps::{ByAxis, Card};
use words::last_part;

/// More rows, columns or panels than these would say nothing at a glance.
const MOST: usize = 24;
/// Fewer runs than these are told in the table of arms.
const FEWEST_RUNS: u64 = 2;

/// The matrix of two axes: the axis of numbers from left to right, of the others the one with most values from top to bottom.
pub(super) fn figure(
    card: &Card,
    by_axis: &ByAxis<'_>,
    along: Option<&str>,
) -> Result<Option<Figure>, ReportError> {
    let mut axes = by_axis.axes();
    axes.sort_by_key(|(key, values)| (Some(key.as_str()) != along, Reverse(values.len())));
    let Some((columns, _)) = axes.first() else {
        return Ok(None);
    };
    let rows = axes.get(1).map(|(key, _)| key.as_str());
    let Some(found) = by_axis.matrix(rows, columns) else {
        return Ok(None);
    };
    let runs = found
        .panels
        .iter()
        .flat_map(|panel| panel.cells.iter().flatten().flatten());
    let sizes = [found.rows.len(), found.columns.len(), found.panels.len()];
    if runs.map(|cell| cell.n).sum::<u64>() < FEWEST_RUNS || sizes.iter().any(|size| *size > MOST) {
        return Ok(None);
    }
    let by = rows.into_iter().chain([columns.as_str()]).map(last_part);
    let by: Vec<&str> = by.collect();
    let title = format!(
        "Runs that {}, by {}",
        verb(&event_name(card)),
        by.join(" and ")
    );
    let names = Names {
        rows: match rows {
            Some(_) => found.rows.iter().map(label).collect(),
            None => vec![String::new()],
        },
        columns: found.columns.iter().map(label).collect(),
        axes: (rows.unwrap_or(""), columns.as_str()),
    };
    let mut table = Table::new([rows.unwrap_or("all"), columns, "others", "events", "runs"]);
    let (panels, said) = panels(&found, &names, &title, &mut table)?;
    Ok(Some(Figure {
        name: "outcomes".to_owned(),
        title,
        description: said,
        caption: "How many runs of how many, in a colour that grows with the share; a grey cell has no run with an outcome."
            .to_owned(),
        panels,
        data: table.address(),
        kind: Kind::Marks,
    }))
}

/// A panel for each choice of the other axes, and what all of them say.
fn panels(
    found: &sweeps::by_axis::Matrix,
    names: &Names<'_>,
    title: &str,
    table: &mut Table,
) -> Result<(Vec<Panel>, String), ReportError> {
    let several = found.panels.len() > 1;
    let mut said = Vec::new();
    let mut panels = Vec::new();
    for (number, panel) in found.panels.iter().enumerate() {
        let at = if several {
            name(&panel.at)
        } else {
            String::new()
        };
        let of = if several {
            format!(", {at}")
        } else {
            String::new()
        };
        let description = format!("{title}{of}: {}", names.told(panel, &at, table));
        let name = if several {
            format!("outcomes-{}", number + 1)
        } else {
            "outcomes".to_owned()
        };
        let svg = matrix::draw(&Matrix {
            name: &name,
            title,
            description: &description,
            rows: (last_part(names.axes.0), &names.rows),
            columns: (last_part(names.axes.1), &names.columns),
            cells: &panel.cells,
        })?;
        said.push(description);
        panels.push(Panel {
            name,
            title: at,
            svg,
        });
    }
    Ok((panels, said.join(" ")))
}

/// What axes and values are called.
struct Names<'a> {
    /// Keys of the rows and of the columns.
    axes: (&'a str, &'a str),
    rows: Vec<String>,
    columns: Vec<String>,
}

impl Names<'_> {
    /// Every cell in words, and as a row of the table.
    fn told(&self, panel: &sweeps::by_axis::Panel, at: &str, table: &mut Table) -> String {
        let mut words = Vec::new();
        for (row, cells) in self.rows.iter().zip(&panel.cells) {
            for (column, cell) in self.columns.iter().zip(cells) {
                let Some(cell) = cell else { continue };
                let (events, n) = (cell.events.to_string(), cell.n.to_string());
                let place = format!("{row} {column}");
                words.push(format!("{} {events} of {n}", place.trim()));
                table.row([row.clone(), column.clone(), at.to_owned(), events, n]);
            }
        }
        format!("{}.", words.join(", "))
    }
}
