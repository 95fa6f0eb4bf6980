//! The frame every figure shares: size, axes, grid, legend, and the words for screen readers.

use super::axis::Axis;
use super::label::{TEXT, escape, shorten, text_width};
use super::palette::{Colour, FAINT, GRID, INK, PAPER, Paint};
use crate::error::ReportError;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, Cross, DashedPathElement, PathElement, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, IntoFont, ShapeStyle, TRANSPARENT, TextStyle};

/// Device pixels per CSS pixel. Plotters rounds to whole pixels, which shows on smooth curves;
/// drawing at twice the size halves the error and the view box scales it back.
pub(crate) const PX: i32 = 2;
/// Width of every figure in CSS pixels: two fit beside each other on a desktop page.
pub(crate) const WIDTH: i32 = 520;
const LEGEND_LINE: i32 = 20;
/// Longest name in a legend and beside a curve, characters.
const LONGEST_NAME: usize = 60;
const LONGEST_END: usize = 18;
/// Between the axes and a name beside a curve, and between two of those, CSS pixels.
const END_GAP: i32 = 18;
const END_LINE: i32 = 16;

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
    /// Width and height in CSS pixels, the legend included.
    pub(crate) size: (i32, i32),
    /// Room for the labels of the y axis in CSS pixels.
    pub(crate) left: i32,
    pub(crate) legend: Vec<(Key, String)>,
    /// Names that stand right of the axes.
    pub(crate) names: Vec<EndName>,
    pub(crate) x: &'a Axis,
    pub(crate) x_label: &'a str,
    pub(crate) y: &'a Axis,
    pub(crate) y_label: &'a str,
}

/// A name beside the end of a curve, instead of an entry in the legend.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EndName {
    /// Where the curve ends.
    pub(crate) value: f64,
    pub(crate) text: String,
    pub(crate) paint: Paint,
    /// As of its curve, see [`Layer::arm`].
    pub(crate) arm: Option<usize>,
}

/// A part of a figure that the page can hide or name.
pub(crate) struct Layer<'a> {
    /// Number of the arm it belongs to, for the switches of the page; none for what is always shown.
    pub(crate) arm: Option<usize>,
    /// What a pointer that rests on it is told.
    pub(crate) title: Option<String>,
    pub(crate) paint: Box<dyn Fn(&mut Chart<'_, '_>) -> Drawn + 'a>,
}

impl<'a> Layer<'a> {
    /// Of an arm, without a title.
    pub(crate) fn of_arm(arm: usize, paint: impl Fn(&mut Chart<'_, '_>) -> Drawn + 'a) -> Self {
        Self {
            arm: Some(arm),
            title: None,
            paint: Box::new(paint),
        }
    }

    /// What is always shown.
    pub(crate) fn fixed(paint: impl Fn(&mut Chart<'_, '_>) -> Drawn + 'a) -> Self {
        Self {
            arm: None,
            title: None,
            paint: Box::new(paint),
        }
    }

    pub(crate) fn titled(self, title: impl Into<String>) -> Self {
        Self {
            title: Some(title.into()),
            ..self
        }
    }
}

/// Draws the frame, lets `paint` fill it, and returns an accessible SVG element.
pub(crate) fn draw(
    frame: &Frame<'_>,
    paint: impl Fn(&mut Chart<'_, '_>) -> Drawn,
) -> Result<String, ReportError> {
    draw_layers(frame, &[Layer::fixed(paint)])
}

/// Draws the frame and the layers over it, each as a group of its own, and returns an accessible SVG element.
pub(crate) fn draw_layers(frame: &Frame<'_>, layers: &[Layer<'_>]) -> Result<String, ReportError> {
    let failed = |error: DrawingAreaErrorKind<std::io::Error>| ReportError::Draw {
        figure: frame.name.to_owned(),
        message: error.to_string(),
    };
    let mut base = String::new();
    paint_page(frame.backend(&mut base), frame).map_err(failed)?;
    let mut mesh = String::new();
    let inside = paint_mesh(frame.backend(&mut mesh), frame).map_err(failed)?;
    let mut body = format!(
        "<g>{}</g>\n<g class=\"ticks\">{}</g>\n",
        inner(&base),
        inner(&mesh)
    );
    for layer in layers {
        let mut drawn = String::new();
        paint_layer(frame.backend(&mut drawn), frame, &layer.paint).map_err(failed)?;
        body += &group("layer", layer, inner(&drawn));
    }
    body += &end_names(frame).map_err(failed)?;
    Ok(describe(&body, frame, &inside))
}

/// What stands between the tags of an SVG document. Each layer is drawn as a document of its own, because
/// plotters knows no groups.
fn inner(svg: &str) -> &str {
    let body = svg.split_once('>').map_or(svg, |(_, body)| body);
    body.trim_end().strip_suffix("</svg>").unwrap_or(body)
}

fn group(class: &str, layer: &Layer<'_>, body: &str) -> String {
    if body.trim().is_empty() {
        return String::new();
    }
    let arm = layer
        .arm
        .map_or(String::new(), |arm| format!(" data-arm=\"{arm}\""));
    let title = layer.title.as_ref();
    let title = title.map_or(String::new(), |title| {
        format!("<title>{}</title>", escape(title))
    });
    format!("<g class=\"{class}\"{arm}>{title}{body}</g>\n")
}

impl Frame<'_> {
    fn backend<'b>(&self, svg: &'b mut String) -> SVGBackend<'b> {
        SVGBackend::with_string(svg, ((self.size.0 * PX) as u32, (self.size.1 * PX) as u32))
    }

    /// Upper left corner of every entry of the legend, CSS pixels.
    fn legend_places(&self) -> Vec<(i32, i32)> {
        legend_places(&self.legend, self.size.0)
    }

    /// Room right of the axes, CSS pixels.
    fn right(&self) -> i32 {
        let widths = self
            .names
            .iter()
            .map(|name| text_width(&shorten(&name.text, LONGEST_END)));
        widths.max().map_or(20, |widest| widest + END_GAP + 8)
    }

    fn builder<'c, 'b>(&self, root: &'c Surface<'b>) -> ChartBuilder<'c, 'c, SVGBackend<'b>>
    where
        'b: 'c,
    {
        let below = self
            .legend_places()
            .last()
            .map_or(0, |place| place.1 + LEGEND_LINE);
        let mut builder = ChartBuilder::on(root);
        builder
            .margin_top((below + 8) * PX)
            .margin_right(self.right() * PX)
            .margin_left(4 * PX)
            .margin_bottom(4 * PX)
            .x_label_area_size(40 * PX)
            .y_label_area_size(self.left * PX);
        builder
    }
}

fn legend_places(legend: &[(Key, String)], width: i32) -> Vec<(i32, i32)> {
    let (mut x, mut y) = (8, 4);
    let place = |(_, label): &(Key, String)| {
        let own = 34 + text_width(&shorten(label, LONGEST_NAME)) + 16;
        if x > 8 && x + own > width {
            (x, y) = (8, y + LEGEND_LINE);
        }
        let at = (x, y);
        x += own;
        at
    };
    legend.iter().map(place).collect()
}

/// Height of a legend's lines behind the first in a figure of this width, CSS pixels: what a figure must be higher by, so that a long
/// legend leaves the curves their room.
pub(crate) fn more_legend(legend: &[(Key, String)], width: i32) -> i32 {
    let last = legend_places(legend, width)
        .last()
        .map_or(0, |place| place.1);
    last / LEGEND_LINE * LEGEND_LINE
}

/// The pixels inside the axes: from left to right, from top to bottom.
type PlotBox = (std::ops::Range<i32>, std::ops::Range<i32>);

/// Paper, legend, and what the axes are called.
fn paint_page(backend: SVGBackend<'_>, frame: &Frame<'_>) -> Drawn {
    let root = backend.into_drawing_area();
    root.fill(&PAPER.rgb())?;
    legend(&root, frame)?;
    let mut builder = frame.builder(&root);
    let chart = builder.build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    let (across, down) = chart.plotting_area().get_pixel_range();
    let centred = text(FAINT).pos(Pos::new(HPos::Center, VPos::Center));
    let below = (
        i32::midpoint(across.start, across.end),
        (frame.size.1 - 12) * PX,
    );
    root.draw(&Text::new(frame.x_label.to_owned(), below, centred.clone()))?;
    let upright = centred.transform(FontTransform::Rotate270);
    let beside = (14 * PX, i32::midpoint(down.start, down.end));
    root.draw(&Text::new(frame.y_label.to_owned(), beside, upright))?;
    drop(chart);
    root.present()
}

/// Grid, ticks and their numbers.
fn paint_mesh(
    backend: SVGBackend<'_>,
    frame: &Frame<'_>,
) -> Result<PlotBox, DrawingAreaErrorKind<std::io::Error>> {
    let root = backend.into_drawing_area();
    let mut builder = frame.builder(&root);
    let mut chart = builder.build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    chart
        .configure_mesh()
        .bold_line_style(stroke(GRID, 1))
        .light_line_style(TRANSPARENT)
        .axis_style(stroke(FAINT, 1))
        .label_style(text(FAINT))
        .draw()?;
    let inside = chart.plotting_area().get_pixel_range();
    drop(chart);
    root.present()?;
    Ok(inside)
}

fn paint_layer<'b>(
    backend: SVGBackend<'b>,
    frame: &Frame<'_>,
    paint: impl Fn(&mut Chart<'_, 'b>) -> Drawn,
) -> Drawn {
    let root = backend.into_drawing_area();
    let mut builder = frame.builder(&root);
    let mut chart = builder.build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    paint(&mut chart)?;
    drop(chart);
    root.present()
}

/// The names right of the axes, each a group, so that a name goes with its curve.
fn end_names(frame: &Frame<'_>) -> Result<String, DrawingAreaErrorKind<std::io::Error>> {
    let places = end_places(frame);
    let mut all = String::new();
    for (name, place) in frame.names.iter().zip(places) {
        let mut drawn = String::new();
        end_name(frame.backend(&mut drawn), frame, name, place)?;
        let layer = Layer {
            arm: name.arm,
            ..Layer::fixed(|_| Ok(()))
        };
        all += &group("end", &layer, inner(&drawn));
    }
    Ok(all)
}

/// A name, and a line to it from the end of its curve.
fn end_name(backend: SVGBackend<'_>, frame: &Frame<'_>, name: &EndName, place: i32) -> Drawn {
    let root = backend.into_drawing_area();
    let mut builder = frame.builder(&root);
    let chart = builder.build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    let end = (frame.x.ends().1, name.value);
    let (right, height) = chart.plotting_area().map_coordinate(&end);
    drop(chart);
    // On the whole figure: nothing can be drawn outside the axes from within.
    let line = vec![(right, height), (right + (END_GAP - 5) * PX, place)];
    root.draw(&PathElement::new(line, stroke(name.paint.colour(), 1)))?;
    let style = text(INK).pos(Pos::new(HPos::Left, VPos::Center));
    let words = shorten(&name.text, LONGEST_END);
    root.draw(&Text::new(words, (right + END_GAP * PX, place), style))?;
    root.present()
}

/// Whether so many names fit beside the axes of a figure of this height, CSS pixels.
pub(crate) fn names_fit(count: usize, height: i32) -> bool {
    count as i32 * END_LINE <= height - 60
}

/// The height of every name in pixels: at the end of its curve, or as near as its neighbours let it.
fn end_places(frame: &Frame<'_>) -> Vec<i32> {
    let below = frame
        .legend_places()
        .last()
        .map_or(0, |place| place.1 + LEGEND_LINE);
    let (top, bottom) = ((below + 8) * PX, (frame.size.1 - 44) * PX);
    let at = |value: f64| bottom - (frame.y.place(value) * f64::from(bottom - top)) as i32;
    let mut order: Vec<(usize, i32)> = frame
        .names
        .iter()
        .map(|name| at(name.value))
        .enumerate()
        .collect();
    order.sort_by_key(|(_, place)| *place);
    let apart = END_LINE * PX;
    let mut next = top;
    for (_, place) in &mut order {
        *place = (*place).max(next);
        next = *place + apart;
    }
    // What was pushed out below is pushed up again.
    let mut next = bottom;
    for (_, place) in order.iter_mut().rev() {
        *place = (*place).min(next);
        next = *place - apart;
    }
    order.sort_by_key(|(arm, _)| *arm);
    order.into_iter().map(|(_, place)| place).collect()
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

/// Draws the legend above the axes, as many rows as it needs.
fn legend(root: &Surface<'_>, frame: &Frame<'_>) -> Drawn {
    let style = text(INK).pos(Pos::new(HPos::Left, VPos::Center));
    for ((key, label), (x, y)) in frame.legend.iter().zip(frame.legend_places()) {
        let at = |dx: i32| ((x + dx) * PX, (y + LEGEND_LINE / 2) * PX);
        sample(root, *key, at)?;
        let label = shorten(label, LONGEST_NAME);
        root.draw(&Text::new(label, at(34), style.clone()))?;
    }
    Ok(())
}

fn sample(root: &Surface<'_>, key: Key, at: impl Fn(i32) -> (i32, i32)) -> Drawn {
    match key {
        Key::Line(colour, None) => {
            root.draw(&PathElement::new(vec![at(0), at(26)], stroke(colour, 3)))
        }
        Key::Line(colour, Some((dash, gap))) => root.draw(&DashedPathElement::new(
            [at(0), at(26)],
            dash * PX,
            gap * PX,
            stroke(colour, 2),
        )),
        Key::Dot(colour) => root.draw(&Circle::new(at(13), 5 * PX, colour.rgb().filled())),
        Key::Ring(colour) => root.draw(&Circle::new(at(13), 5 * PX, stroke(colour, 2))),
        Key::Cross(colour) => root.draw(&Cross::new(at(13), 5 * PX, stroke(colour, 2))),
    }
}

/// Puts a title, a description and what a script needs to read the axes into the SVG, and lets it scale.
fn describe(body: &str, frame: &Frame<'_>, (across, down): &PlotBox) -> String {
    let (name, (width, height)) = (frame.name, (frame.size.0, frame.size.1));
    // Rows and columns with names are drawn anew by the script when it zooms.
    let named = |key: &str, axis: &Axis| {
        let names: Vec<String> = axis.names().iter().map(|name| escape(name)).collect();
        if names.is_empty() {
            String::new()
        } else {
            format!(" data-{key}-names=\"{}\"", names.join("&#10;"))
        }
    };
    let names = named("x", frame.x) + &named("y", frame.y);
    format!(
        "<svg class=\"figure\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" data-box=\"{} {} {} {}\" \
         data-x=\"{}\" data-y=\"{}\"{names} xmlns=\"http://www.w3.org/2000/svg\">\n\
         <title id=\"{name}-title\">{}</title>\n\
         <desc id=\"{name}-desc\">{}</desc>\n{body}</svg>\n",
        width * PX,
        height * PX,
        across.start,
        down.start,
        across.end,
        down.end,
        frame.x.code(),
        frame.y.code(),
        escape(frame.title),
        escape(frame.description),
    )
}
