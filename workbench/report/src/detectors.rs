//! Detectors compared: free-response ROC curves of the best, and the leads of all.

use crate::error::ReportError;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Chart, Drawn, Frame, Key, PX, WIDTH, stroke, text};
use crate::plot::label::{escape, shorten};
use crate::plot::palette::{self, Colour, FAINT, INK};
use crate::prose::significant;
use crate::render::standalone_svg;
use plotters::element::{Circle, DashedPathElement, PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use sweeps::evaluation::{CurvePoint, DetectorResult, Evaluation, Lead, Point, Share};
use words::counted;

/// Curves in a panel: as many as there are colours.
const CURVES: usize = 6;
/// Height of a panel with curves in CSS pixels.
const HEIGHT: i32 = 400;
const DASH: (i32, i32) = (5, 4);
/// False alarms per 1,000 steps below which nothing is told apart on the axis.
const LEAST_RATE: f64 = 0.05;

/// A detector with what it found at one threshold.
type Row<'a> = (&'a DetectorResult, &'a Point, &'a Lead);

/// Draws all panels, two in a row, as an SVG document that needs nothing else.
pub fn detectors_svg(evaluation: &Evaluation) -> Result<String, ReportError> {
    let shown = best(evaluation);
    let at_price = format!("at {} per 1,000", significant(evaluation.price, 3));
    let matched = rows(evaluation, |detector| detector.matched.as_ref());
    let default = rows(evaluation, |detector| detector.default.as_ref());
    let below = 96 + 22 * matched.len().max(default.len()) as i32;
    let panels = [
        roc(evaluation, &shown, &FOUND)?,
        roc(evaluation, &shown, &WARNED)?,
        boxes(&matched, "equal", &at_price, below)?,
        boxes(&default, "default", "at the default thresholds", below)?,
    ];
    let (width, height) = (2 * WIDTH, HEIGHT + below);
    let mut svg = format!(
        "<svg role=\"img\" aria-labelledby=\"detectors-title\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <title id=\"detectors-title\">{}</title>\n",
        escape(&format!(
            "Detectors on {} with {}",
            counted(evaluation.runs as u64, "run"),
            counted(evaluation.events as u64, "event")
        ))
    );
    for (panel, i) in panels.iter().zip(0..) {
        let place = format!("<svg x=\"{}\" y=\"{}\"", i % 2 * WIDTH, i / 2 * HEIGHT);
        svg.push_str(&panel.replacen("<svg", &place, 1));
        svg.push('\n');
    }
    svg.push_str("</svg>\n");
    Ok(standalone_svg(&svg))
}

/// What a curve shows over false alarms.
struct Measure {
    name: &'static str,
    title: &'static str,
    y_label: &'static str,
    of_curve: fn(&CurvePoint) -> Option<Share>,
    of_point: fn(&Point) -> Option<Share>,
}

const FOUND: Measure = Measure {
    name: "detectors-found",
    title: "Events found against false alarms",
    y_label: "events found, %",
    of_curve: |point| point.recall,
    of_point: |point| point.recall,
};

const WARNED: Measure = Measure {
    name: "detectors-warned",
    title: "Events warned of before their first step against false alarms",
    y_label: "warned before the event, %",
    of_curve: |point| point.warned,
    of_point: |point| point.warned,
};

/// The detectors to draw: those that find most at equal price, then those that warn of most at their defaults.
fn best(evaluation: &Evaluation) -> Vec<&DetectorResult> {
    let found =
        |detector: &DetectorResult| value(detector.matched.as_ref().and_then(|point| point.recall));
    let warned =
        |detector: &DetectorResult| value(detector.default.as_ref().and_then(|point| point.warned));
    let mut all: Vec<&DetectorResult> = evaluation
        .detectors
        .iter()
        .filter(|detector| found(detector) + warned(detector) > 0.0)
        .collect();
    all.sort_by(|a, b| found(b).total_cmp(&found(a)));
    let mut rest = all.split_off(all.len().min(CURVES / 2));
    rest.sort_by(|a, b| warned(b).total_cmp(&warned(a)));
    all.extend(rest.into_iter().take(CURVES / 2));
    all
}

fn value(share: Option<Share>) -> f64 {
    share.map_or(0.0, |share| share.value)
}

/// Rate and share in percent from the highest threshold to the one with most false alarms. Below that one a detector is
/// in alarm most of the time and raises few.
fn curve(detector: &DetectorResult, measure: &Measure) -> Vec<(f64, f64)> {
    let points = detector.curve.iter().rev();
    let points: Vec<(f64, f64)> = points
        .filter_map(|point| Some((point.rate, 100.0 * (measure.of_curve)(point)?.value)))
        .collect();
    let most = points.iter().map(|point| point.0).fold(0.0, f64::max);
    let end = points.iter().position(|point| point.0 == most);
    let count = end.map_or(0, |end| end + 1);
    points.into_iter().take(count).collect()
}

fn roc(
    evaluation: &Evaluation,
    shown: &[&DetectorResult],
    measure: &Measure,
) -> Result<String, ReportError> {
    let curves: Vec<Vec<(f64, f64)>> = shown.iter().map(|one| curve(one, measure)).collect();
    let rates = curves.iter().flatten().map(|point| point.0.max(LEAST_RATE));
    let ends = [LEAST_RATE, evaluation.price.max(LEAST_RATE)];
    let x = Axis::new(Scale::Log, rates.chain(ends), 5);
    let y = Axis::new(Scale::Linear, [0.0, 100.0].into_iter(), 5);
    let colour = |i: usize| palette::arm(i);
    let lines = shown.iter().enumerate();
    let mut legend: Vec<(Key, String)> = lines
        .map(|(i, detector)| (Key::Line(colour(i), None), detector.name.clone()))
        .collect();
    let price = format!("{} per 1,000", significant(evaluation.price, 3));
    legend.push((Key::Line(INK, Some(DASH)), price));
    let frame = Frame {
        name: measure.name,
        title: measure.title,
        description: &describe(shown, measure),
        size: (WIDTH, HEIGHT),
        left: 26 + y.label_width(),
        legend,
        names: Vec::new(),
        x: &x,
        x_label: "false alarms per 1,000 calm steps",
        y: &y,
        y_label: measure.y_label,
    };
    canvas::draw(&frame, |chart| {
        upright(chart, evaluation.price, &y)?;
        for (i, (detector, points)) in shown.iter().zip(&curves).enumerate() {
            let line = PathElement::new(points.clone(), stroke(colour(i), 2));
            chart.plotting_area().draw(&line)?;
            if let Some(point) = &detector.matched {
                matched(chart, point, measure, colour(i))?;
            }
        }
        Ok(())
    })
}

/// A dot at the threshold that is compared, with the interval of its share.
fn matched(chart: &Chart<'_, '_>, point: &Point, measure: &Measure, colour: Colour) -> Drawn {
    let Some((share, rate)) = (measure.of_point)(point).zip(point.rate) else {
        return Ok(());
    };
    let area = chart.plotting_area();
    if let Some(interval) = share.interval {
        let end = |share: f64| (rate.value, 100.0 * share);
        let bar = vec![end(interval.low), end(interval.high)];
        area.draw(&PathElement::new(bar, stroke(colour, 1)))?;
    }
    let at = (rate.value, 100.0 * share.value);
    area.draw(&Circle::new(at, 5 * PX, colour.rgb().filled()))
}

/// A dashed line over the whole height.
fn upright(chart: &mut Chart<'_, '_>, at: f64, y: &Axis) -> Drawn {
    let (bottom, top) = y.ends();
    let (dash, gap) = DASH;
    let ends = [(at, bottom), (at, top)];
    chart.plotting_area().draw(&DashedPathElement::new(
        ends,
        dash * PX,
        gap * PX,
        stroke(INK, 1),
    ))
}

fn describe(shown: &[&DetectorResult], measure: &Measure) -> String {
    let one = |detector: &&DetectorResult| {
        let point = detector.matched.as_ref()?;
        let share = (measure.of_point)(point)?.value;
        Some(format!(
            "{}: {} % at {} false alarms per 1,000 steps.",
            detector.name,
            significant(100.0 * share, 3),
            significant(point.rate?.value, 3)
        ))
    };
    let words: Vec<String> = shown.iter().filter_map(one).collect();
    words.join(" ")
}

/// Detectors that found something, the longest lead first.
fn rows(evaluation: &Evaluation, at: impl Fn(&DetectorResult) -> Option<&Point>) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = evaluation
        .detectors
        .iter()
        .filter_map(|detector| {
            let point = at(detector)?;
            Some((detector, point, point.lead.as_ref()?))
        })
        .collect();
    rows.sort_by(|a, b| b.2.median.total_cmp(&a.2.median));
    rows
}

fn boxes(rows: &[Row<'_>], name: &str, at: &str, height: i32) -> Result<String, ReportError> {
    let names = rows.iter().rev();
    let names = names.map(|(detector, ..)| shorten(&detector.name, 26));
    let y = Axis::named(names.collect(), 0.0);
    let ends = rows.iter().flat_map(|(_, _, lead)| [lead.least, lead.most]);
    // Room for the counts.
    let most = rows.iter().map(|(_, _, lead)| lead.most);
    let most = most.fold(4.0, f64::max);
    let x = Axis::new(Scale::Linear, ends.chain([-4.0, 1.3 * most]), 6);
    let described: Vec<String> = rows.iter().map(describe_lead).collect();
    let frame = Frame {
        name: &format!("detectors-lead-{name}"),
        title: &format!("Lead of the first alarm, {at}"),
        description: &described.join(" "),
        size: (WIDTH, height),
        left: 12 + y.label_width(),
        legend: vec![
            (Key::Dot(FAINT), format!("{at}: median, quartiles, ends")),
            (
                Key::Line(INK, Some(DASH)),
                "first step of the event".to_owned(),
            ),
        ],
        names: Vec::new(),
        x: &x,
        x_label: "lead, steps; right: events found",
        y: &y,
        y_label: "",
    };
    canvas::draw(&frame, |chart| {
        upright(chart, 0.0, &y)?;
        for (row, at) in rows.iter().rev().zip(0..) {
            one_box(chart, row, f64::from(at), x.ends().1)?;
        }
        Ok(())
    })
}

fn one_box(
    chart: &mut Chart<'_, '_>,
    (detector, point, lead): &Row<'_>,
    at: f64,
    right: f64,
) -> Drawn {
    let colour = palette::arm(1);
    let area = chart.plotting_area();
    let ends = vec![(lead.least, at), (lead.most, at)];
    area.draw(&PathElement::new(ends, stroke(colour, 1)))?;
    let corners = [
        (lead.lower_quartile, at - 0.3),
        (lead.upper_quartile, at + 0.3),
    ];
    area.draw(&Rectangle::new(corners, colour.rgb().mix(0.25).filled()))?;
    area.draw(&Circle::new(
        (lead.median, at),
        4 * PX,
        colour.rgb().filled(),
    ))?;
    let (px, py) = area.map_coordinate(&(right, at));
    let (x0, y0) = area.get_base_pixel();
    let style = text(INK).pos(Pos::new(HPos::Right, VPos::Center));
    let count = format!("{} of {}", point.found, detector.events);
    area.strip_coord_spec()
        .draw(&Text::new(count, (px - x0 - 4 * PX, py - y0), style))
}

fn describe_lead((detector, point, lead): &Row<'_>) -> String {
    format!(
        "{}: {} of {} found, median {} steps, quartiles {} and {}, from {} to {}.",
        detector.name,
        point.found,
        detector.events,
        lead.median,
        lead.lower_quartile,
        lead.upper_quartile,
        lead.least,
        lead.most
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use logs::evaluation::{Event, Truth, measure};
    use sweeps::evaluation::{LabelledRun, Labels, evaluate};

    fn run(seed: u64) -> LabelledRun {
        let records: Vec<logs::Record> = (1..=400)
            .map(|step| {
                let mut record = logs::Record::new(step);
                let wave = 0.01 * ((step * 7 + seed) % 5) as f64;
                record.set_named("loss", if step == 300 { 6.0 } else { 3.0 + wave });
                record.set_named(
                    "grad_norm",
                    if (297..301).contains(&step) {
                        9.0
                    } else {
                        1.0 + wave
                    },
                );
                record
            })
            .collect();
        let event = Event {
            first: 300,
            from: 268,
            to: 308,
            end: 308,
        };
        let truth = Truth {
            events: vec![event],
            ..Truth::default()
        };
        LabelledRun {
            name: seed.to_string(),
            measured: Some(measure(&records, &truth)),
            note: None,
        }
    }

    #[test]
    fn every_panel_is_there_with_their_numbers_in_words() {
        let runs: Vec<LabelledRun> = (0..4).map(run).collect();
        let svg = detectors_svg(&evaluate(&runs, &Labels::Rule, 1.0)).unwrap();
        assert!(svg.contains("Detectors on 4 runs with 4 events"));
        assert!(
            svg.contains("robust-gradient: 4 of 4 found, median 3 steps"),
            "{svg}"
        );
        assert!(
            svg.contains("robust-loss: 100 % at 0 false alarms"),
            "{svg}"
        );
        assert_eq!(svg.matches("<svg").count(), 5);
        assert_eq!(svg.matches("</svg>").count(), 5);
        assert_eq!(svg.matches("<style>").count(), 1);
    }

    #[test]
    fn nothing_to_draw_is_drawn_empty() {
        let svg = detectors_svg(&evaluate(&[], &Labels::Rule, 1.0)).unwrap();
        assert!(svg.contains("Detectors on 0 runs with 0 events") && !svg.contains("NaN"));
    }
}
