//! Arguments of the commands that go back to a step of a run.

use clap::{Args, ValueHint};
use experiments_config::Override;
use std::path::PathBuf;

/// Steps that are trained again on the way from a checkpoint, unless said otherwise.
pub(crate) const REACH: u64 = 1000;

#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// Run directory; only read.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// The first step that the fork takes itself, from 1: it begins with the exact state before it.
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    pub(crate) at: u64,
    /// Change a configuration key, for example `optimizer.lr=1e-3`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// Pass over the data of the steps A to B, both included; later steps read what comes after.
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub(crate) skip: Option<(u64, u64)>,
    /// Run directory of the fork, which is made.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Steps that may be trained again on the way from the nearest checkpoint, at most.
    #[arg(long, value_name = "N", default_value_t = REACH)]
    pub(crate) reach: u64,
}

/// `118..122`: two steps, the second not before the first.
fn range(text: &str) -> Result<(u64, u64), String> {
    let parse = || {
        let (first, last) = text.split_once("..")?;
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    match parse() {
        // A configuration holds no larger numbers.
        Some((first, last)) if 1 <= first && first <= last && i64::try_from(last).is_ok() => {
            Ok((first, last))
        }
        _ => Err(format!("`{text}` is no range of steps like 118..122")),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Run directory; only read.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// The step, as the alarm names it: 1 is the first.
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    pub(crate) at: u64,
    /// Twins by name, with commas; the control always runs [default: all that apply].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) twins: Vec<String>,
    /// Steps of the twins from that step on, long enough for a relapse.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) steps: u64,
    /// Steps before that step at which the twins begin to differ: the loss of a step is measured before its update, and
    /// what leads to a spike does so by some steps.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) lead: u64,
    /// Directory of the replay, which is made [default: RUN/replays/step-STEP].
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Steps that may be trained again on the way from the nearest checkpoint, at most.
    #[arg(long, value_name = "N", default_value_t = REACH)]
    pub(crate) reach: u64,
    /// Twins at a time [default: cores divided by --threads].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: Option<u16>,
    /// CPU threads of one twin.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Run directory; only read. Without one, the devices of this machine are listed.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: Option<PathBuf>,
    /// Steps from one checkpoint to the next, at most; farther ones are not compared.
    #[arg(long, value_name = "N", default_value_t = REACH)]
    pub(crate) reach: u64,
}
