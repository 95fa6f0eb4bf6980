//! Shares of one whole as stacked bars, a panel for each whole.

use crate::error::ReportError;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Frame, Key, WIDTH, stroke};
use crate::plot::palette::{self, Colour, PAPER};
use crate::plot::panels;
use crate::prose::significant;
use plotters::element::Rectangle;
use plotters::style::Color;

/// One whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SharePanel {
    /// What it is.
    pub title: String,
    /// From above.
    pub bars: Vec<ShareBar>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareBar {
    /// What stands before it.
    pub label: String,
    /// Kind and share of the whole, 0 to 1; what is not finite is left out.
    pub parts: Vec<(String, f64)>,
}

/// Height of a bar with its gap, and of all else in a panel, in CSS pixels.
const BAR: i32 = 22;
const REST: i32 = 110;
/// Half the height of a bar, in rows.
const HALF: f64 = 0.38;

/// Draws the panels, two in a row, as an SVG document that needs nothing else. A kind has the same colour everywhere.
pub fn shares_svg(title: &str, shown: &[SharePanel]) -> Result<String, ReportError> {
    let mut kinds: Vec<&str> = Vec::new();
    for (kind, _) in shown
        .iter()
        .flat_map(|panel| &panel.bars)
        .flat_map(|bar| &bar.parts)
    {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
    }
    let most = shown.iter().map(|panel| panel.bars.len()).max();
    let height = REST + BAR * most.unwrap_or(0) as i32;
    let numbered = shown.iter().zip(0..);
    let drawn = numbered.map(|(panel, number)| draw(panel, number, &kinds, height));
    let drawn = drawn.collect::<Result<Vec<_>, _>>()?;
    Ok(panels::document("shares", title, height, &drawn))
}

fn draw(
    panel: &SharePanel,
    number: usize,
    kinds: &[&str],
    height: i32,
) -> Result<String, ReportError> {
    let place = |kind: &str| kinds.iter().position(|known| *known == kind).unwrap_or(0);
    let legend = kinds.iter().enumerate();
    let legend = legend.map(|(place, kind)| (Key::Dot(palette::arm(place)), (*kind).to_owned()));
    let said = |bar: &ShareBar| {
        let percent = format!("{} %", significant(100.0 * total(bar), 3));
        format!("{}: {percent}", bar.label)
    };
    let said: Vec<String> = panel.bars.iter().map(said).collect();
    let names = panel.bars.iter().rev().map(|bar| bar.label.clone());
    let y = Axis::named(names.collect(), 0.0);
    let ends = || panel.bars.iter().map(|bar| 100.0 * total(bar));
    // Where nothing is finite, the axis is that of any shares.
    let most = if ends().any(|end| end > 0.0) {
        0.0
    } else {
        100.0
    };
    let x = Axis::new(Scale::Linear, ends().chain([0.0, most]), 6);
    let frame = Frame {
        name: &format!("shares-{number}"),
        title: &panel.title,
        description: &format!("{}.", said.join(", ")),
        size: (WIDTH, height),
        left: 12 + y.label_width(),
        legend: legend.collect(),
        names: Vec::new(),
        x: &x,
        x_label: &format!("% of the whole, {}", panel.title),
        y: &y,
        y_label: "",
    };
    canvas::draw(&frame, |chart| {
        let area = chart.plotting_area();
        for (bar, row) in panel.bars.iter().rev().zip(0..) {
            let row = f64::from(row);
            let mut from = 0.0;
            for (kind, share) in bar.parts.iter().filter(|part| part.1.is_finite()) {
                let to = from + 100.0 * share;
                let corners = [(from, row - HALF), (to, row + HALF)];
                let colour: Colour = palette::arm(place(kind));
                area.draw(&Rectangle::new(corners, colour.rgb().filled()))?;
                // A line between neighbours.
                area.draw(&Rectangle::new(corners, stroke(PAPER, 1)))?;
                from = to;
            }
        }
        Ok(())
    })
}

fn total(bar: &ShareBar) -> f64 {
    let shares = bar.parts.iter().map(|part| part.1);
    shares
        .filter(|share| share.is_finite())
        .fold(0.0, |sum, share| sum + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_drawn_and_said() {
        let bar = |label: &str, parts: &[(&str, f64)]| ShareBar {
            label: label.to_owned(),
            parts: parts
                .iter()
                .map(|(kind, share)| ((*kind).to_owned(), *share))
                .collect(),
        };
        let panel = SharePanel {
            title: "step <7>".to_owned(),
            bars: vec![
                bar("outside", &[("embedding", 0.5)]),
                bar(
                    "layer 0",
                    &[("attention", 0.25), ("ffn", 0.25), ("norm", f64::NAN)],
                ),
            ],
        };
        let svg = shares_svg("A & b", &[panel.clone(), panel]).unwrap();
        assert!(svg.contains("A &amp; b") && svg.contains("step &lt;7&gt;"));
        assert!(svg.contains("outside: 50 %, layer 0: 50 %."), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 3);
    }

    #[test]
    fn shares_that_are_not_finite_leave_an_axis_of_percent() {
        let bars = vec![ShareBar {
            label: "outside".to_owned(),
            parts: vec![("embedding".to_owned(), f64::NAN)],
        }];
        let title = "step 1".to_owned();
        let svg = shares_svg("none", &[SharePanel { title, bars }]).unwrap();
        assert!(
            svg.contains("\n100\n") && svg.contains("outside: 0 %"),
            "{svg}"
        );
    }

    #[test]
    fn nothing_to_draw_is_drawn() {
        assert!(shares_svg("none", &[]).is_ok());
        let empty = SharePanel {
            title: "step 1".to_owned(),
            bars: Vec::new(),
        };
        assert!(shares_svg("none", &[empty]).is_ok());
    }
}
