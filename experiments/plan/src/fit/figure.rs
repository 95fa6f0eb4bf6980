//! Predicted against published, one point a system.

use super::report::{Errors, Prediction};
use super::system::Use;
use crate::PlanError;
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 620);
/// Fitted, held out, set aside.
const COLOURS: [(&str, RGBColor); 3] = [
    ("fitted", RGBColor(150, 160, 175)),
    ("held out", RGBColor(200, 30, 40)),
    ("set aside", RGBColor(225, 170, 60)),
];

fn kind(one: &Prediction) -> usize {
    match (one.is_fitted, one.used) {
        (true, _) => 0,
        (false, Use::Fitted | Use::HeldOut) => 1,
        (false, Use::Aside) => 2,
    }
}

/// Model TFLOP/s of a GPU, predicted over published, as an SVG document.
pub fn scatter(errors: &Errors) -> Result<String, PlanError> {
    let mut svg = String::new();
    draw(&mut svg, errors).map_err(|problem| PlanError::Failed {
        what: "drawing",
        problem,
    })?;
    Ok(svg)
}

fn draw(svg: &mut String, errors: &Errors) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let points: Vec<(usize, f64, f64)> = (errors.predictions.iter())
        .filter_map(|one| Some((kind(one), one.tflops?, one.predicted_tflops)))
        .collect();
    let most = points
        .iter()
        .flat_map(|(_, x, y)| [*x, *y])
        .fold(100.0, f64::max)
        * 1.05;
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|error| text(&error))?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d((5.0..most).log_scale(), (5.0..most).log_scale())
        .map_err(|error| text(&error))?;
    chart
        .configure_mesh()
        .x_desc("published, TFLOP/s of a GPU without recomputation")
        .y_desc("predicted")
        .light_line_style(WHITE)
        .draw()
        .map_err(|error| text(&error))?;
    let factor = 1.0 + errors.spread.measured;
    for (scale, alpha) in [(1.0, 0.9), (factor, 0.4), (factor.recip(), 0.4)] {
        let ends = [5.0 / scale.min(1.0), most / scale.max(1.0)];
        let line = LineSeries::new(ends.map(|x| (x, x * scale)), BLACK.mix(alpha));
        chart.draw_series(line).map_err(|error| text(&error))?;
    }
    for (at, (name, colour)) in COLOURS.into_iter().enumerate().rev() {
        let own = points.iter().filter(|(kind, ..)| *kind == at);
        let radius = if at == 1 { 5 } else { 3 };
        let drawn = own.map(|(_, x, y)| Circle::new((*x, *y), radius, colour.mix(0.7).filled()));
        chart
            .draw_series(drawn)
            .map_err(|error| text(&error))?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
    }
    chart
        .configure_series_labels()
        .border_style(BLACK.mix(0.3))
        .background_style(WHITE)
        .draw()
        .map_err(|error| text(&error))?;
    root.present().map_err(|error| text(&error))
}
