//! The report of a sweep or a run: one HTML file that needs nothing else, and the same as
//! Markdown with its figures beside it.
//!
//! One decision shapes this crate: *the templates decide nothing*. Sweeps and runs are turned
//! into `view` structs of finished words and drawn figures, and both templates print those, so
//! HTML and Markdown cannot disagree. The output depends on the directory alone, not on the clock
//! or the machine: the same directory gives the same bytes.
//!
//! - `sweep` and `single` read a directory into a view; `runs`, `figures`, `provenance` are parts.
//! - `band` joins the seeds of an arm; `plot` draws; `words` formats numbers.
//! - `cards` is the page over the results of all cards, `card` the figure of one.
//! - `scaling` draws what `workbench bench --scaling` measured; it reads no directory.
//! - `render` fills the templates and escapes.

mod band;
mod card;
mod cards;
mod error;
mod figures;
mod plot;
mod provenance;
mod render;
mod runs;
mod scaling;
mod single;
mod sweep;
mod view;
mod words;

pub use card::card_svg;
pub use cards::write_cards;
pub use error::ReportError;
pub use scaling::{ScalingPanel, ScalingPoint, scaling_svg};

use std::path::{Path, PathBuf};

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// `report.html`, self-contained.
    pub html: PathBuf,
    /// `report.md`.
    pub md: PathBuf,
    /// The figures of `report.md`, in `figures/`.
    pub figures: Vec<PathBuf>,
    /// The verdict reported; none for a single run, which compares nothing.
    pub verdict: Option<sweeps::Verdict>,
}

/// Writes `report.html`, `report.md` and `figures/*.svg` into `dir`, the directory of a sweep or
/// of a run, in whatever state it is. Nothing else in the directory is changed, and a report from
/// before is replaced file by file, each at once.
pub fn write(dir: &Path) -> Result<Written, ReportError> {
    let (report, verdict) = if dir.join("sweep.json").exists() {
        let (report, verdict) = sweep::report(dir)?;
        (report, Some(verdict))
    } else if single::is_run(dir) {
        (single::report(dir)?, None)
    } else {
        return Err(ReportError::NoRuns {
            path: dir.to_owned(),
        });
    };
    let mut written = Written {
        html: dir.join("report.html"),
        md: dir.join("report.md"),
        figures: Vec::new(),
        verdict,
    };
    save(&written.html, &render::html(&report)?)?;
    let folder = dir.join("figures");
    std::fs::create_dir_all(&folder).map_err(|source| ReportError::Folder {
        path: folder.clone(),
        source,
    })?;
    for figure in &report.figures {
        let path = folder.join(format!("{}.svg", figure.name));
        save(&path, &render::standalone_svg(&figure.svg))?;
        written.figures.push(path);
    }
    // Last, so that it never names a figure that isn't there.
    save(&written.md, &render::markdown(&report)?)?;
    Ok(written)
}

fn save(path: &Path, text: &str) -> Result<(), ReportError> {
    Ok(logs::write_atomic(path, text.as_bytes())?)
}
