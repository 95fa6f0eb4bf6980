//! What explains a drawing: the axis of time and the legend.

use super::super::view::{Part, unit};
use super::super::{Pass, Timeline};
use super::brush::{Drawn, FAINT, IDLE, INK, PX, Surface, fill, shade, write};
use super::{LEFT, x};
use plotters::element::PathElement;
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, RGBColor};

pub(super) fn draw_axis(
    surface: &Surface<'_>,
    piece: &Part,
    timeline: &Timeline,
    top: i32,
) -> Drawn {
    let (unit, size) = unit(timeline.seconds);
    let line = |from, to| PathElement::new(vec![from, to], FAINT.stroke_width(PX as u32));
    surface.draw(&line(
        (x(piece, piece.from), top),
        (x(piece, piece.to), top),
    ))?;
    let span = piece.to - piece.from;
    // About one tick per 110 pixels.
    let ticks = (span * piece.scale / f64::from(110 * PX)).max(1.0);
    let step = round_step(span / ticks / size);
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let first = (piece.from / size / step).ceil() as i64;
    let last = (piece.to / size / step * (1.0 + 1e-12)).floor() as i64;
    for tick in first..=last {
        let value = tick as f64 * step;
        let at = x(piece, value * size);
        surface.draw(&line((at, top), (at, top + 5 * PX)))?;
        let text = format!("{value:.decimals$} {unit}");
        write(surface, &text, (at, top + 14 * PX), 12, FAINT, HPos::Center)?;
    }
    Ok(())
}

pub(super) fn draw_legend(surface: &Surface<'_>, chunks: u64, middle: i32) -> Drawn {
    let mut at = LEFT;
    let mut entry = |colour: &[RGBColor], text: &str| -> Drawn {
        for colour in colour {
            fill(
                surface,
                (at, middle - 7 * PX),
                (at + 16 * PX, middle + 7 * PX),
                *colour,
            )?;
            at += 17 * PX;
        }
        write(surface, text, (at + 5 * PX, middle), 12, INK, HPos::Left)?;
        at += (22 + text.chars().count() as i32 * 6) * PX;
        Ok(())
    };
    let drawn = chunks.min(8);
    let shades = |pass| -> Vec<RGBColor> {
        let chunk = |index| (index * (chunks - 1) / (drawn - 1).max(1)) as u32;
        (0..drawn)
            .map(|index| shade(pass, chunk(index), chunks))
            .collect()
    };
    let of_chunks = if chunks > 1 {
        format!(" (chunk 0 dark to chunk {} light)", chunks - 1)
    } else {
        String::new()
    };
    entry(&shades(Pass::Forward), &format!("forward{of_chunks}"))?;
    entry(&shades(Pass::Backward), &format!("backward{of_chunks}"))?;
    entry(&[IDLE], "idle")?;
    entry(&[], "numbers: micro-batches")
}

/// The next of 1, 2, 5, 10 … that is no smaller.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let digit = step / power;
    let digit = match digit {
        ..=1.0 => 1.0,
        ..=2.0 => 2.0,
        ..=5.0 => 5.0,
        _ => 10.0,
    };
    digit * power
}
