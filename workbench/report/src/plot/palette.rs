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
/// their yellow, orange and sky blue are left out, and vermillion and green are darker, since names in tables are written in
/// these colours: WCAG 2.1 (1.4.3) asks of text a contrast of 4.5:1 with the page.
const ARMS: [Colour; 6] = [
    Colour {
        light: 0x00C2_5500,
        dark: 0x00F2_8A45,
    }, // vermillion
    Colour {
        light: 0x0000_72B2,
        dark: 0x0057_ABE6,
    }, // blue
    Colour {
        light: 0x0000_8660,
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

/// Shares from none to all in six steps of one hue, the first being the page itself.
const SHARES: [Colour; 6] = [
    PAPER,
    Colour {
        light: 0x00FB_E0D0,
        dark: 0x0038_2318,
    },
    Colour {
        light: 0x00F6_BE9C,
        dark: 0x0059_331D,
    },
    Colour {
        light: 0x00EE_9A68,
        dark: 0x0080_4722,
    },
    Colour {
        light: 0x00B5_4E0A,
        dark: 0x00D9_8A55,
    },
    Colour {
        light: 0x0082_3300,
        dark: 0x00F7_B68C,
    },
];

/// The step of a share from 0 to 1: the first and the last for none and all alone.
fn step_of(share: f64) -> usize {
    let inner = (SHARES.len() - 2) as f64;
    match share {
        share if share <= 0.0 => 0,
        share if share >= 1.0 => SHARES.len() - 1,
        share => 1 + ((share * inner) as usize).min(SHARES.len() - 3),
    }
}

/// What a cell with this share is filled with, and the colour of the words on it.
pub(crate) fn share(share: f64) -> (Colour, Colour) {
    let step = step_of(share);
    (SHARES[step], words_on(step))
}

/// How many colours a [`shade`] can have.
pub(crate) const SHADES: usize = SHARES.len() - 1;

/// The colour of the steps from 0, pale, to [`SHADES`] − 1, dark on a light page and bright on a dark one.
pub(crate) fn shade(step: usize) -> Colour {
    SHARES[1 + step.min(SHADES - 1)]
}

fn words_on(step: usize) -> Colour {
    if step < SHARES.len() - 2 { INK } else { PAPER }
}

/// Steps from the colour itself away from the page: darker on a light page, lighter on a dark one.
const LEVELS: usize = 5;
/// How far one step goes, as a share of the way to black or white.
const STEP: f64 = 0.16;

/// How a curve or dot is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    hue: usize,
    level: usize,
    /// Dash and gap in pixels; none for a solid line.
    pub(crate) dash: Option<(i32, i32)>,
}

impl Paint {
    /// Of an arm by its place on the axis of the colours and on that of the shades, of which there are `shades`. Colours repeat
    /// after six; the dash then differs.
    pub(crate) fn new(colour: usize, shade: usize, shades: usize) -> Self {
        let dashes = if shades > 1 {
            shade
        } else {
            colour / ARMS.len()
        };
        Self {
            hue: colour % ARMS.len(),
            level: if shades > 1 {
                (shade * (LEVELS - 1) + (shades - 1) / 2) / (shades - 1)
            } else {
                0
            },
            dash: dash(dashes),
        }
    }

    pub(crate) fn colour(self) -> Colour {
        mixed(ARMS[self.hue], self.level)
    }

    /// Name of the colour in style sheets.
    pub(crate) fn class(self) -> String {
        class(self.hue, self.level)
    }
}

fn class(hue: usize, level: usize) -> String {
    format!("arm-{hue}-{level}")
}

fn mixed(Colour { light, dark }: Colour, level: usize) -> Colour {
    let towards = |colour: u32, end: f64| {
        let [_, channels @ ..] = colour.to_be_bytes();
        let share = STEP * level as f64;
        let moved = channels
            .map(|channel| (f64::from(channel) + share * (end - f64::from(channel))).round() as u8);
        u32::from_be_bytes([0, moved[0], moved[1], moved[2]])
    };
    Colour {
        light: towards(light, 0.0),
        dark: towards(dark, 255.0),
    }
}

/// The paint of arm number `arm` where arms have no axes in common.
pub(crate) fn paint(arm: usize) -> Paint {
    Paint::new(arm, 0, 1)
}

/// The colour of that paint.
pub(crate) fn arm(arm: usize) -> Colour {
    paint(arm).colour()
}

/// Every colour an arm can have, with its name in style sheets.
pub(crate) fn classes() -> impl Iterator<Item = (String, Colour)> {
    let all = (0..ARMS.len()).flat_map(|hue| (0..LEVELS).map(move |level| (hue, level)));
    all.map(|(hue, level)| (class(hue, level), mixed(ARMS[hue], level)))
}

/// Dash and gap in pixels of the lines number `number`, or nothing for a solid line.
pub(crate) fn dash(number: usize) -> Option<(i32, i32)> {
    match number % LEVELS {
        0 => None,
        1 => Some((9, 3)),
        2 => Some((6, 4)),
        3 => Some((3, 3)),
        _ => Some((1, 3)),
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
    let arms = classes().map(|(_, colour)| colour);
    let steps = SHARES.into_iter().skip(1);
    arms.chain(steps)
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

    /// WCAG 2.1, 1.4.3: 4.5:1 for text, which the colours of arms are, too.
    #[test]
    fn every_colour_can_be_read_as_text_in_both_modes() {
        let arms = classes().map(|(_, colour)| colour);
        for colour in arms.chain([INK, FAINT]) {
            let (light, dark) = (
                contrast(colour.light, PAPER.light),
                contrast(colour.dark, PAPER.dark),
            );
            assert!(light >= 4.5, "{colour:X?} on light: {light}");
            assert!(dark >= 4.5, "{colour:X?} on dark: {dark}");
        }
    }

    /// On a light page as on a dark one: the rules recolour by the light colour alone.
    #[test]
    fn no_two_looks_are_drawn_alike() {
        let colours: Vec<Colour> = classes().map(|(_, colour)| colour).collect();
        let steps = SHARES.into_iter().skip(1);
        let all: Vec<Colour> = colours
            .into_iter()
            .chain(steps)
            .chain([PAPER, INK, FAINT, GRID])
            .collect();
        for (i, one) in all.iter().enumerate() {
            for other in &all[..i] {
                assert_ne!(one.light, other.light, "{one:X?} {other:X?}");
                assert_ne!(one.dark, other.dark, "{one:X?} {other:X?}");
            }
        }
        assert_eq!(arm(0), arm(6));
        assert_ne!(paint(0), paint(6), "the dash tells them apart");
        let shades = (0..5).map(|shade| Paint::new(2, shade, 5).class());
        assert_eq!(
            shades.collect::<Vec<_>>(),
            ["arm-2-0", "arm-2-1", "arm-2-2", "arm-2-3", "arm-2-4"]
        );
        assert_eq!(Paint::new(0, 1, 2).level, LEVELS - 1);
    }

    /// A share is read off its colour: each step is farther from the page than the one before, on both pages,
    /// and the words on it can be read.
    #[test]
    fn shares_grow_away_from_the_page() {
        for pair in SHARES.windows(2) {
            assert!(contrast(pair[1].light, PAPER.light) > contrast(pair[0].light, PAPER.light));
            assert!(contrast(pair[1].dark, PAPER.dark) > contrast(pair[0].dark, PAPER.dark));
        }
        for (step, fill) in SHARES.iter().enumerate() {
            let words = words_on(step);
            assert!(
                contrast(fill.light, words.light) >= 4.5,
                "step {step} on light"
            );
            assert!(
                contrast(fill.dark, words.dark) >= 4.5,
                "step {step} on dark"
            );
        }
    }
}
