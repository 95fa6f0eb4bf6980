//! Figures and screens as files: SVG as it was drawn, or PNG where the file's name says so.
//!
//! The letters of a PNG are those of fonts in this crate, so that the same drawing gives the same bytes on every machine; only
//! letters that these lack (Chinese ones, say) are taken from a font of the machine, and where it has none, that is told
//! (docs/decisions/0025-pictures-as-png.md).

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{self, Options, Tree};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

mod system;

/// Pixels of a PNG per CSS pixel of the drawing: sharp on a screen of twice the usual resolution, and on paper.
const SCALE: f32 = 2.0;
/// What stands for a letter that no font has; `DejaVu` has it.
const BOX: &str = "□";
/// Most pixels, of four bytes each: half a gigabyte.
const MOST: f32 = 134_217_728.0;

/// Why a drawing is not a picture.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The drawing is no SVG that can be read.
    #[error("the drawing cannot be made a PNG: {0}")]
    Drawing(#[from] usvg::Error),
    /// It has more pixels than are given memory.
    #[error(
        "the drawing is {width} × {height} pixels, too large for a PNG; a name that ends in .svg has it in any size"
    )]
    Large {
        /// Pixels from left to right.
        width: u64,
        /// Pixels from top to bottom.
        height: u64,
    },
    /// It cannot be encoded.
    #[error("the PNG cannot be encoded: {0}")]
    Encode(String),
}

/// The content of a file with a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The file.
    pub bytes: Vec<u8>,
    /// Letters for which no font was found: empty boxes in a PNG.
    pub missing: BTreeSet<char>,
}

impl Picture {
    /// What to tell whoever asked for the file; nothing where all letters are there.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        const NAMED: usize = 12;
        let named: String = self.missing.iter().take(NAMED).collect();
        let more = if self.missing.len() > NAMED {
            "…"
        } else {
            ""
        };
        (!self.missing.is_empty()).then(|| {
            format!(
                "no font of this machine has {named}{more}: empty boxes in the PNG; a name that ends in .svg keeps the letters"
            )
        })
    }
}

/// Whether a file's name asks for a PNG.
#[must_use]
pub fn is_png(file: &Path) -> bool {
    let ending = file.extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
}

/// A drawing for a file of this name: a PNG where it ends in `.png`, else the SVG itself.
pub fn for_file(file: &Path, svg: String) -> Result<Picture, PictureError> {
    if is_png(file) {
        png(&svg)
    } else {
        Ok(Picture {
            bytes: svg.into_bytes(),
            missing: BTreeSet::new(),
        })
    }
}

/// An SVG as a PNG of twice its size in CSS pixels. Rules for dark screens are left out: a PNG cannot ask its reader.
pub fn png(svg: &str) -> Result<Picture, PictureError> {
    let (fonts, missing) = fonts_for(svg);
    let options = Options {
        font_family: "DejaVu Sans".to_owned(),
        fontdb: fonts,
        ..Options::default()
    };
    // One letter without a font would leave all behind it in its text without one, too.
    let boxed = (!missing.is_empty()).then(|| svg.replace(|letter| missing.contains(&letter), BOX));
    let tree = Tree::from_str(boxed.as_deref().unwrap_or(svg), &options)?;
    let (width, height) = (
        (tree.size().width() * SCALE).ceil(),
        (tree.size().height() * SCALE).ceil(),
    );
    let large = || PictureError::Large {
        width: width as u64,
        height: height as u64,
    };
    if width * height > MOST {
        return Err(large());
    }
    let mut pixels = Pixmap::new(width as u32, height as u32).ok_or_else(large)?;
    resvg::render(
        &tree,
        Transform::from_scale(SCALE, SCALE),
        &mut pixels.as_mut(),
    );
    let encoded = pixels.encode_png();
    Ok(Picture {
        bytes: encoded.map_err(|error| PictureError::Encode(error.to_string()))?,
        missing,
    })
}

/// Fonts for all letters of a drawing, and the letters that no font has.
fn fonts_for(svg: &str) -> (Arc<Database>, BTreeSet<char>) {
    let mut fonts = fonts();
    let drawn = |letter: &char| !letter.is_ascii() && !letter.is_whitespace();
    let letters: BTreeSet<char> = svg.chars().filter(drawn).collect();
    let lacks = |letter: &char| {
        !system::any_has(&fonts, *letter) && !system::add(*letter, &mut fonts, system::fonts())
    };
    let missing = letters.into_iter().filter(lacks).collect();
    (fonts, missing)
}

/// `DejaVu` Sans and Sans Mono.
fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let files: [&'static [u8]; 3] = [
            include_bytes!("../fonts/DejaVuSans.ttf"),
            include_bytes!("../fonts/DejaVuSansMono.ttf"),
            include_bytes!("../fonts/DejaVuSansMono-Bold.ttf"),
        ];
        let mut all = Database::new();
        for file in files {
            all.load_font_source(Source::Binary(Arc::new(file)));
        }
        all.set_sans_serif_family("DejaVu Sans");
        all.set_monospace_family("DejaVu Sans Mono");
        Arc::new(all)
    };
    FONTS.get_or_init(load).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(svg: &str) -> Pixmap {
        Pixmap::decode_png(&png(svg).unwrap().bytes).unwrap()
    }

    /// Pixels that are not white.
    fn inked(svg: &str) -> usize {
        let pixels = pixels(svg);
        let all = pixels.pixels().iter();
        all.filter(|pixel| pixel.red() < 255).count()
    }

    fn drawing(body: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"60\" height=\"30\">\n\
             <rect width=\"60\" height=\"30\" fill=\"white\"/>{body}</svg>"
        )
    }

    #[test]
    fn shapes_are_where_they_were_drawn_at_twice_the_size() {
        let pixels = pixels(&drawing(
            "<rect x=\"10\" y=\"5\" width=\"2\" height=\"2\" fill=\"#0102ff\"/>",
        ));
        assert_eq!((pixels.width(), pixels.height()), (120, 60));
        let pixel = pixels.pixel(21, 11).unwrap();
        assert_eq!((pixel.red(), pixel.green(), pixel.blue()), (1, 2, 255));
        assert_eq!(pixels.pixel(25, 11).unwrap().red(), 255);
    }

    /// Every family that the drawings name has its letters here, and so have arrows, boxes, Greek and Cyrillic.
    #[test]
    fn letters_come_from_the_fonts_in_this_crate() {
        for family in ["sans-serif", "monospace", "DejaVu Sans Mono, monospace"] {
            for text in ["loss", "β₂", "потеря", "→", "│", "≥", "●"] {
                let text = format!("<text x=\"2\" y=\"20\" font-family=\"{family}\">{text}</text>");
                assert!(inked(&drawing(&text)) > 10, "{text}");
            }
        }
        let weight = |weight: &str| {
            inked(&drawing(&format!(
                "<text x=\"2\" y=\"20\" font-family=\"monospace\" font-weight=\"{weight}\">loss</text>"
            )))
        };
        assert!(weight("bold") > weight("normal"));
    }

    #[test]
    fn the_same_drawing_gives_the_same_bytes() {
        let svg = drawing("<text x=\"2\" y=\"20\">loss</text>");
        assert_eq!(png(&svg).unwrap(), png(&svg).unwrap());
    }

    /// An empty box for a letter is no surprise: which ones there are is told, each once.
    #[test]
    fn letters_that_no_font_has_are_told() {
        // Two of a plane that is left to private use: no font has letters there.
        let text = "<text x=\"2\" y=\"20\">\u{10fffd}a\u{10fffc}\u{10fffd}</text>";
        let picture = png(&drawing(text)).unwrap();
        assert_eq!(picture.missing, ['\u{10fffc}', '\u{10fffd}'].into());
        assert!(picture.note().unwrap().contains("no font of this machine"));
        let boxes = drawing("<text x=\"2\" y=\"20\">□a□□</text>");
        assert_eq!(picture.bytes, png(&boxes).unwrap().bytes);
        let whole = png(&drawing("<text x=\"2\" y=\"20\">loss β₂</text>"));
        assert_eq!(whole.unwrap().note(), None);
    }

    /// The standalone figures carry rules for readers with dark screens.
    #[test]
    fn rules_for_dark_screens_change_nothing() {
        let dark =
            "<style>@media (prefers-color-scheme:dark){rect{fill:#000}text{fill:#fff}}</style>";
        let plain = drawing("<rect x=\"1\" y=\"1\" width=\"9\" height=\"9\" fill=\"#333\"/>");
        let styled = plain.replace("<rect width", &format!("{dark}<rect width"));
        assert_eq!(png(&plain).unwrap(), png(&styled).unwrap());
    }

    #[test]
    fn the_name_of_the_file_decides() {
        let svg = drawing("");
        let of = |name: &str| for_file(Path::new(name), svg.clone()).unwrap().bytes;
        assert!(of("a.PNG").starts_with(b"\x89PNG\r\n"));
        assert_eq!(of("a.svg"), svg.as_bytes());
        assert_eq!(of("png"), svg.as_bytes());
    }

    #[test]
    fn what_is_too_large_or_no_drawing_is_refused() {
        let error = png("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1e6\" height=\"200\"/>");
        assert!(error.unwrap_err().to_string().contains("2000000 × 400"));
        assert!(png("no drawing").is_err());
    }
}
