//! What the arms of a sweep differ in and where their losses ended, as lines across parallel axes.

use crate::band::median;
use crate::error::ReportError;
use crate::figures::ArmRuns;
use crate::plot::Figure;
use crate::plot::data::{Table, number};
use crate::plot::parallel::{self, Line, Parallel};
use crate::prose;
use sweeps::overview::LookAxis;
use words::last_part;

/// One axis is drawn as the metric along it already, and of more than these the uprights would be too close.
const AXES: std::ops::RangeInclusive<usize> = 2..=7;
/// Of more runs than these each arm has a line, at the median of its runs.
const MOST_RUNS: usize = 200;

/// The figure of arms with these axes; none where there is nothing to compare.
pub(crate) fn figure(
    arms: &[ArmRuns<'_>],
    axes: &[LookAxis],
) -> Result<Option<Figure>, ReportError> {
    let runs: usize = arms.iter().map(|arm| arm.ends.len()).sum();
    if !AXES.contains(&axes.len()) || runs < 2 {
        return Ok(None);
    }
    let by_run = runs <= MOST_RUNS;
    let lines: Vec<(String, Line)> = arms
        .iter()
        .flat_map(|arm| lines(arm, axes, by_run))
        .collect();
    let mut table = Table::new(
        [if by_run { "run" } else { "arm" }]
            .into_iter()
            .chain(axes.iter().map(|axis| &*axis.key))
            .chain(["final_loss"]),
    );
    for (name, line) in &lines {
        let values = axes.iter().zip(&line.values);
        let values = values.map(|(axis, value)| axis.values[*value].clone());
        let loss = number(line.loss.unwrap_or(f64::NAN));
        table.row([name.clone()].into_iter().chain(values).chain([loss]));
    }
    let named: Vec<(String, Vec<String>)> = axes
        .iter()
        .map(|axis| (last_part(&axis.key).to_owned(), axis.values.clone()))
        .collect();
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    let title = format!("Final loss across {}", names.join(", "));
    let description = describe(&title, &lines);
    let drawn: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
    let svg = parallel::draw(&Parallel {
        name: "parallel",
        title: &title,
        description: &description,
        axes: &named,
        last: "final loss",
        lines: &drawn,
    })?;
    let of = if by_run {
        "A line for each run"
    } else {
        "A line for each arm, which ends at the median of its runs"
    };
    let caption = format!(
        "{of}, through its values in order. A cross above the losses is one that was not finite."
    );
    let name = ("parallel", &*title);
    Ok(Some(Figure::single(
        name,
        description,
        caption,
        svg,
        &table,
    )))
}

/// The lines of an arm with their names.
fn lines(arm: &ArmRuns<'_>, axes: &[LookAxis], by_run: bool) -> Vec<(String, Line)> {
    let line = |name: &str, loss: Option<f64>| {
        let shown = loss.map_or("not finite".to_owned(), prose::loss);
        let at = |axis: &LookAxis| axis.of_arm(arm.number).unwrap_or(0);
        let line = Line {
            arm: arm.number,
            paint: arm.look.paint,
            values: axes.iter().map(at).collect(),
            loss,
            title: format!("{name}: {shown}"),
        };
        (name.to_owned(), line)
    };
    // A run whose loss was not finite may still have a finite held-out loss from before.
    let losses = arm.ends.iter().map(|(run, end, _)| {
        let finite = end.outcome != sweeps::Outcome::Nonfinite;
        (*run, end.value.filter(|value| value.is_finite() && finite))
    });
    if by_run {
        return losses.map(|(run, loss)| line(run, loss)).collect();
    }
    let mut all: Vec<f64> = losses
        .map(|(_, loss)| loss.unwrap_or(f64::INFINITY))
        .collect();
    let middle = median(&mut all).map(|value| Some(value).filter(|value| value.is_finite()));
    middle
        .into_iter()
        .map(|loss| line(&arm.look.name, loss))
        .collect()
}

fn describe(title: &str, lines: &[(String, Line)]) -> String {
    let finite = lines
        .iter()
        .filter_map(|(name, line)| Some((line.loss?, name)));
    let best = finite.min_by(|a, b| a.0.total_cmp(&b.0));
    let best = best.map_or("No loss is finite.".to_owned(), |(loss, name)| {
        format!("The lowest is {} of {name}.", prose::loss(loss))
    });
    format!(
        "{title}: {}. {best}",
        words::counted(lines.len() as u64, "line")
    )
}
