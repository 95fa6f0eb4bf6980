//! The card's metric along an axis of numbers.

use super::{MOST_CURVES, looks, panels};
use crate::arms::ArmLook;
use crate::error::ReportError;
use crate::plot::along::{self, Along, Point, Series};
use crate::plot::axis::{Axis, Scale};
use crate::plot::data::{Table, number};
use crate::plot::{Figure, Kind};
use crate::prose::{self, significant};
use sweeps::by_axis::Sensitivity;
use sweeps::overview::Chosen;
use words::last_part;

/// The metric along the axis.
pub(super) fn figure(
    curves: &[Sensitivity],
    key: &str,
    metric: &str,
    chosen: Chosen<'_>,
) -> Result<Option<Figure>, ReportError> {
    if curves.is_empty() || curves.len() > MOST_CURVES {
        return Ok(None);
    }
    let mut table = Table::new(["arm", key, "run_value"]);
    let series: Vec<Series> = looks(curves.iter().map(|curve| &curve.at), chosen)
        .into_iter()
        .zip(curves)
        .map(|(look, curve)| series_of(look, curve, &mut table))
        .collect();
    let across: Vec<f64> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|point| point.dose))
        .collect();
    let values: Vec<f64> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().flat_map(|point| point.values.clone()))
        .collect();
    let title = format!("{} along {}", prose::capitalised(metric), last_part(key));
    let least = series.iter().map(|series| {
        let finite = series.points.iter().filter(|point| point.value.is_finite());
        let best = finite.min_by(|a, b| a.value.total_cmp(&b.value));
        let best = best.map_or("no finite median".to_owned(), |best| {
            format!(
                "least median {} at {}",
                significant(best.value, 4),
                significant(best.x, 3)
            )
        });
        format!("{}: {best}.", series.look.name)
    });
    let description = format!("{title}. {}", least.collect::<Vec<_>>().join(" "));
    let panels = panels(&series, "sensitivity", |own, name, size| {
        along::draw(&Along {
            name,
            title: &title,
            description: &description,
            x_label: last_part(key),
            y_label: metric,
            y: Axis::new(Scale::Auto, values.iter().copied(), 5),
            size,
            series: own,
            across: &across,
        })
    })?;
    Ok(Some(Figure {
        name: "sensitivity".to_owned(),
        title,
        description,
        caption: "A dot for each run, a line through the medians; a cross on the upper edge is a run that was not finite."
            .to_owned(),
        panels,
        data: table.address(),
        kind: Kind::Marks,
    }))
}

fn series_of(look: ArmLook, curve: &Sensitivity, table: &mut Table) -> Series {
    let mut points = Vec::new();
    for point in &curve.points {
        for value in &point.values {
            table.row([look.name.clone(), number(point.dose), number(*value)]);
        }
        points.push(Point {
            x: point.dose,
            value: point.median,
            interval: None,
            runs: point.values.clone(),
            title: format!(
                "{} at {}: median {} of {}",
                look.name,
                significant(point.dose, 4),
                prose::loss(point.median),
                words::counted(point.values.len() as u64, "run")
            ),
        });
    }
    Series {
        look,
        points,
        half: None,
        fit: Vec::new(),
    }
}
