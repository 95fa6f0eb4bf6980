//! Figures that a command is told to write.

use crate::console::say;
use crate::failure::Failure;
use std::path::Path;

/// Writes a drawing where the user wants it: a PNG where the name ends in `.png`, else SVG.
pub(crate) fn write(file: &Path, svg: String) -> Result<(), Failure> {
    let picture = workbench_picture::for_file(file, svg)?;
    logs::output::write(file, &picture.bytes)?;
    if let Some(note) = picture.note() {
        say(&format!("{}: {note}", file.display()));
    }
    Ok(())
}
