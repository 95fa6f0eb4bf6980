//! The share of runs that show the card's event along an axis of numbers.

use super::{MOST_CURVES, looks, panels};
use crate::arms::ArmLook;
use crate::error::ReportError;
use crate::plot::along::{self, Along, Half, Point, Series};
use crate::plot::axis::{Axis, Scale};
use crate::plot::data::{Table, number};
use crate::plot::{Figure, Kind};
use crate::prose::{shares, significant};
use sweeps::Card;
use sweeps::by_axis::DosesOfArms;
use sweeps::overview::Chosen;
use sweeps::stats::{DoseCurve, Ld50};
use words::last_part;

/// Confidence of the intervals drawn.
const LEVEL: f64 = 0.95;
/// Points of a fitted curve.
const FIT_POINTS: i32 = 60;

/// The share of runs with the event along the axis.
pub(super) fn figure(
    card: &Card,
    curves: &[DosesOfArms],
    key: &str,
    chosen: Chosen<'_>,
) -> Result<Option<Figure>, ReportError> {
    if curves.is_empty() || curves.len() > MOST_CURVES {
        return Ok(None);
    }
    let mut table = Table::new(["arm", key, "events", "runs", "low", "high"]);
    let series: Vec<Series> = looks(curves.iter().map(|curve| &curve.at), chosen)
        .into_iter()
        .zip(curves)
        .map(|(look, found)| series_of(look, &found.curve, &mut table))
        .collect();
    let across: Vec<f64> = curves
        .iter()
        .flat_map(|found| found.curve.doses.iter().map(|dose| dose.dose))
        .collect();
    let title = format!(
        "Share of runs that {} along {}",
        card.event_verb(),
        last_part(key)
    );
    let said = series
        .iter()
        .zip(curves)
        .map(|(series, found)| format!("{}: {}.", series.look.name, half_words(&found.curve)));
    let description = format!("{title}. {}", said.collect::<Vec<_>>().join(" "));
    let panels = panels(&series, "dose", |own, name, size| {
        along::draw(&Along {
            name,
            title: &title,
            description: &description,
            x_label: last_part(key),
            y_label: "share of runs",
            y: Axis::new(Scale::Linear, [0.0, 1.0].into_iter(), 5),
            size,
            series: own,
            across: &across,
        })
    })?;
    Ok(Some(Figure {
        name: "dose".to_owned(),
        title,
        description,
        caption: "Dots are what was seen, upright lines exact 95 % intervals (Clopper and Pearson), curves Firth's logistic fit. A ring \
                  marks where half of the runs show it by that fit; a thick line the two values between which it lies where no fit can \
                  say more; the thin line through it is the bootstrap interval over seeds."
            .to_owned(),
        panels,
        data: table.address(),
        kind: Kind::Marks,
    }))
}

fn series_of(look: ArmLook, curve: &DoseCurve, table: &mut Table) -> Series {
    let mut points = Vec::new();
    for point in &curve.doses {
        let ends = point.count.clopper_pearson(LEVEL);
        let (events, n) = (point.count.events, point.count.n);
        table.row([
            look.name.clone(),
            number(point.dose),
            events.to_string(),
            n.to_string(),
            number(ends.low),
            number(ends.high),
        ]);
        points.push(Point {
            x: point.dose,
            value: point.count.share(),
            interval: Some(ends),
            runs: Vec::new(),
            title: format!(
                "{} at {}: {events} of {n} ({})",
                look.name,
                significant(point.dose, 4),
                shares(ends.low, ends.high)
            ),
        });
    }
    let ends = match curve.ld50 {
        Ld50::At(_) | Ld50::Between(_) => curve.ld50.ends(),
        Ld50::AboveAll(_) | Ld50::BelowAll(_) | Ld50::NoTrend => None,
    };
    let title = format!("{}: {}", look.name, half_words(curve));
    Series {
        half: ends.map(|ends| Half {
            ends,
            interval: curve.interval,
            title,
        }),
        fit: fitted(curve),
        look,
        points,
    }
}

/// The fitted curve from the lowest dose to the highest; none where the runs are separated, since its slope would mean nothing.
fn fitted(curve: &DoseCurve) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (curve.doses.first(), curve.doses.last()) else {
        return Vec::new();
    };
    if is_separated(curve) {
        return Vec::new();
    }
    let ratio = last.dose / first.dose;
    let at = |i: i32| {
        let dose = first.dose * ratio.powf(f64::from(i) / f64::from(FIT_POINTS));
        Some((dose, curve.share(dose)?))
    };
    (0..=FIT_POINTS).filter_map(at).collect()
}

/// Whether only two neighbouring doses are known between which half of the runs show the event.
pub(super) fn is_separated(curve: &DoseCurve) -> bool {
    matches!(curve.ld50, Ld50::Between(_))
}

/// Where half of the runs show the event, in words.
pub(super) fn half_words(curve: &DoseCurve) -> String {
    match curve.ld50 {
        Ld50::At(dose) => format!("half at {}", significant(dose, 3)),
        Ld50::Between(ends) => format!(
            "half between {} and {}",
            significant(ends.low, 3),
            significant(ends.high, 3)
        ),
        Ld50::AboveAll(dose) => format!("half above {}", significant(dose, 3)),
        Ld50::BelowAll(dose) => format!("half below {}", significant(dose, 3)),
        Ld50::NoTrend => "no trend".to_owned(),
    }
}
