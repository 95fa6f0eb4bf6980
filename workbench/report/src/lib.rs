//! The report of a sweep or a run: one HTML file that needs nothing else, and the same as
//! Markdown with its figures beside it.
//!
//! One decision shapes this crate: *the templates decide nothing*. Sweeps and runs are turned
//! into `view` structs of finished words and drawn figures, and both templates print those, so
//! HTML and Markdown cannot disagree. The output depends on the directory alone, not on the clock
//! or the machine: the same directory gives the same bytes.
//!
//! - `sweep` and `single` read a directory into a view; `runs`, `figures`, `provenance` are parts.
//! - `arms` names and paints the arms, `by_axis` shows what the runs do along the axes, `layers` what layers do, `over` is
//!   what curves have from left to right, `parallel` has all axes at once, `cost` what it took.
//! - `band` joins the seeds of an arm; `plot` draws; `words` formats numbers.
//! - `cards` is the page over the results of all cards, `card` the figure of one.
//! - `detectors` draws what `workbench detect bench` found, again from no directory.
//! - `branches` are replays and forks, which `replay` draws.
//! - `shares` draws parts of a whole as bars, for `workbench explain`.
//! - `scaling` draws what `workbench bench --scaling` measured; it reads no directory.
//! - `weights` draws the matrices of files of weights, for `workbench quantize`.
//! - `render` fills the templates and escapes.

mod arms;
mod band;
mod branches;
mod by_axis;
mod card;
mod cards;
mod cost;
mod detectors;
mod error;
mod figures;
mod layers;
mod over;
mod parallel;
mod plot;
mod prose;
mod provenance;
mod render;
mod replay;
mod runs;
mod scaling;
mod shares;
mod single;
mod spikes;
mod sweep;
mod view;
mod weights;

pub use card::card_svg;
pub use cards::{write_cards, write_sweeps};
pub use detectors::detectors_svg;
pub use error::ReportError;
pub use over::Over;
pub use replay::{LossLine, losses_svg, replay_svg};
pub use scaling::{ScalingPanel, ScalingPoint, scaling_svg};
pub use shares::{ShareBar, SharePanel, shares_svg};
pub use sweeps::overview::Chosen;
pub use weights::{WeightsPanel, WeightsRow, weights_svg};

use std::path::{Path, PathBuf};
use view::Report;

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

/// Where a report goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// `report.html`, `report.md` and `figures/*.svg`, into a folder that is made where needed.
    Folder(PathBuf),
    /// The HTML page alone, which needs nothing else.
    Html(PathBuf),
    /// The Markdown page, with its figures in `figures/` beside it.
    Markdown(PathBuf),
}

impl Target {
    /// What a user means by a path: a page by its ending (`.html`, `.md`), the HTML page also by a pipe, a
    /// device or a descriptor, and a folder by anything else.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let path_of = |target: fn(PathBuf) -> Self| target(path.to_owned());
        match ending {
            _ if path.is_dir() => path_of(Self::Folder),
            Some("html") => path_of(Self::Html),
            Some("md") => path_of(Self::Markdown),
            _ if logs::disk::is_stream(path) => path_of(Self::Html),
            _ => path_of(Self::Folder),
        }
    }
}

/// Writes the report of `dir`, the directory of a sweep or of a run, in whatever state it is, into that
/// directory. Nothing else in it is changed, and a report from before is replaced file by file, each at
/// once.
pub fn write(dir: &Path) -> Result<Written, ReportError> {
    let (report, verdict) = read(dir, Options::default())?;
    let mut written = save_folder(&report, dir)?;
    written.verdict = verdict;
    Ok(written)
}

/// What a reader chose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Forks of the runs, which are shown beside them.
    pub forks: &'a [PathBuf],
    /// The axes of a sweep that have colours, shades and panels.
    pub chosen: Chosen<'a>,
    /// What curves over training have from left to right.
    pub over: Over,
}

/// Writes the report of `dir` to a place; returns the pages. Else `dir` is only read.
pub fn write_to(
    dir: &Path,
    options: Options<'_>,
    target: &Target,
) -> Result<Vec<PathBuf>, ReportError> {
    let (report, _) = read(dir, options)?;
    match target {
        Target::Folder(folder) => {
            let written = save_folder(&report, folder)?;
            Ok(vec![written.html, written.md])
        }
        Target::Html(page) => {
            save(page, &render::html(&report)?)?;
            Ok(vec![page.clone()])
        }
        Target::Markdown(page) => {
            let folder = page.parent().unwrap_or(Path::new(""));
            save_figures(&report, &folder.join("figures"))?;
            save(page, &render::markdown(&report)?)?;
            Ok(vec![page.clone()])
        }
    }
}

/// What a directory says, and the verdict of a sweep.
fn read(
    dir: &Path,
    options: Options<'_>,
) -> Result<(Report, Option<sweeps::Verdict>), ReportError> {
    if dir.join(logs::output::SWEEP_FILE).exists() {
        let (report, verdict) = sweep::report(dir, options)?;
        Ok((report, Some(verdict)))
    } else if let (true, Some(key)) = (single::is_run(dir), options.chosen.keys().next()) {
        Err(ReportError::NoAxis {
            key: key.to_owned(),
            known: "no axis: a run alone has none".to_owned(),
            path: dir.to_owned(),
        })
    } else if single::is_run(dir) {
        Ok((single::report(dir, options)?, None))
    } else {
        Err(ReportError::NoRuns {
            path: dir.to_owned(),
        })
    }
}

fn save_folder(report: &Report, folder: &Path) -> Result<Written, ReportError> {
    make_folder(folder)?;
    let (html, md) = (folder.join("report.html"), folder.join("report.md"));
    save(&html, &render::html(report)?)?;
    let figures = save_figures(report, &folder.join("figures"))?;
    // Last, so that it never names a figure that isn't there.
    save(&md, &render::markdown(report)?)?;
    Ok(Written {
        html,
        md,
        figures,
        verdict: None,
    })
}

fn save_figures(report: &Report, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    make_folder(folder)?;
    let save = |panel: &plot::Panel| {
        let path = folder.join(format!("{}.svg", panel.name));
        save(&path, &render::standalone_svg(&panel.svg))?;
        Ok(path)
    };
    let branched = report.branches.iter().flat_map(|part| &part.figures);
    let figures = report
        .figures
        .iter()
        .chain(&report.by_axis.figures)
        .chain(branched);
    figures
        .flat_map(|figure| &figure.panels)
        .map(save)
        .collect()
}

fn make_folder(folder: &Path) -> Result<(), ReportError> {
    logs::folder::make(folder).map_err(|source| ReportError::Folder {
        path: folder.to_owned(),
        source,
    })
}

fn save(path: &Path, text: &str) -> Result<(), ReportError> {
    logs::output::write(path, text.as_bytes()).map_err(ReportError::Save)
}
