//! How many runs show the card's event, by two axes.

use super::name;
use crate::error::ReportError;
use crate::plot::data::Table;
use crate::plot::matrix::{self, Matrix};
use crate::plot::{Figure, Kind, Panel};
use sweeps::by_axis::Cell;
use sweeps::card::label;
use sweeps::stats::Proportion;
use sweeps::{ByAxis, Card};
use words::last_part;

/// More rows, columns or panels than these would say nothing at a glance.
const MOST: usize = 24;
/// Fewer runs than these are told in the table of arms.
const FEWEST_RUNS: u64 = 2;

/// The matrix of the axes that are shown where nobody says otherwise.
pub(super) fn figure(card: &Card, by_axis: &ByAxis<'_>) -> Result<Option<Figure>, ReportError> {
    let Some((rows, columns)) = by_axis.matrix_axes() else {
        return Ok(None);
    };
    let (rows, columns) = (rows.as_deref(), columns.as_str());
    let Some(found) = by_axis.matrix(rows, columns) else {
        return Ok(None);
    };
    let runs = found
        .panels
        .iter()
        .flat_map(|panel| panel.cells.iter().flatten().flatten());
    let sizes = [found.rows.len(), found.columns.len(), found.panels.len()];
    if runs.map(|cell| cell.count.n).sum::<u64>() < FEWEST_RUNS
        || sizes.iter().any(|size| *size > MOST)
    {
        return Ok(None);
    }
    let by = rows.into_iter().chain([columns]).map(last_part);
    let by: Vec<&str> = by.collect();
    let title = format!("Runs that {}, by {}", card.event_verb(), by.join(" and "));
    let names = Names {
        rows: match rows {
            Some(_) => found.rows.iter().map(label).collect(),
            None => vec![String::new()],
        },
        columns: found.columns.iter().map(label).collect(),
        axes: (rows.unwrap_or(""), columns),
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
            cells: &counts(panel),
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

fn counts(panel: &sweeps::by_axis::Panel) -> Vec<Vec<Option<Proportion>>> {
    let count = |cell: &Option<Cell>| cell.as_ref().map(|cell| cell.count);
    let rows = panel.cells.iter();
    rows.map(|cells| cells.iter().map(count).collect())
        .collect()
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
                let (events, n) = (cell.count.events.to_string(), cell.count.n.to_string());
                let place = format!("{row} {column}");
                words.push(format!("{} {events} of {n}", place.trim()));
                table.row([row.clone(), column.clone(), at.to_owned(), events, n]);
            }
        }
        format!("{}.", words.join(", "))
    }
}
