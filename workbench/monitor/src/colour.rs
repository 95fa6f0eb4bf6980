//! Colours: one palette, three depths. Nothing else in this crate names a colour.
//!
//! Text keeps the terminal's own foreground and background, so that the monitor is readable on dark and
//! light themes alike; only marks, arms and the heat map are coloured.

use ratatui::style::{Color, Modifier, Style};
use sweeps::{Outcome, State};

mod palette;

pub(crate) use palette::{Palette, choose};
use palette::{Rgb, palette};

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24-bit colour (`COLORTERM=truecolor` or `24bit`).
    True,
    /// The 256 colours of xterm; the fallback of every colour terminal.
    Indexed,
    /// No colour (`NO_COLOR` set, or `TERM=dumb`): bold, dim, reversed, shades and letters instead.
    Mono,
}

impl Depth {
    /// Decides from the values of the environment variables `NO_COLOR`, `COLORTERM` and `TERM`.
    ///
    /// `NO_COLOR` counts when it is present and not empty (<https://no-color.org>).
    #[must_use]
    pub fn from_variables(
        no_color: Option<&str>,
        colorterm: Option<&str>,
        term: Option<&str>,
    ) -> Self {
        if no_color.is_some_and(|value| !value.is_empty()) || term == Some("dumb") {
            Self::Mono
        } else if matches!(colorterm, Some("truecolor" | "24bit"))
            || term.is_some_and(|name| name.ends_with("-direct"))
        {
            Self::True
        } else {
            Self::Indexed
        }
    }

    /// Decides from this process's environment.
    #[must_use]
    pub fn detect() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self::from_variables(
            variable("NO_COLOR").as_deref(),
            variable("COLORTERM").as_deref(),
            variable("TERM").as_deref(),
        )
    }

    /// Whether colours are shown at all.
    #[must_use]
    pub fn coloured(self) -> bool {
        self != Self::Mono
    }

    /// The nearest colour this terminal has.
    fn colour(self, rgb: Rgb) -> Color {
        match self {
            Self::True => Color::Rgb(rgb.0, rgb.1, rgb.2),
            Self::Indexed => Color::Indexed(nearest_indexed(rgb)),
            Self::Mono => Color::Reset,
        }
    }

    fn ink(self, rgb: Rgb) -> Style {
        if self.coloured() {
            Style::new().fg(self.colour(rgb))
        } else {
            Style::new()
        }
    }

    /// Secondary text: labels, axes, borders at rest.
    pub(crate) fn dim(self) -> Style {
        if self.coloured() {
            self.ink(palette().dim)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    /// Grid lines and the empty part of bars: just visible.
    pub(crate) fn faint(self) -> Style {
        if self.coloured() {
            self.ink(palette().faint)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    /// The focused pane's border, the keys in the key bar, the open tab.
    pub(crate) fn accent(self) -> Style {
        if self.coloured() {
            self.ink(palette().accent)
        } else {
            strong()
        }
    }

    /// Good news: finished, ok.
    pub(crate) fn good(self) -> Style {
        self.ink(palette().good)
    }

    /// Attention: stuck, recovered, interrupted, an alarm.
    pub(crate) fn warn(self) -> Style {
        self.ink(palette().warn)
    }

    /// Bad news: diverged, failed, non-finite.
    pub(crate) fn bad(self) -> Style {
        if self.coloured() {
            self.ink(palette().bad)
        } else {
            strong()
        }
    }

    /// The colour of what a run's process is doing.
    pub(crate) fn state(self, state: State) -> Style {
        match state {
            State::Running => self.accent(),
            State::Finished => self.good(),
            State::Failed => self.bad(),
            State::Interrupted | State::Stopped => self.warn(),
            State::Pending | State::Skipped => self.dim(),
        }
    }

    /// The colour of an outcome.
    pub(crate) fn outcome(self, outcome: Outcome) -> Style {
        match outcome {
            Outcome::Ok => self.good(),
            Outcome::Recovered | Outcome::Stuck => self.warn(),
            Outcome::Diverged | Outcome::Nonfinite => self.bad(),
        }
    }

    /// The row under the cursor.
    pub(crate) fn cursor(self) -> Style {
        match self {
            Self::Mono => Style::new().add_modifier(Modifier::REVERSED),
            _ => Style::new()
                .bg(self.colour(palette().cursor))
                .fg(self.colour(palette().cursor_text)),
        }
    }

    /// The colour of an arm, lighter or darker by its shade.
    pub(crate) fn arm(self, ink: Ink) -> Style {
        self.ink(ink.rgb())
    }

    /// An arm's colour at less than half of its strength: raw values under a smoothed line, bands.
    pub(crate) fn arm_faint(self, ink: Ink) -> Style {
        let Rgb(r, g, b) = ink.rgb();
        let fade = |channel: u8| (u16::from(channel) * 9 / 20 + 20) as u8;
        if self.coloured() {
            self.ink(Rgb(fade(r), fade(g), fade(b)))
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    /// The heat colour of `level` in 0..=1. Anchors of matplotlib's *inferno*, without its black end, which
    /// a terminal would show as a hole. The 256 colours have a ramp of their own: the nearest ones would be
    /// greys and pinks in between.
    pub(crate) fn heat(self, level: f64) -> Color {
        let level = if level.is_nan() {
            0.0
        } else {
            level.clamp(0.0, 1.0)
        };
        match self {
            Self::Mono => Color::Reset,
            Self::Indexed => {
                let place = (level * HEAT_INDEXED.len() as f64) as usize;
                Color::Indexed(HEAT_INDEXED[place.min(HEAT_INDEXED.len() - 1)])
            }
            Self::True => {
                let place = level * (HEAT.len() - 1) as f64;
                let lower = (place.floor() as usize).min(HEAT.len() - 2);
                let part = place - lower as f64;
                let (Rgb(r0, g0, b0), Rgb(r1, g1, b1)) = (HEAT[lower], HEAT[lower + 1]);
                let mix = |from: u8, to: u8| {
                    (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8
                };
                Color::Rgb(mix(r0, r1), mix(g0, g1), mix(b0, b1))
            }
        }
    }

    /// Text on the heat colour of a level: light on its dark end, dark on its bright end.
    pub(crate) fn on_heat(self, level: f64) -> Style {
        let ink = if level > 0.55 { HEAT_TEXT } else { HEAT_BRIGHT };
        Style::new().bg(self.heat(level)).fg(self.colour(ink))
    }

    /// The colour of a non-finite cell in the heat map: far from every colour of the scale.
    pub(crate) fn heat_nonfinite(self) -> Color {
        self.colour(HEAT_NONFINITE)
    }
}

/// How an arm is drawn: by which colour, and by which of how many shades of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ink {
    pub(crate) colour: usize,
    pub(crate) shade: usize,
    pub(crate) shades: usize,
}

impl Ink {
    /// A colour without shades.
    pub(crate) fn plain(colour: usize) -> Self {
        Self {
            colour,
            ..Self::default()
        }
    }

    /// Shades go from more than half way to white down to half of the colour's strength. Colours repeat after eight, darker.
    fn rgb(self) -> Rgb {
        let arms = palette().arms();
        let Rgb(r, g, b) = arms[self.colour % arms.len()];
        let shade = match self.shades {
            0 | 1 => (self.colour / arms.len()) as f64 / 3.0,
            shades => 1.05 * self.shade as f64 / (shades - 1) as f64 - 0.6,
        };
        let shade = shade.clamp(-0.6, 0.45);
        let channel = |value: u8| {
            let value = f64::from(value);
            (if shade < 0.0 {
                value - (255.0 - value) * shade
            } else {
                value * (1.0 - shade)
            }) as u8
        };
        Rgb(channel(r), channel(g), channel(b))
    }
}

/// Titles and values that should be seen first: the same at every depth.
pub(crate) fn strong() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

const HEAT_TEXT: Rgb = Rgb(20, 20, 24);
const HEAT_BRIGHT: Rgb = Rgb(235, 238, 245);
const HEAT_NONFINITE: Rgb = Rgb(0, 215, 255);

const HEAT: [Rgb; 8] = [
    Rgb(24, 14, 62),
    Rgb(66, 10, 104),
    Rgb(120, 28, 109),
    Rgb(172, 47, 91),
    Rgb(217, 78, 55),
    Rgb(244, 122, 23),
    Rgb(250, 188, 40),
    Rgb(252, 250, 160),
];

/// Dark blue, purple, red, orange, yellow, pale yellow, out of xterm's cube.
const HEAT_INDEXED: [u8; 12] = [17, 53, 89, 125, 160, 166, 202, 208, 214, 220, 227, 229];

/// The nearest of xterm's 216 cube colours and 24 greys, by squared distance.
fn nearest_indexed(Rgb(r, g, b): Rgb) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
    let step = |channel: u8| {
        (0..6u8)
            .min_by_key(|&i| distance(LEVELS[usize::from(i)], channel))
            .unwrap_or(0)
    };
    let (x, y, z) = (step(r), step(g), step(b));
    let level = |i: u8| LEVELS[usize::from(i)];
    let cube_error = distance(level(x), r) + distance(level(y), g) + distance(level(z), b);
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let shade = 8 + 10 * grey;
    if distance(shade, r) + distance(shade, g) + distance(shade, b) < cube_error {
        232 + grey
    } else {
        16 + 36 * x + 6 * y + z
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_follows_the_environment() {
        let depth = Depth::from_variables;
        assert_eq!(
            depth(None, Some("truecolor"), Some("xterm-256color")),
            Depth::True
        );
        assert_eq!(depth(None, Some("24bit"), None), Depth::True);
        assert_eq!(depth(None, None, Some("xterm-256color")), Depth::Indexed);
        assert_eq!(depth(None, None, None), Depth::Indexed);
        assert_eq!(
            depth(Some("1"), Some("truecolor"), Some("xterm")),
            Depth::Mono
        );
        assert_eq!(
            depth(Some(""), Some("truecolor"), Some("xterm")),
            Depth::True,
            "an empty NO_COLOR does not count"
        );
        assert_eq!(depth(None, None, Some("dumb")), Depth::Mono);
    }

    #[test]
    fn mono_never_emits_a_colour() {
        let styles = [
            Depth::Mono.dim(),
            Depth::Mono.faint(),
            Depth::Mono.accent(),
            Depth::Mono.bad(),
            Depth::Mono.cursor(),
            Depth::Mono.arm(Ink::plain(3)),
            Depth::Mono.arm_faint(Ink::plain(3)),
        ];
        assert!(
            styles
                .iter()
                .all(|style| style.fg.is_none() && style.bg.is_none())
        );
        assert_eq!(Depth::Mono.heat(0.5), Color::Reset);
    }

    #[test]
    fn twenty_arms_have_twenty_colours_and_256_colours_keep_the_shades_of_each_apart() {
        let style = |depth: Depth, colour: usize, shade| {
            depth.arm(Ink {
                colour,
                shade,
                shades: 5,
            })
        };
        let distinct = |styles: Vec<Style>| {
            let mut seen: Vec<Style> = Vec::new();
            for style in styles {
                if !seen.contains(&style) {
                    seen.push(style);
                }
            }
            seen.len()
        };
        let all =
            (0..4).flat_map(|colour| (0..5).map(move |shade| style(Depth::True, colour, shade)));
        assert_eq!(distinct(all.collect()), 20);
        for colour in 0..palette().arms().len() {
            let shades = (0..5).map(|shade| style(Depth::Indexed, colour, shade));
            assert_eq!(distinct(shades.collect()), 5, "colour {colour}");
        }
    }

    #[test]
    fn indexed_fallback_hits_the_exact_cube_and_grey_colours() {
        assert_eq!(nearest_indexed(Rgb(0, 0, 0)), 16);
        assert_eq!(nearest_indexed(Rgb(255, 255, 255)), 231);
        assert_eq!(nearest_indexed(Rgb(255, 0, 0)), 196);
        assert_eq!(nearest_indexed(Rgb(128, 128, 128)), 244);
    }

    #[test]
    fn heat_is_total_and_grows_brighter() {
        let brightness = |level| match Depth::True.heat(level) {
            Color::Rgb(r, g, b) => u32::from(r) + u32::from(g) + u32::from(b),
            _ => 0,
        };
        assert!(brightness(0.0) < brightness(0.5) && brightness(0.5) < brightness(1.0));
        assert_eq!(brightness(-1.0), brightness(0.0));
        assert_eq!(brightness(9.0), brightness(1.0));
        assert!(brightness(f64::NAN) > 0, "a NaN level must not panic");
    }
}
