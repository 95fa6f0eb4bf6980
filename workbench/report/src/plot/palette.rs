//! Colours that colour-blind readers can tell apart, in a light and a dark variant.
//!
//! Figures are drawn in the light colours as plain attributes (so that any SVG viewer shows
//! them), and [`dark_rules`] recolours them by matching those attributes.

use plotters::style::RGBColor;

/// A colour of a figure: how it is drawn, and what it becomes on a dark page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour {
    light: u32,
    dark: u32,
}

/// Page background.
pub(crate) const PAPER: Colour = Colour {
    light: 0x00FF_FFFF,
    dark: 0x0015_181C,
};
/// Text, axes.
pub(crate) const INK: Colour = Colour {
    light: 0x001F_2328,
    dark: 0x00E6_EDF3,
};
/// Secondary text.
pub(crate) const FAINT: Colour = Colour {
    light: 0x0059_636E,
    dark: 0x0091_98A1,
};
/// Grid lines.
pub(crate) const GRID: Colour = Colour {
    light: 0x00E3_E6EA,
    dark: 0x002B_3138,
};

/// One per arm, in the order of the card. After Okabe and Ito ("Color universal design", 2008);
/// their yellow, orange and sky blue are left out, as they fall under the contrast of 3:1 that
/// WCAG 2.1 (1.4.11) asks of graphics on white.
const ARMS: [Colour; 6] = [
    Colour {
        light: 0x00D5_5E00,
        dark: 0x00F2_8A45,
    }, // vermillion
    Colour {
        light: 0x0000_72B2,
        dark: 0x0057_ABE6,
    }, // blue
    Colour {
        light: 0x0000_8F68,
        dark: 0x002F_C79A,
    }, // bluish green
    Colour {
        light: 0x00B0_468C,
        dark: 0x00E2_93C2,
    }, // reddish purple
    Colour {
        light: 0x008A_6508,
        dark: 0x00D9_B44A,
    }, // dark yellow
    Colour {
        light: 0x006B_6F76,
        dark: 0x00B4_BAC2,
    }, // grey
];

/// The colour of arm number `arm`. Colours repeat after six arms; [`dash`] then differs.
pub(crate) fn arm(arm: usize) -> Colour {
    ARMS[colour_number(arm)]
}

/// Number of the colour of arm number `arm`, for style sheets.
pub(crate) fn colour_number(arm: usize) -> usize {
    arm % ARMS.len()
}

/// All colours of arms.
pub(crate) fn arms() -> impl Iterator<Item = Colour> {
    ARMS.into_iter()
}

/// Dash and gap in pixels for arm number `arm`, or nothing for a solid line.
pub(crate) fn dash(arm: usize) -> Option<(i32, i32)> {
    match arm / ARMS.len() {
        0 => None,
        1 => Some((7, 4)),
        _ => Some((2, 3)),
    }
}

impl Colour {
    /// The light variant as plotters wants it.
    pub(crate) fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.light.to_be_bytes();
        RGBColor(red, green, blue)
    }

    /// `#RRGGBB` of the light variant.
    pub(crate) fn light(self) -> String {
        format!("#{:06X}", self.light)
    }

    /// `#RRGGBB` of the dark variant.
    pub(crate) fn dark(self) -> String {
        format!("#{:06X}", self.dark)
    }
}

/// CSS rules that recolour every figure inside `scope` for a dark page.
pub(crate) fn dark_rules(scope: &str) -> String {
    let rule = |colour: Colour, property: &str| {
        let (light, dark) = (colour.light(), colour.dark());
        format!("{scope}[{property}=\"{light}\"]{{{property}:{dark}}}")
    };
    ARMS.into_iter()
        .chain([PAPER, INK, FAINT, GRID])
        .flat_map(|colour| ["fill", "stroke"].map(|property| rule(colour, property)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast, WCAG 2.1.
    fn contrast(a: u32, b: u32) -> f64 {
        let luminance = |colour: u32| {
            let [_, channels @ ..] = colour.to_be_bytes();
            channels
                .map(|channel| f64::from(channel) / 255.0)
                .map(|c| {
                    if c <= 0.04045 {
                        c / 12.92
                    } else {
                        ((c + 0.055) / 1.055).powf(2.4)
                    }
                })
                .iter()
                .zip([0.2126, 0.7152, 0.0722])
                .map(|(c, weight)| c * weight)
                .sum::<f64>()
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// WCAG 2.1, 1.4.11: 3:1 for graphics; 1.4.3: 4.5:1 for text.
    #[test]
    fn every_colour_stands_out_in_both_modes() {
        for colour in ARMS {
            assert!(
                contrast(colour.light, PAPER.light) >= 3.0,
                "{colour:X?} on light"
            );
            assert!(
                contrast(colour.dark, PAPER.dark) >= 3.0,
                "{colour:X?} on dark"
            );
        }
        for text in [INK, FAINT] {
            assert!(
                contrast(text.light, PAPER.light) >= 4.5,
                "{text:X?} on light"
            );
            assert!(contrast(text.dark, PAPER.dark) >= 4.5, "{text:X?} on dark");
        }
    }

    #[test]
    fn arms_beyond_the_palette_differ_by_their_dash() {
        assert_eq!(arm(0), arm(6));
        assert_ne!(dash(0), dash(6));
    }
}
