//! What can go wrong while writing a report.

use std::path::PathBuf;

/// Why no report was written. What the sweep recorded is never touched by any of these.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The sweep directory cannot be read.
    #[error(transparent)]
    Sweep(#[from] sweeps::SweepError),
    /// A run directory cannot be read.
    #[error(transparent)]
    Log(#[from] logs::LogError),
    /// A file of the report cannot be written.
    #[error(transparent)]
    Save(logs::LogError),
    /// The directory is neither a sweep nor a run.
    #[error(
        "`{}` is neither a sweep (it has no `sweep.json`) nor a run (it has no `run.toml`, \
         `manifest.json` or `metrics-0001.jsonl`); name a directory written by `workbench \
         sweep run` or `workbench train`",
        path.display()
    )]
    NoRuns {
        /// The directory that was named.
        path: PathBuf,
    },
    /// An axis that was chosen for colours, shades or panels is none.
    #[error("`{key}` is no axis in which arms of `{}` differ; expected {known}", path.display())]
    NoAxis {
        /// What was asked for.
        key: String,
        /// What there is, in words.
        known: String,
        /// The directory.
        path: PathBuf,
    },
    /// An axis was chosen twice, or with one that changes between the same arms.
    #[error(
        "`{key}` cannot be shown twice in `{}`; expected axes that differ, each in one of `--colour-by`, `--shade-by` and `--facet-by`",
        path.display()
    )]
    SameAxis {
        /// What was asked for.
        key: String,
        /// The directory.
        path: PathBuf,
    },
    /// There is nothing to put on the page over all cards.
    #[error(
        "`{}` holds no results (`*.json`); `workbench verdict SWEEP --result FILE` writes them",
        path.display()
    )]
    NoResults {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of the report cannot be made.
    #[error("cannot create the folder `{}`: expected a parent that can be written and has space left, or a file that ends in `.html` or `.md`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A figure could not be drawn.
    #[error("cannot draw the figure `{figure}`: {message}; please report this as a bug")]
    Draw {
        /// The figure's file name without extension.
        figure: String,
        /// What the plotting library said.
        message: String,
    },
    /// A template could not be filled in.
    #[error("cannot fill in the report's template; please report this as a bug")]
    Template(#[from] minijinja::Error),
}
