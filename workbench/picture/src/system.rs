//! Fonts of the machine, for letters that those of this crate lack.

use fontdb::{Database, FaceInfo, Source, Style};
use skrifa::MetadataProvider;
use std::sync::{Arc, OnceLock};

/// The fonts that the machine has in its usual folders, looked for once and only where a letter is lacking.
pub(crate) fn fonts() -> &'static Database {
    static FONTS: OnceLock<Database> = OnceLock::new();
    FONTS.get_or_init(|| {
        let mut fonts = Database::new();
        fonts.load_system_fonts();
        fonts
    })
}

/// Puts a font with a letter to others, if there is one: of those that have it an upright one of the usual weight, and of these the
/// first by name, so that a machine always takes the same. Nothing else comes in with it, so that no other text changes its font.
pub(crate) fn add(letter: char, to: &mut Arc<Database>, from: &Database) -> bool {
    let mut faces: Vec<&FaceInfo> = from.faces().collect();
    faces.sort_by_key(|face| {
        let weight = face.weight.0.abs_diff(fontdb::Weight::NORMAL.0);
        (face.style != Style::Normal, weight, &face.post_script_name)
    });
    let data = faces.into_iter().find_map(|face| {
        let found = from.with_face_data(face.id, |data, index| {
            has(data, index, letter).then(|| data.to_vec())
        });
        found.flatten()
    });
    let Some(data) = data else { return false };
    Arc::make_mut(to).load_font_source(Source::Binary(Arc::new(data)));
    true
}

/// Whether one of some fonts has a letter.
pub(crate) fn any_has(fonts: &Database, letter: char) -> bool {
    let mut faces = fonts.faces();
    faces.any(|face| {
        let found = fonts.with_face_data(face.id, |data, index| has(data, index, letter));
        found == Some(true)
    })
}

fn has(data: &[u8], index: u32, letter: char) -> bool {
    let font = skrifa::FontRef::from_index(data, index);
    font.is_ok_and(|font| font.charmap().map(letter).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(file: &'static [u8]) -> Database {
        let mut fonts = Database::new();
        fonts.load_font_source(Source::Binary(Arc::new(file)));
        fonts
    }

    /// `DejaVu` Sans has Hebrew, Sans Mono has not.
    #[test]
    fn a_letter_comes_from_the_first_font_that_has_it_and_nothing_with_it() {
        let sans = database(include_bytes!("../fonts/DejaVuSans.ttf"));
        let mono = database(include_bytes!("../fonts/DejaVuSansMono.ttf"));
        let mut fonts = Arc::new(mono);
        assert!(!add('\u{10fffd}', &mut fonts, &sans));
        assert!(fonts.len() == 1 && !any_has(&fonts, 'א'));
        assert!(add('א', &mut fonts, &sans));
        assert!(fonts.len() == 2 && any_has(&fonts, 'א'));
    }
}
