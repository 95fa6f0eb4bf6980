//! The frame every figure shares: size, axes, grid, legend, and the words for screen readers.

use super::axis::Axis;
use super::label::{TEXT, escape, shorten, text_width};
use super::palette::{Colour, FAINT, GRID, INK, PAPER};
use crate::error::ReportError;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, Cross, DashedPathElement, PathElement, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, ShapeStyle, TRANSPARENT, TextStyle};

/// Device pixels per CSS pixel. Plotters rounds to whole pixels, which shows on smooth curves;
/// drawing at twice the size halves the error and the view box scales it back.
pub(crate) const PX: i32 = 2;
/// Width of every figure in CSS pixels: two fit beside each other on a desktop page.
pub(crate) const WIDTH: i32 = 520;
const LEGEND_LINE: i32 = 20;

/// The painting surface inside the axes, in the values' own units.
pub(crate) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
/// What every drawing operation returns.
pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;
type Surface<'b> = DrawingArea<SVGBackend<'b>, Shift>;

/// The sample in front of a legend entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// A curve.
    Line(Colour, Option<(i32, i32)>),
    /// A filled dot.
    Dot(Colour),
    /// An open dot.
    Ring(Colour),
    /// A value that is not finite.
    Cross(Colour),
}

/// Everything about a figure but its curves.
pub(crate) struct Frame<'a> {
    /// Root of the ids in the SVG; the file name.
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
    /// Height in CSS pixels.
    pub(crate) height: i32,
    /// Room for the labels of the y axis in CSS pixels.
    pub(crate) left: i32,
    pub(crate) legend: Vec<(Key, String)>,
    pub(crate) x: &'a Axis,
    pub(crate) x_label: &'a str,
    pub(crate) y: &'a Axis,
    pub(crate) y_label: &'a str,
}

/// Draws the frame, lets `paint` fill it, and returns an accessible SVG element.
pub(crate) fn draw(
    frame: &Frame<'_>,
    paint: impl FnOnce(&mut Chart<'_, '_>) -> Drawn,
) -> Result<String, ReportError> {
    let mut svg = String::new();
    let size = ((WIDTH * PX) as u32, (frame.height * PX) as u32);
    paint_all(SVGBackend::with_string(&mut svg, size), frame, paint).map_err(|error| {
        ReportError::Draw {
            figure: frame.name.to_owned(),
            message: error.to_string(),
        }
    })?;
    Ok(describe(&svg, frame))
}

fn paint_all<'b>(
    backend: SVGBackend<'b>,
    frame: &Frame<'_>,
    paint: impl FnOnce(&mut Chart<'_, 'b>) -> Drawn,
) -> Drawn {
    let root = backend.into_drawing_area();
    root.fill(&PAPER.rgb())?;
    let below = legend(&root, &frame.legend)?;
    let mut chart = ChartBuilder::on(&root)
        .margin_top((below + 8) * PX)
        .margin_right(20 * PX)
        .margin_left(4 * PX)
        .margin_bottom(4 * PX)
        .x_label_area_size(40 * PX)
        .y_label_area_size(frame.left * PX)
        .build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    chart
        .configure_mesh()
        .x_desc(frame.x_label)
        .y_desc(frame.y_label)
        .bold_line_style(stroke(GRID, 1))
        .light_line_style(TRANSPARENT)
        .axis_style(stroke(FAINT, 1))
        .label_style(text(FAINT))
        .axis_desc_style(text(FAINT))
        .draw()?;
    paint(&mut chart)?;
    drop(chart);
    root.present()
}

/// A line style, its width in CSS pixels.
pub(crate) fn stroke(colour: Colour, width: i32) -> ShapeStyle {
    colour.rgb().stroke_width((width * PX) as u32)
}

/// The text style of all figures.
pub(crate) fn text(colour: Colour) -> TextStyle<'static> {
    // The SVG backend divides the size it is given by 1.24.
    let size = f64::from(TEXT * PX) * 1.24;
    let style = TextStyle::from(("sans-serif", size).into_font());
    TextStyle {
        color: colour.rgb().to_backend_color(),
        ..style
    }
}

/// Draws the legend above the axes, as many rows as it needs, and returns its height.
fn legend(
    root: &Surface<'_>,
    entries: &[(Key, String)],
) -> Result<i32, DrawingAreaErrorKind<std::io::Error>> {
    let style = text(INK).pos(Pos::new(HPos::Left, VPos::Center));
    let (mut x, mut y) = (8, 14);
    for (key, label) in entries {
        let label = shorten(label, 60);
        let width = 34 + text_width(&label) + 16;
        if x > 8 && x + width > WIDTH {
            (x, y) = (8, y + LEGEND_LINE);
        }
        let at = |dx: i32| ((x + dx) * PX, y * PX);
        match *key {
            Key::Line(colour, None) => {
                root.draw(&PathElement::new(vec![at(0), at(26)], stroke(colour, 3)))?;
            }
            Key::Line(colour, Some((dash, gap))) => root.draw(&DashedPathElement::new(
                [at(0), at(26)],
                dash * PX,
                gap * PX,
                stroke(colour, 2),
            ))?,
            Key::Dot(colour) => {
                root.draw(&Circle::new(at(13), 5 * PX, colour.rgb().filled()))?;
            }
            Key::Ring(colour) => root.draw(&Circle::new(at(13), 5 * PX, stroke(colour, 2)))?,
            Key::Cross(colour) => root.draw(&Cross::new(at(13), 5 * PX, stroke(colour, 2)))?,
        }
        root.draw(&Text::new(label, at(34), style.clone()))?;
        x += width;
    }
    Ok(if entries.is_empty() {
        0
    } else {
        y + LEGEND_LINE / 2
    })
}

/// Puts a title and description into the SVG and lets it scale.
fn describe(svg: &str, frame: &Frame<'_>) -> String {
    let body = svg.split_once('>').map_or(svg, |(_, body)| body);
    let name = frame.name;
    format!(
        "<svg class=\"figure\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\" \
         width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n<title id=\"{name}-title\">{}</title>\n\
         <desc id=\"{name}-desc\">{}</desc>{body}",
        WIDTH * PX,
        frame.height * PX,
        escape(frame.title),
        escape(frame.description),
        height = frame.height,
    )
}
