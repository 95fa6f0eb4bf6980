//! One dot for each matrix, a row for each kind of matrix and file, a panel for each figure: `workbench quantize FILE --out`.

use crate::error::ReportError;
use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{self, Chart, Frame, Key, Layer, PX, WIDTH};
use crate::plot::dots::spread;
use crate::plot::label::shorten;
use crate::plot::{palette, panels};
use crate::prose::significant;
use plotters::element::Circle;
use plotters::style::Color;

/// One figure of every matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsPanel {
    /// What it is, in one word that can be part of an id.
    pub what: String,
    /// What it is, above the panel.
    pub title: String,
    /// Under the axis, with its unit.
    pub axis: String,
    /// From above.
    pub rows: Vec<WeightsRow>,
}

/// The matrices of a kind in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsRow {
    /// What they do.
    pub kind: String,
    /// Which of the files, from 0.
    pub file: usize,
    /// Name and value; what is not finite is left out.
    pub matrices: Vec<(String, f64)>,
}

/// Height of a row, and of all else in a panel, in CSS pixels.
const ROW: i32 = 24;
const REST: i32 = 116;

/// Draws the panels, two in a row, as an SVG document that needs nothing else. A file has the same colour everywhere.
pub fn weights_svg(
    title: &str,
    files: &[String],
    shown: &[WeightsPanel],
) -> Result<String, ReportError> {
    let most = shown.iter().map(|panel| panel.rows.len()).max();
    let height = REST + ROW * most.unwrap_or(0) as i32;
    let drawn = shown.iter().map(|panel| draw(panel, files, height));
    let drawn = drawn.collect::<Result<Vec<_>, _>>()?;
    Ok(panels::document("weights", title, height, &drawn))
}

fn draw(panel: &WeightsPanel, files: &[String], height: i32) -> Result<String, ReportError> {
    let rows = || panel.rows.iter().rev();
    let y = Axis::named(rows().map(|row| shorten(&row.kind, 26)).collect(), 0.0);
    let values = panel.rows.iter().flat_map(finite).map(|one| one.1);
    let x = Axis::new(Scale::Auto, values, 6);
    let legend = files.iter().enumerate();
    let legend = legend.map(|(at, file)| (Key::Dot(palette::arm(at)), shorten(file, 40)));
    let mut layers = Vec::new();
    for (row, place) in rows().zip(0..) {
        let count = finite(row).count() as i32;
        for ((name, value), at) in finite(row).zip(0..) {
            let (place, colour) = (f64::from(place) + spread(at, count), palette::arm(row.file));
            let dot = move |chart: &mut Chart<'_, '_>| {
                let dot = Circle::new((*value, place), 4 * PX, colour.rgb().filled());
                chart.plotting_area().draw(&dot)
            };
            layers.push(Layer::fixed(dot).titled(format!("{name}: {}", significant(*value, 3))));
        }
    }
    let said: Vec<String> = panel.rows.iter().map(|row| said(row, files)).collect();
    let frame = Frame {
        name: &format!("weights-{}", panel.what),
        title: &panel.title,
        description: &said.join(" "),
        size: (WIDTH, height),
        left: 12 + y.label_width(),
        legend: legend.collect(),
        names: Vec::new(),
        x: &x,
        x_label: &panel.axis,
        y: &y,
        y_label: "",
    };
    canvas::draw_layers(&frame, &layers)
}

fn finite(row: &WeightsRow) -> impl Iterator<Item = &(String, f64)> {
    row.matrices.iter().filter(|(_, value)| value.is_finite())
}

/// A row in words.
fn said(row: &WeightsRow, files: &[String]) -> String {
    let values = || finite(row).map(|one| one.1);
    let file = files.get(row.file).map_or("", String::as_str);
    let ends = [
        values().fold(f64::INFINITY, f64::min),
        values().fold(f64::NEG_INFINITY, f64::max),
    ];
    match values().count() {
        0 => format!("{}, {file}: none.", row.kind),
        count => {
            let [low, high] = ends.map(|end| significant(end, 3));
            format!("{}, {file}: {low} to {high} in {count}.", row.kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(rows: &[(&str, usize, &[f64])]) -> WeightsPanel {
        let row = |(kind, file, values): &(&str, usize, &[f64])| WeightsRow {
            kind: (*kind).to_owned(),
            file: *file,
            matrices: values.iter().map(|v| (format!("h.<{v}>"), *v)).collect(),
        };
        WeightsPanel {
            what: "kurtosis".to_owned(),
            title: "Kurtosis".to_owned(),
            axis: "excess kurtosis".to_owned(),
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn every_matrix_is_a_dot_with_its_name_and_every_row_is_said() {
        let files = ["a & b".to_owned(), "c".to_owned()];
        let shown = panel(&[
            ("qkv", 0, &[0.5, 2.0]),
            ("qkv", 1, &[40.0, f64::NAN]),
            ("ffn down", 1, &[f64::NAN]),
        ]);
        let svg = weights_svg("Weights <of> two", &files, &[shown.clone(), shown]).unwrap();
        assert_eq!(svg.matches("h.&lt;").count(), 2 * 3, "{svg}");
        assert!(svg.contains("Weights &lt;of&gt; two") && svg.contains("a &amp; b"));
        let said = "qkv, a &amp; b: 0.5 to 2 in 2. qkv, c: 40 to 40 in 1. ffn down, c: none.";
        assert!(svg.contains(said), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 3);
    }

    #[test]
    fn nothing_to_draw_is_drawn() {
        assert!(weights_svg("none", &[], &[]).is_ok());
        assert!(weights_svg("none", &[], &[panel(&[])]).is_ok());
    }
}
