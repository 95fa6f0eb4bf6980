//! Arguments of `workbench import`.

use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Logs, or folders of them.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, required_unless_present = "manifest")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run directory; the folder of the run directories where the paths hold several runs.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Read a column under another name, for example `train/lm_loss=loss`; `step` and `time` are the step
    /// and the clock.
    #[arg(long = "map", value_name = "SOURCE=NAME")]
    pub(crate) map: Vec<String>,
    /// A TOML file of such names, one `"SOURCE" = "NAME"` a line; `--map` comes before it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) names: Option<PathBuf>,
    /// Mark a step as skipped where the loss scale falls or the gradient norm is not finite, for logs that do not
    /// say which updates were skipped.
    #[arg(long)]
    pub(crate) infer_skipped: bool,
    /// A TOML file that says which files are attempts of which run: `[[run]]` with `name` and `files`, the
    /// earliest attempt first.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) manifest: Option<PathBuf>,
    /// Take all files for attempts of one run, whatever their names.
    #[arg(long)]
    pub(crate) one_run: bool,
    /// Keep reading the files of one run that is still being written, new ones too, until Ctrl-C; the same command
    /// goes on with the same run.
    #[arg(long, conflicts_with = "manifest")]
    pub(crate) follow: bool,
}
