//! A timeline as a drawing.

mod axis;
mod brush;

use super::input::name;
use super::view::{Part, bubble, lanes, parts, time};
use super::{Event, Timeline};
use crate::PlanError;
use axis::{draw_axis, draw_legend};
use brush::{Drawn, FAINT, IDLE, INK, PX, Surface, fill, ink_on, shade, write};
use plotters::drawing::IntoDrawingArea;
use plotters::prelude::SVGBackend;
use plotters::style::WHITE;
use plotters::style::text_anchor::HPos;
use words::counted;

const WIDTH: i32 = 1200 * PX;
const LEFT: i32 = 72 * PX;
const RIGHT: i32 = 24 * PX;
const TOP: i32 = 62 * PX;
/// Axis and legend.
const BOTTOM: i32 = 68 * PX;
const GAP: i32 = 40 * PX;
/// Lanes drawn of a deep pipeline.
const LANES: usize = 64;
/// Units of a pass of average length: below the first the middle is left out, and the rest is
/// drawn at no more than the second.
const PASS: (f64, f64) = (1.5 * PX as f64, 18.0 * PX as f64);
/// Longest title in characters.
const TITLE: usize = 110;

/// Draws one lane per stage as an SVG document that needs nothing else: passes in the colour of
/// their direction and the shade of their chunk, with the number of their micro-batch where there
/// is room. Of a step too long to show, the begin and the end are drawn.
pub fn timeline_svg(timeline: &Timeline, title: &str) -> Result<String, PlanError> {
    let title = printable(title);
    let shown = lanes(timeline.peak_in_flight.len(), LANES);
    let lane = (440 * PX / shown.len() as i32).clamp(9 * PX, 34 * PX);
    let height = TOP + lane * shown.len() as i32 + BOTTOM;
    let mut svg = String::new();
    let surface = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32));
    draw(&surface.into_drawing_area(), timeline, &title, &shown, lane).map_err(|error| {
        PlanError::Failed {
            what: "drawing the timeline",
            problem: error.to_string(),
        }
    })?;
    Ok(describe(&svg, timeline, &title, height))
}

fn draw(
    surface: &Surface<'_>,
    timeline: &Timeline,
    title: &str,
    shown: &[Option<usize>],
    lane: i32,
) -> Drawn {
    surface.fill(&WHITE)?;
    write(surface, title, (LEFT, 18 * PX), 17, INK, HPos::Left)?;
    write(
        surface,
        &caption(timeline),
        (LEFT, 42 * PX),
        13,
        FAINT,
        HPos::Left,
    )?;
    let width = f64::from(WIDTH - LEFT - RIGHT);
    // Half the page for the filling (or draining) of the pipeline, if that is readable.
    let filling = 2.3 * timeline.input.stages as f64 * timeline.input.chunks as f64;
    let readable = ((width - f64::from(GAP)) / 2.0 / filling).clamp(PASS.0, PASS.1);
    let pieces = parts(timeline, width, f64::from(GAP), PASS.0, readable);
    for (row, stage) in shown.iter().enumerate() {
        let top = TOP + lane * row as i32;
        let Some(stage) = *stage else {
            let at = (LEFT - 8 * PX, top + lane / 2);
            write(surface, "⋮", at, 13, FAINT, HPos::Right)?;
            continue;
        };
        let size = if lane >= 14 * PX { 12 } else { 9 };
        let at = (LEFT - 8 * PX, top + lane / 2);
        write(
            surface,
            &format!("stage {stage}"),
            at,
            size,
            INK,
            HPos::Right,
        )?;
        let first = timeline
            .events
            .partition_point(|event| (event.stage as usize) < stage);
        let past = timeline
            .events
            .partition_point(|event| (event.stage as usize) <= stage);
        for piece in &pieces {
            let (left, right) = (x(piece, piece.from), x(piece, piece.to));
            fill(surface, (left, top + PX), (right, top + lane - PX), IDLE)?;
            for event in &timeline.events[first..past] {
                if piece.shows(event.start, event.end) {
                    draw_pass(surface, piece, event, timeline.input.chunks, (top, lane))?;
                }
            }
        }
    }
    let bottom = TOP + lane * shown.len() as i32;
    if let [first, _, ..] = pieces[..] {
        let middle = x(&first, first.to) + GAP / 2;
        write(
            surface,
            "…",
            (middle, i32::midpoint(TOP, bottom)),
            20,
            FAINT,
            HPos::Center,
        )?;
    }
    for piece in &pieces {
        draw_axis(surface, piece, timeline, bottom + 3 * PX)?;
    }
    draw_legend(surface, timeline.input.chunks, bottom + 50 * PX)?;
    surface.present()
}

fn x(piece: &Part, seconds: f64) -> i32 {
    LEFT + piece.place(seconds).round() as i32
}

fn draw_pass(
    surface: &Surface<'_>,
    piece: &Part,
    event: &Event,
    chunks: u64,
    (top, lane): (i32, i32),
) -> Drawn {
    let (left, right) = (x(piece, event.start), x(piece, event.end));
    // A white line between neighbours, where it does not eat the pass.
    let edge = i32::from(right - left >= 4 * PX);
    let colour = shade(event.pass, event.chunk, chunks);
    fill(
        surface,
        (left, top + PX),
        (right - edge, top + lane - PX),
        colour,
    )?;
    let label = event.micro_batch.to_string();
    let size = if lane >= 16 * PX { 11 } else { 8 };
    // A digit is a little over half as wide as it is high.
    let needed = label.len() as i32 * size * PX * 62 / 100 + 2 * PX;
    let cut = event.start < piece.from || event.end > piece.to;
    if cut || right - left < needed {
        return Ok(());
    }
    let middle = (i32::midpoint(left, right), top + lane / 2);
    write(surface, &label, middle, size, ink_on(colour), HPos::Center)
}

fn caption(timeline: &Timeline) -> String {
    let input = &timeline.input;
    let chunks = if input.chunks > 1 {
        format!(" × {}", counted(input.chunks, "chunk"))
    } else {
        String::new()
    };
    let send = if input.send_seconds > 0.0 {
        format!(", send {}", time(input.send_seconds))
    } else {
        String::new()
    };
    format!(
        "{}, {}{chunks}, {}: {}, {}; forward {}, backward {}{send}",
        name(input.schedule),
        counted(input.stages, "stage"),
        counted(input.micro_batches, "micro-batch"),
        time(timeline.seconds),
        bubble(timeline),
        time(input.forward_seconds),
        time(input.backward_seconds),
    )
}

/// One line without control characters (SVG forbids them), no longer than the drawing is wide.
fn printable(title: &str) -> String {
    let clean: String = title
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .filter(|character| !matches!(character, '\u{FFFE}' | '\u{FFFF}'))
        .collect();
    words::cut(&clean, TITLE)
}

/// Adds the size in CSS pixels and the words for screen readers.
fn describe(svg: &str, timeline: &Timeline, title: &str, height: i32) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let size = format!("width=\"{WIDTH}\" height=\"{height}\"");
    let shown = format!(
        "width=\"{}\" height=\"{}\" role=\"img\"",
        WIDTH / PX,
        height / PX
    );
    let svg = svg.replacen(&size, &shown, 1);
    let words = format!(
        "<title>{}</title>\n<desc>{}</desc>\n",
        escape(title),
        escape(&caption(timeline))
    );
    match svg.find(">\n").map(|end| end + 2) {
        Some(end) => format!("{}{words}{}", &svg[..end], &svg[end..]),
        None => svg,
    }
}
