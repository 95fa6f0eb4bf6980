//! Arguments of `workbench detect`.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Detect {
    /// Say for every detector how many events it finds, how early, and at how many false alarms.
    #[command(after_help = "\
Examples:
  workbench detect bench sweeps-out/s1 sweeps-out/s3a
  workbench detect bench runs --json --plot detectors.svg > detectors.json
  workbench detect bench runs --labels events.toml --false-alarms 0.01
Without --labels an event is where the loss rises 0.7 nats over the losses around it, or is not finite. \
docs/spikes.md has the rule, the form of the labels, and how to read the table.")]
    Bench(DetectBench),
}

#[derive(Debug, Args)]
pub(crate) struct DetectBench {
    /// Run directories, sweep directories, or folders of either.
    #[arg(value_name = "RUN|SWEEP", value_hint = ValueHint::DirPath, required = true)]
    pub(crate) dirs: Vec<PathBuf>,
    /// A TOML file that says where the events are: `[[event]]` with `run`, `step` and `tolerance`. It takes the place of
    /// the rule.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) labels: Option<PathBuf>,
    /// False alarms per 1,000 steps at which detectors are compared.
    #[arg(long, value_name = "RATE", default_value_t = 1.0)]
    pub(crate) false_alarms: f64,
    /// For machines: everything, with the curve of every detector.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the curves and the leads, as SVG or PNG by the name's end.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) plot: Option<PathBuf>,
}
