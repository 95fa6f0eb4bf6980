//! Colours, text and boxes of a drawing.

use super::super::Pass;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle, WHITE};

/// Units per CSS pixel: plotters rounds to whole units, the view box scales them back.
pub(super) const PX: i32 = 2;

pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
pub(super) const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6E);
pub(super) const IDLE: RGBColor = RGBColor(0xEC, 0xEE, 0xF1);
/// Blue and orange after Okabe and Ito ("Color universal design", 2008): apart for every kind of
/// colour blindness, and of different lightness on grey paper.
pub(super) const FORWARD: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const BACKWARD: RGBColor = RGBColor(0xDD, 0x84, 0x00);

pub(super) type Surface<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

pub(super) fn write(
    surface: &Surface<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    colour: RGBColor,
    side: HPos,
) -> Drawn {
    let style = TextStyle::from(("sans-serif", size * PX).into_font())
        .color(&colour)
        .pos(Pos::new(side, VPos::Center));
    surface.draw(&Text::new(text, at, style))
}

pub(super) fn fill(
    surface: &Surface<'_>,
    from: (i32, i32),
    to: (i32, i32),
    colour: RGBColor,
) -> Drawn {
    surface.draw(&Rectangle::new([from, to], colour.filled()))
}

/// The colour of a direction, lighter with every chunk.
pub(super) fn shade(pass: Pass, chunk: u32, chunks: u64) -> RGBColor {
    let RGBColor(red, green, blue) = match pass {
        Pass::Forward => FORWARD,
        Pass::Backward => BACKWARD,
    };
    let white = 0.6 * f64::from(chunk) / (chunks.max(2) - 1) as f64;
    let mix = |channel: u8| (f64::from(channel) + white * (255.0 - f64::from(channel))) as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

/// Black or white, whichever has more contrast (relative luminance after WCAG 2.1).
pub(super) fn ink_on(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    if luminance > 0.179 {
        RGBColor(0, 0, 0)
    } else {
        WHITE
    }
}
