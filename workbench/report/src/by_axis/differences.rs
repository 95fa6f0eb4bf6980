//! Differences of the metric between two values of an axis, seed by seed.

use super::{looks, name};
use crate::arms::ArmLook;
use crate::error::ReportError;
use crate::plot::data::{Table, number};
use crate::plot::{Figure, pairs};
use crate::prose::{NONE, significant};
use sweeps::ByAxis;
use sweeps::by_axis::Pairs;
use sweeps::card::{label, named};
use sweeps::overview::Chosen;

/// More rows than these would say nothing at a glance.
const MOST_PAIRS: usize = 40;

/// Differences of the metric between values of an axis.
pub(super) fn figure(
    by_axis: &ByAxis<'_>,
    metric: &str,
    chosen: Chosen<'_>,
) -> Result<Option<Figure>, ReportError> {
    let Some((key, reference)) = by_axis.contrast() else {
        return Ok(None);
    };
    let found = by_axis.pairs(&key, &reference);
    if found.is_empty() || found.len() > MOST_PAIRS {
        return Ok(None);
    }
    let mut table = Table::new(["others", "value", "reference", "seed", "difference"]);
    let looks = looks(found.iter().map(|pairs| &pairs.at), chosen);
    let row = |(pairs, look): (&Pairs, ArmLook)| {
        let value = label(&pairs.value);
        for (seed, difference) in &pairs.differences {
            table.row([
                name(&pairs.at),
                value.clone(),
                label(&reference),
                seed.to_string(),
                number(*difference),
            ]);
        }
        let others = if pairs.at.is_empty() {
            String::new()
        } else {
            format!("{}: ", name(&pairs.at))
        };
        pairs::Row {
            name: format!("{others}{value}"),
            paint: look.paint,
            differences: pairs.differences.clone(),
            estimate: pairs.estimate,
        }
    };
    let rows: Vec<pairs::Row> = found.iter().zip(looks).map(row).collect();
    let title = format!("Difference of {metric} from {}", named(&key, &reference));
    let said = rows.iter().map(|row| {
        let mean = row
            .estimate
            .map_or(NONE.to_owned(), |found| significant(found.mean, 3));
        format!(
            "{}: mean {mean} over {}.",
            row.name,
            words::counted(row.differences.len() as u64, "pair")
        )
    });
    let description = format!(
        "{title}, one row for each two arms. {}",
        said.collect::<Vec<_>>().join(" ")
    );
    let svg = pairs::draw(&rows, (&title, &description, metric))?;
    let lost: usize = found.iter().map(|pairs| pairs.not_finite).sum();
    let mut caption = "A dot for each seed that both arms ran, the mean as a tick, its 95 % interval (Student's t) as a grey line."
        .to_owned();
    if lost > 0 {
        let lost = words::counted(lost as u64, "pair");
        caption = format!("{caption} {lost} not drawn, because a value is not finite.");
    }
    let name = ("paired-differences", &*title);
    Ok(Some(Figure::single(
        name,
        description,
        caption,
        svg,
        &table,
    )))
}
