//! Figures that a command is told to write.

use crate::failure::Failure;
use std::path::Path;

/// Writes a drawing where the user wants it: a PNG where the name ends in `.png`, else SVG.
pub(crate) fn write(file: &Path, svg: String) -> Result<(), Failure> {
    let bytes = workbench_picture::for_file(file, svg)?;
    Ok(logs::output::write(file, &bytes)?)
}
