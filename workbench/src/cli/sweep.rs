//! Arguments of `sweep`, `verdict` and `report`.

use super::Execution;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use experiments_config::Override;
use std::path::PathBuf;
use sweeps::executor::Entry;
use sweeps::{EXECUTORS, SlurmOptions};
use workbench_report::Over;

/// A card and what is changed about it.
#[derive(Debug, Args)]
pub(crate) struct CardChoice {
    /// The card.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) card: PathBuf,
    /// One of the card's budgets, for example `smoke` or `cpu` [default: the whole table].
    #[arg(long, value_name = "NAME")]
    pub(crate) budget: Option<String>,
    /// Change a configuration key in every run.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// Use cached texts only.
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Where the runs of a sweep are trained.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Where the runs are trained.
    #[arg(long, value_name = "NAME", default_value = EXECUTORS[0].name, value_parser = executor_parser())]
    pub(crate) executor: &'static Entry,
    /// With --executor slurm: the partition [default: Slurm's].
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    /// With --executor slurm: the account that is charged.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// With --executor slurm: time limit of a job; a run that needs longer goes on in another job [default: twice what
    /// a few steps here let expect, and ten minutes].
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
    /// With --executor slurm: generic resources of a job, for example gpu:1.
    #[arg(long, value_name = "LIST")]
    pub(crate) gres: Option<String>,
    /// With --executor slurm: a further argument of sbatch, for example --sbatch=--qos=high; again for more.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) sbatch: Vec<String>,
}

fn executor_parser() -> impl TypedValueParser<Value = &'static Entry> {
    let known = EXECUTORS.map(|entry| PossibleValue::new(entry.name).help(entry.about));
    PossibleValuesParser::new(known).try_map(|name| {
        let found = EXECUTORS.into_iter().find(|entry| entry.name == name);
        found.ok_or("no such executor")
    })
}

impl Place {
    /// What Slurm is asked for, and whether anything is.
    pub(crate) fn slurm(&self) -> (SlurmOptions, bool) {
        let options = SlurmOptions {
            partition: self.partition.clone(),
            account: self.account.clone(),
            time: self.time.clone(),
            gres: self.gres.clone(),
            further: self.sbatch.clone(),
            task: Vec::new(),
        };
        let any = [&self.partition, &self.account, &self.time, &self.gres];
        let any = any.into_iter().any(Option::is_some) || !self.sbatch.is_empty();
        (options, any)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sweep {
    /// Show what a card would run, what it costs on this machine, and what its design can show.
    /// Nothing of it is run; a few steps of every shape are timed.
    #[command(after_help = "\
Examples:
  workbench sweep plan experiments/cards/e02-norm-grid.toml --budget cpu
  workbench sweep plan my-card.toml --no-probe          # without timing anything")]
    Plan {
        #[command(flatten)]
        choice: CardChoice,
        /// Time nothing: no text is needed, and no cost is told.
        #[arg(long)]
        no_probe: bool,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Run a card, or continue it where it stands.
    #[command(after_help = "\
Examples:
  workbench sweep run my-card.toml --workers 2
  workbench sweep run my-card.toml --executor slurm --partition gpu --gres gpu:1 --pack 16 --workers 8
  workbench sweep run my-card.toml --out /shared/q --executor shared     the same on every machine")]
    Run {
        #[command(flatten)]
        choice: CardChoice,
        /// Sweep directory [default: sweeps-out/NAME, or sweeps-out/NAME-BUDGET].
        #[arg(long, value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
        #[command(flatten)]
        execution: Execution,
        #[command(flatten)]
        place: Place,
        /// Try runs again that have failed.
        #[arg(long)]
        retry_failed: bool,
    },
    /// What a job of `sweep run --executor slurm` executes.
    #[command(hide = true)]
    Job {
        /// Sweep directory.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Number of the submission.
        submission: u32,
        /// Number of the job in it.
        index: usize,
        #[command(flatten)]
        execution: Execution,
        /// Try runs again that have failed.
        #[arg(long)]
        retry_failed: bool,
    },
    /// Run some of a finished sweep's runs again and compare every recorded value, timings apart.
    Rerun {
        /// Sweep directory.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Share of the runs; at least one is taken.
        #[arg(long, default_value_t = 0.05)]
        share: f64,
        /// Draws the runs, so that nobody picks them.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where to run them [default: DIR/rerun-SEED].
        #[arg(long, value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
        #[command(flatten)]
        execution: Execution,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Show how a sweep stands.
    Status {
        /// Sweep directory.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Checkpoint and stop one run, or the whole sweep; returns when that has happened.
    Stop {
        /// Sweep directory.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Run id, or a part of it that fits one run; without it the whole sweep stops.
        run: Option<String>,
    },
    /// Leave one run out, now and in the future.
    Skip {
        /// Sweep directory.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Run id, or a part of it that fits one run.
        run: String,
        /// Take the request back.
        #[arg(long)]
        undo: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Verdict {
    /// Sweep directory; with --runs a card.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) dir: PathBuf,
    /// Judge runs that no sweep planned, such as imported ones. FILE is TOML: `[[run]]` with `arm`, `dir` and,
    /// where the criterion pairs runs, `seed`; above them `unigram_entropy` of the text, where it is known.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "result")]
    pub(crate) runs: Option<PathBuf>,
    /// With --runs: the card's budget.
    #[arg(long, requires = "runs")]
    pub(crate) budget: Option<String>,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write what remains of the sweep when its runs are deleted. Two files are written: FILE, and
    /// beside it a figure with its name and the ending `.svg`. `report --cards` and `preflight` read it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) result: Option<PathBuf>,
}

/// The axes of the report's curves by their names.
fn over() -> impl TypedValueParser<Value = Over> {
    PossibleValuesParser::new(Over::ALL.map(|(name, _)| name))
        .try_map(|name| Over::named(&name).ok_or("there is no such axis"))
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  workbench report sweeps-out/quickstart
  workbench report sweeps-out/quickstart --out page.html   # the directory is only read
  workbench report sweeps-out/my-card --colour-by model.norm --facet-by optimizer.lr
  workbench report sweeps-out/my-card --x tokens        # curves over tokens
  workbench report --cards                              # all results, one page
  workbench report --cards sweeps-out/my-card sweeps-out/quickstart   # sweeps of one's own
  workbench report --cards --results my-results --out page.html")]
pub(crate) struct Report {
    /// Sweep directory or run directory; with --cards sweep directories, instead of results.
    #[arg(value_hint = ValueHint::DirPath, required_unless_present = "cards")]
    pub(crate) dirs: Vec<PathBuf>,
    /// One page over the results of all cards, or over some sweeps.
    #[arg(long)]
    pub(crate) cards: bool,
    /// Show this fork of a run beside it; again for further ones. Replays are shown without being named.
    #[arg(long, value_name = "RUN", value_hint = ValueHint::DirPath, conflicts_with = "cards")]
    pub(crate) fork: Vec<PathBuf>,
    /// The axis of a sweep that has the colours, as a configuration key [default: the axis of words or of fewest values].
    #[arg(long, value_name = "KEY", conflicts_with = "cards")]
    pub(crate) colour_by: Option<String>,
    /// The axis that has the shades and dashes [default: the next one].
    #[arg(long, value_name = "KEY", conflicts_with = "cards")]
    pub(crate) shade_by: Option<String>,
    /// The axis that has panels, one for each of its values [default: where curves are too many, what is left].
    #[arg(long, value_name = "KEY", conflicts_with = "cards")]
    pub(crate) facet_by: Option<String>,
    /// What curves over training have from left to right.
    #[arg(long, value_name = "AXIS", default_value = "step", value_parser = over(), conflicts_with = "cards")]
    pub(crate) x: Over,
    /// With --cards: folder with results, as `verdict --result` writes them.
    #[arg(long, value_name = "DIR", default_value = "experiments/results", value_hint = ValueHint::DirPath)]
    pub(crate) results: PathBuf,
    /// With --cards: folder with the cards, to tell whether they have changed since.
    #[arg(long, value_name = "DIR", default_value = "experiments/cards", value_hint = ValueHint::DirPath)]
    pub(crate) card_folder: PathBuf,
    /// Write elsewhere: a folder for all of it, or a file that ends in `.html` or `.md` for this page
    /// only [default: DIR; with --cards the page `cards.html` in the folder of results, for sweeps in this folder].
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) out: Option<PathBuf>,
}
