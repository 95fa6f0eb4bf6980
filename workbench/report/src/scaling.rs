//! Cost per token against operations per token, one panel for each size that was varied.

use crate::error::ReportError;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Frame, Key, PX, WIDTH, stroke, text};
use crate::plot::palette::{self, INK};
use crate::plot::panels;
use crate::prose::significant;
use plotters::element::{Circle, DashedPathElement, PathElement, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// One size of the model, varied while the others stay.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPanel {
    /// What is varied, in one word that can be part of an id.
    pub what: String,
    /// What is shown, in a sentence: the panel's description.
    pub finding: String,
    /// In order of the size.
    pub points: Vec<ScalingPoint>,
    /// Best matrix product measured, FLOP/s: the line below which no point can lie.
    pub peak: f64,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPoint {
    /// The size.
    pub label: String,
    /// Needed operations per token, FLOP.
    pub flops: f64,
    /// Time per token, seconds.
    pub seconds: f64,
}

/// Height of a panel in CSS pixels.
const HEIGHT: i32 = 340;
const DASH: (i32, i32) = (5, 4);

/// Draws all panels, two in a row, as an SVG document that needs nothing else.
pub fn scaling_svg(title: &str, shown: &[ScalingPanel]) -> Result<String, ReportError> {
    let drawn = shown.iter().map(draw).collect::<Result<Vec<_>, _>>()?;
    Ok(panels::document("scaling", title, HEIGHT, &drawn))
}

fn draw(panel: &ScalingPanel) -> Result<String, ReportError> {
    // Millions of operations and microseconds: numbers that fit on an axis.
    let points: Vec<(f64, f64)> = (panel.points.iter())
        .map(|point| (point.flops / 1e6, point.seconds * 1e6))
        .collect();
    let at_peak = |mega: f64| mega * 1e12 / panel.peak;
    let x = Axis::new(Scale::Log, points.iter().map(|point| point.0), 6);
    let (from, to) = x.ends();
    let costs = points.iter().map(|point| point.1);
    let y = Axis::new(Scale::Log, costs.chain([at_peak(from), at_peak(to)]), 6);
    let colour = palette::arm(1);
    let peak = format!("at the peak, {} GFLOP/s", significant(panel.peak / 1e9, 3));
    let described: Vec<_> = (panel.points.iter().zip(&points))
        .map(|(point, (mega, micro))| {
            let (mega, micro) = (significant(*mega, 3), significant(*micro, 3));
            format!("{}: {micro} µs for {mega} MFLOP.", point.label)
        })
        .collect();
    let frame = Frame {
        name: &format!("scaling-{}", panel.what),
        title: &format!("Cost per token by {}", panel.what),
        description: &format!("{} {}", panel.finding, described.join(" ")),
        size: (WIDTH, HEIGHT),
        left: 26 + y.label_width(),
        legend: vec![
            (Key::Dot(colour), panel.what.clone()),
            (Key::Line(INK, Some(DASH)), peak),
        ],
        names: Vec::new(),
        x: &x,
        x_label: "MFLOP per token",
        y: &y,
        y_label: "µs per token",
    };
    canvas::draw(&frame, |chart| {
        let area = chart.plotting_area();
        let line = [(from, at_peak(from)), (to, at_peak(to))];
        let (dash, gap) = DASH;
        let style = stroke(INK, 1);
        area.draw(&DashedPathElement::new(line, dash * PX, gap * PX, style))?;
        area.draw(&PathElement::new(points.clone(), stroke(colour, 2)))?;
        for (point, at) in panel.points.iter().zip(&points) {
            area.draw(&Circle::new(*at, 5 * PX, colour.rgb().filled()))?;
            let style = text(INK).pos(Pos::new(HPos::Center, VPos::Bottom));
            let (px, py) = area.map_coordinate(at);
            let (x0, y0) = area.get_base_pixel();
            let place = (px - x0, py - y0 - 9 * PX);
            area.strip_coord_spec()
                .draw(&Text::new(point.label.clone(), place, style))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_is_there_with_its_points_and_its_words() {
        let panel = |what: &str| ScalingPanel {
            what: what.to_owned(),
            finding: "Grows <slower>.".to_owned(),
            points: [(64, 1e6, 1e-4), (128, 4e6, 3e-4)]
                .map(|(size, flops, seconds)| ScalingPoint {
                    label: size.to_string(),
                    flops,
                    seconds,
                })
                .to_vec(),
            peak: 5e10,
        };
        let svg = scaling_svg("Cost & size", &["width", "depth", "sequence"].map(panel)).unwrap();
        assert!(svg.starts_with("<svg role=\"img\""));
        assert!(svg.contains("Cost &amp; size") && svg.contains("Grows &lt;slower&gt;."));
        assert!(svg.contains("128: 300 µs for 4 MFLOP."), "{svg}");
        assert!(svg.contains("at the peak, 50 GFLOP/s"));
        assert_eq!(svg.matches("<svg").count(), 4);
        assert_eq!(svg.matches("</svg>").count(), 4);
        assert_eq!(svg.matches("<style>").count(), 1);
    }
}
