//! The colours that a user may choose.

use std::sync::OnceLock;

use toml::{Table, Value};

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

/// Colours by what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Palette {
    pub(super) dim: Rgb,
    pub(super) faint: Rgb,
    pub(super) accent: Rgb,
    pub(super) good: Rgb,
    pub(super) warn: Rgb,
    pub(super) bad: Rgb,
    pub(super) cursor: Rgb,
    pub(super) cursor_text: Rgb,
    /// Of the arms; none stands for [`ARMS`].
    arms: Vec<Rgb>,
}

static DEFAULT: Palette = Palette {
    dim: Rgb(138, 143, 152),
    faint: Rgb(78, 82, 92),
    accent: Rgb(97, 175, 239),
    good: Rgb(106, 190, 120),
    warn: Rgb(229, 170, 70),
    bad: Rgb(240, 90, 90),
    cursor: Rgb(48, 58, 78),
    cursor_text: Rgb(235, 238, 245),
    arms: Vec::new(),
};

/// Okabe and Ito's colour-blind safe palette, lightened for dark backgrounds.
const ARMS: [Rgb; 8] = [
    Rgb(232, 120, 70),
    Rgb(86, 180, 233),
    Rgb(70, 195, 145),
    Rgb(214, 140, 190),
    Rgb(232, 214, 90),
    Rgb(110, 140, 235),
    Rgb(230, 165, 40),
    Rgb(170, 176, 186),
];

/// One for the process, chosen before the first frame.
static CHOSEN: OnceLock<Palette> = OnceLock::new();

/// From now on the colours are these; of several choices the first counts.
pub(crate) fn choose(palette: Palette) {
    CHOSEN.get_or_init(|| palette);
}

pub(super) fn palette() -> &'static Palette {
    CHOSEN.get().unwrap_or(&DEFAULT)
}

impl Default for Palette {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

impl Palette {
    pub(super) fn arms(&self) -> &[Rgb] {
        if self.arms.is_empty() {
            &ARMS
        } else {
            &self.arms
        }
    }

    /// The colours of a table in place of the usual ones, or what is wrong with it.
    pub(crate) fn of(table: &Table) -> Result<Self, String> {
        let mut palette = Self::default();
        for (name, value) in table {
            if name == "arms" {
                palette.arms = arms(value)?;
                continue;
            }
            let colour = rgb(name, value)?;
            let mut parts = palette.parts();
            let names = parts.each_ref().map(|(name, _)| *name);
            let Some((_, part)) = parts.iter_mut().find(|(part, _)| part == name) else {
                let names = [&names[..], &["arms"]].concat();
                let hint = words::hint(name, &names);
                return Err(format!(
                    "no key `colours.{name}`; there are {}{hint}",
                    names.join(", ")
                ));
            };
            **part = colour;
        }
        Ok(palette)
    }

    fn parts(&mut self) -> [(&'static str, &mut Rgb); 8] {
        [
            ("dim", &mut self.dim),
            ("faint", &mut self.faint),
            ("accent", &mut self.accent),
            ("good", &mut self.good),
            ("warn", &mut self.warn),
            ("bad", &mut self.bad),
            ("cursor", &mut self.cursor),
            ("cursor_text", &mut self.cursor_text),
        ]
    }
}

fn arms(value: &Value) -> Result<Vec<Rgb>, String> {
    let colours = value.as_array().filter(|colours| !colours.is_empty());
    let colours = colours
        .ok_or("`colours.arms` is a list of at least one colour, such as `[\"#61afef\"]`")?;
    colours.iter().map(|colour| rgb("arms", colour)).collect()
}

/// `#61afef`.
fn rgb(name: &str, value: &Value) -> Result<Rgb, String> {
    let parse = || {
        let digits = value.as_str()?.strip_prefix('#')?;
        let are_digits = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| are_digits)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Some(Rgb(red, green, blue))
    };
    parse().ok_or_else(|| {
        format!("`colours.{name}` is `{value}`; expected red, green and blue such as `#61afef`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_changes_what_it_names_and_nothing_else() {
        let table = "bad = '#010203'\narms = ['#FFffFF', '#000000']"
            .parse()
            .unwrap();
        let palette = Palette::of(&table).unwrap();
        assert_eq!(palette.bad, Rgb(1, 2, 3));
        assert_eq!(palette.arms(), [Rgb(255, 255, 255), Rgb(0, 0, 0)]);
        assert_eq!((palette.dim, palette.good), (DEFAULT.dim, DEFAULT.good));
        assert_eq!(Palette::default().arms().len(), 8);
        for odd in [
            "bad = '#01020'",
            "bad = '#+10203'",
            "bad = 1",
            "arms = '#010203'",
        ] {
            assert!(Palette::of(&odd.parse().unwrap()).is_err(), "{odd}");
        }
    }
}
