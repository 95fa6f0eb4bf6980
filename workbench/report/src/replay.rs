//! The losses of the twins of a replay around its step, one panel for each kind of change.

use crate::error::ReportError;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Chart, Drawn, Frame, Key, PX, stroke};
use crate::plot::palette::{self, Colour, FAINT, INK};
use crate::plot::panels;
use crate::prose::significant;
use plotters::element::{Circle, DashedPathElement, PathElement};
use plotters::style::Color;

/// The loss of a twin.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayLine {
    /// Its name.
    pub twin: String,
    /// The panel it belongs to; none for the control, which is in all of them.
    pub panel: Option<String>,
    /// Step and loss, nats per token.
    pub points: Vec<(u64, f64)>,
}

/// Height of a panel without its legend, in CSS pixels.
const HEIGHT: i32 = 320;
/// Height of a line of the legend.
const LEGEND: i32 = 20;
const DASH: (i32, i32) = (5, 4);

/// Draws the panels, two in a row, as an SVG document that needs nothing else. Step `at` is marked.
pub fn replay_svg(title: &str, at: u64, lines: &[ReplayLine]) -> Result<String, ReportError> {
    let mut kinds: Vec<&str> = Vec::new();
    for panel in lines.iter().filter_map(|line| line.panel.as_deref()) {
        if !kinds.contains(&panel) {
            kinds.push(panel);
        }
    }
    let of_panel = |panel: &str| -> Vec<&ReplayLine> {
        let fits = |line: &&ReplayLine| line.panel.as_deref().is_none_or(|own| own == panel);
        lines.iter().filter(fits).collect()
    };
    let most = kinds.iter().map(|panel| of_panel(panel).len()).max();
    let height = HEIGHT + LEGEND * most.unwrap_or(0) as i32;
    let all = || lines.iter().flat_map(|line| line.points.iter());
    let axes = (
        Axis::new(Scale::Linear, all().map(|point| point.0 as f64), 6),
        Axis::new(Scale::Auto, all().map(|point| point.1), 6),
    );
    let numbered = kinds.iter().zip(0..);
    let drawn = numbered.map(|(panel, i)| draw(panel, i, at, &of_panel(panel), &axes, height));
    let drawn = drawn.collect::<Result<Vec<_>, _>>()?;
    Ok(panels::document("replay", title, height, &drawn))
}

fn draw(
    panel: &str,
    number: i32,
    at: u64,
    lines: &[&ReplayLine],
    (x, y): &(Axis, Axis),
    height: i32,
) -> Result<String, ReportError> {
    let legend = lines.iter().enumerate().map(|(place, line)| {
        let (colour, dash) = look(place, line);
        (Key::Line(colour, dash), line.twin.clone())
    });
    let peak = |line: &&ReplayLine| {
        let highest = line
            .points
            .iter()
            .map(|point| point.1)
            .fold(f64::NEG_INFINITY, f64::max);
        format!("{} up to {}", line.twin, significant(highest, 3))
    };
    let peaks: Vec<String> = lines.iter().map(peak).collect();
    let frame = Frame {
        name: &format!("replay-{number}"),
        title: &format!("Loss of the twins: {panel}"),
        description: &format!("Largest loss: {}.", peaks.join(", ")),
        height,
        left: 26 + y.label_width(),
        legend: legend.collect(),
        x,
        x_label: "step",
        y,
        y_label: "loss, nats/token",
    };
    canvas::draw(&frame, |chart| {
        let area = chart.plotting_area();
        let (low, high) = y.ends();
        let mark = [(at as f64, low), (at as f64, high)];
        let (dash, gap) = DASH;
        area.draw(&DashedPathElement::new(
            mark,
            dash * PX,
            gap * PX,
            stroke(FAINT, 1),
        ))?;
        // The control last, on top.
        for (place, line) in lines.iter().enumerate().rev() {
            curve(chart, line, look(place, line))?;
        }
        Ok(())
    })
}

/// Colour and dash of a line.
fn look(place: usize, line: &ReplayLine) -> (Colour, Option<(i32, i32)>) {
    match line.panel {
        None => (INK, None),
        Some(_) => (palette::arm(place), palette::dash(place)),
    }
}

/// Broken where the loss is not finite.
fn curve(
    chart: &Chart<'_, '_>,
    line: &ReplayLine,
    (colour, dash): (Colour, Option<(i32, i32)>),
) -> Drawn {
    let area = chart.plotting_area();
    for part in line.points.split(|point| !point.1.is_finite()) {
        let points: Vec<(f64, f64)> = part
            .iter()
            .map(|(step, loss)| (*step as f64, *loss))
            .collect();
        match (&points[..], dash) {
            ([], _) => {}
            ([alone], _) => area.draw(&Circle::new(*alone, 2 * PX, colour.rgb().filled()))?,
            (_, None) => area.draw(&PathElement::new(points, stroke(colour, 2)))?,
            (_, Some((dash, gap))) => {
                area.draw(&DashedPathElement::new(
                    points,
                    dash * PX,
                    gap * PX,
                    stroke(colour, 2),
                ))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_has_a_panel_with_the_control_in_it() {
        let line = |twin: &str, panel: Option<&str>| ReplayLine {
            twin: twin.to_owned(),
            panel: panel.map(str::to_owned),
            points: vec![(1, 3.0), (2, 8.0), (3, f64::NAN), (4, 4.0), (5, 3.5)],
        };
        let lines = [
            line("same", None),
            line("skip", Some("data")),
            line("fp32", Some("precision")),
            line("bf16", Some("precision")),
        ];
        let svg = replay_svg("Step 2 & its <twins>", 2, &lines).unwrap();
        assert!(svg.contains("Step 2 &amp; its &lt;twins&gt;"));
        assert!(
            svg.contains("Loss of the twins: data") && svg.contains("Loss of the twins: precision")
        );
        assert!(
            svg.contains("same up to 8, fp32 up to 8, bf16 up to 8"),
            "{svg}"
        );
        assert_eq!(svg.matches("<svg").count(), 3);
    }
}
