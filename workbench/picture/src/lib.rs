//! Figures and screens as files: SVG as it was drawn, or PNG where the file's name says so.
//!
//! The letters of a PNG are those of fonts in this crate, so that the same drawing gives the same bytes on every machine
//! (docs/decisions/0025-pictures-as-png.md).

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{self, Options, Tree};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// Pixels of a PNG per CSS pixel of the drawing: sharp on a screen of twice the usual resolution, and on paper.
const SCALE: f32 = 2.0;
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

/// Whether a file's name asks for a PNG.
#[must_use]
pub fn is_png(file: &Path) -> bool {
    let ending = file.extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
}

/// The bytes of a drawing for a file of this name: a PNG where it ends in `.png`, else the SVG itself.
pub fn for_file(file: &Path, svg: String) -> Result<Vec<u8>, PictureError> {
    if is_png(file) {
        png(&svg)
    } else {
        Ok(svg.into_bytes())
    }
}

/// An SVG as a PNG of twice its size in CSS pixels. Rules for dark screens are left out: a PNG cannot ask its reader.
pub fn png(svg: &str) -> Result<Vec<u8>, PictureError> {
    let options = Options {
        font_family: "DejaVu Sans".to_owned(),
        fontdb: fonts(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)?;
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
    encoded.map_err(|error| PictureError::Encode(error.to_string()))
}

/// `DejaVu` Sans and Sans Mono, and nothing that the machine has.
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
        Pixmap::decode_png(&png(svg).unwrap()).unwrap()
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
        let of = |name: &str| for_file(Path::new(name), svg.clone()).unwrap();
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
