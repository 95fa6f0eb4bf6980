//! Arguments of the commands that ask a run with text.

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Which of a run's weights.
#[derive(Debug, Args)]
pub(crate) struct WhichWeights {
    /// The checkpoint of this step [default: the newest].
    #[arg(long, visible_alias = "checkpoint", value_name = "K")]
    pub(crate) step: Option<u64>,
    /// Weights that `workbench quantize` wrote, in place of a checkpoint.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "step")]
    pub(crate) quantized: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Run directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// A text with one `[MASK]`, or with `[gMASK]` at its end; of a run in GPT mode with neither. Again for further ones.
    #[arg(long, value_name = "TEXT", required_unless_present = "prompts")]
    pub(crate) prompt: Vec<String>,
    /// A file with a prompt in every line; `-` is standard input.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) prompts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) weights: WhichWeights,
    /// Tokens of an answer at the most; fewer where the slots of the model end.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: u32,
    /// Tokens before an answer may end, at most --max-tokens and what the prompt leaves of the model's slots.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) min_tokens: u32,
    /// Draw tokens at random, with logits divided by this.
    #[arg(long, value_name = "T", value_parser = temperature, allow_negative_numbers = true)]
    pub(crate) temperature: Option<f64>,
    /// Draw tokens at random, from the N likeliest only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top_k: Option<u32>,
    /// Draw tokens at random, from the fewest likeliest that have this share of all probability.
    #[arg(long, value_name = "P", value_parser = share, allow_negative_numbers = true)]
    pub(crate) top_p: Option<f64>,
    /// Draw tokens at random, by this seed [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Search with so many answers at once, and give the best.
    #[arg(long, value_name = "N", conflicts_with_all = ["temperature", "top_k", "top_p", "seed"], value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) beams: Option<u32>,
    /// With --beams: above 0 longer answers are preferred.
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "beams", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) length_penalty: f64,
    /// Let no sequence of N tokens come twice; 0 allows all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) no_repeat_ngram: u32,
    /// For machines: with tokens, log-probabilities and all beams.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Run directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Names of tasks that come with the program, such as `copa`, or task files.
    #[arg(value_name = "TASK", value_hint = ValueHint::FilePath, required = true)]
    pub(crate) tasks: Vec<String>,
    /// Folder of all data [default: `$WORKBENCH_EVAL_DATA`].
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) weights: WhichWeights,
    /// Only the first N items of each file, or of each group that its rows name.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Solved items before each [default: as the task says].
    #[arg(long, value_name = "N")]
    pub(crate) shots: Option<u32>,
    /// By which they are drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Also record what was read of each item, and tokens and log-probabilities of its answers.
    #[arg(long)]
    pub(crate) log_samples: bool,
    /// Folder of all results [default: RUN/evaluations].
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// For machines, with every file.
    #[arg(long)]
    pub(crate) json: bool,
}

fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "expected a number, such as 1.0".to_owned())
}

fn temperature(text: &str) -> Result<f64, String> {
    let above = finite(text).ok().filter(|number| *number > 0.0);
    above.ok_or_else(|| {
        "expected a number above 0, such as 0.7; without it the likeliest token is taken".to_owned()
    })
}

fn share(text: &str) -> Result<f64, String> {
    let share = finite(text)
        .ok()
        .filter(|number| *number > 0.0 && *number <= 1.0);
    share.ok_or_else(|| "expected a share above 0 and at most 1, such as 0.9".to_owned())
}
