//! Arguments of the commands around a full run.

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use experiments_config::Override;
use experiments_plan::{Sharding, Trainer, VOCAB_MULTIPLE};
use std::path::PathBuf;
use words::Named;

fn gpu_help() -> String {
    let names: Vec<&str> = experiments_plan::hardware::gpu_names().collect();
    format!("The GPU: {}, or a TOML file", names.join(", "))
}

/// A cluster and how a model is spread over it. The defaults are those GLM-130B was trained with, and
/// one GPU for a model that they do not fit.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster and layout")]
pub(crate) struct Spread {
    /// Machines [default: 96; 1 for a model that the default layout does not fit].
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<u64>,
    /// GPUs of one machine [default: 8, or 1].
    #[arg(long, value_name = "N")]
    pub(crate) gpus_per_node: Option<u64>,
    #[arg(long, value_name = "NAME|FILE", default_value = "a100-40g", help = gpu_help())]
    pub(crate) gpu: String,
    /// GPUs that share each matrix [default: 4, or 1].
    #[arg(long, value_name = "N")]
    pub(crate) tensor_parallel: Option<u64>,
    /// Pipeline stages [default: 8, or 1].
    #[arg(long, value_name = "N")]
    pub(crate) pipeline_parallel: Option<u64>,
    /// Replicas [default: as many as there are GPUs for].
    #[arg(long, value_name = "N")]
    pub(crate) data_parallel: Option<u64>,
    /// Sequences of one micro-batch [default: the configuration's].
    #[arg(long, value_name = "N")]
    pub(crate) micro_batch: Option<u64>,
    /// What is computed again in the backward pass.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) recompute: RecomputeName,
    /// Order of micro-batches in the pipeline.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) schedule: ScheduleName,
    /// Chunks of layers per stage, with the interleaved schedule.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) chunks: u64,
    /// Let stages hold numbers of layers that differ by one.
    #[arg(long)]
    pub(crate) uneven_stages: bool,
    /// GPUs that share each sequence.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) context_parallel: u64,
    /// Divide norms and dropout over the tensor ranks.
    #[arg(long)]
    pub(crate) sequence_parallel: bool,
    #[arg(long, value_name = "WHAT", default_value = "zero1", value_parser = named::<Sharding>, help = names_help::<Sharding>("What the replicas divide among them"))]
    pub(crate) sharding: Sharding,
    /// Attention that keeps no scores.
    #[arg(long)]
    pub(crate) flash_attention: bool,
    /// The embedding's rows are padded to a multiple of this times the tensor ranks.
    #[arg(long, value_name = "N", default_value_t = VOCAB_MULTIPLE)]
    pub(crate) vocab_multiple: u64,
}

/// One of a few names.
fn named<T: Named>(text: &str) -> Result<T, String> {
    let names = || T::VALUES.iter().map(|value| value.named());
    T::find(text).ok_or_else(|| {
        format!(
            "expected {}{}",
            words::quoted(names()),
            words::hint(text, names())
        )
    })
}

fn names_help<T: Named>(what: &str) -> String {
    let names: Vec<&str> = T::VALUES.iter().map(|value| value.named()).collect();
    format!("{what}: {}", names.join(", "))
}

/// What is recomputed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum RecomputeName {
    /// Nothing.
    None,
    /// Attention scores and probabilities.
    Selective,
    /// Every layer from its input.
    #[default]
    Full,
}

/// Pipeline schedules.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum ScheduleName {
    /// One forward, one backward.
    #[default]
    #[value(name = "1f1b")]
    OneForwardOneBackward,
    /// All forward passes first.
    Gpipe,
    /// One forward, one backward over several chunks per stage.
    Interleaved,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of the command line"
)]
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Plan {
    #[command(subcommand)]
    pub(crate) table: Option<PlanTable>,
    /// A preset or a configuration file.
    #[arg(value_name = "PRESET|FILE", value_hint = ValueHint::AnyPath, required = true)]
    pub(crate) what: Option<String>,
    #[command(flatten)]
    pub(crate) spread: Spread,
    /// Rank every legal layout that fits, and show so many.
    #[arg(long, value_name = "ROWS", num_args = 0..=1, default_missing_value = "12")]
    pub(crate) search: Option<usize>,
    /// Draw the pipeline of one step, as SVG or PNG by the name's end, and in the terminal.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) timeline: Option<PathBuf>,
    /// How often such a cluster fails, and how often to save.
    #[arg(long)]
    pub(crate) failures: bool,
    /// What the trained model needs to answer, with weights in 16, 8 and 4 bits, on eight A100 to three RTX 5090.
    #[arg(long, conflicts_with_all = ["search", "timeline", "failures", "published"])]
    pub(crate) at_home: bool,
    /// Show what was published of GLM-130B beside what is computed.
    #[arg(long)]
    pub(crate) published: bool,
    /// Share of the GPU's peak that large matrix products attain [default: fitted to published steps].
    #[arg(long, value_name = "SHARE")]
    pub(crate) efficiency: Option<f64>,
    #[arg(long, value_name = "NAME", value_parser = named::<Trainer>, help = names_help::<Trainer>("The program that trains [default: the usual one for layout and GPU]"))]
    pub(crate) trainer: Option<Trainer>,
    /// Compute the products of weights in FP8.
    #[arg(long)]
    pub(crate) fp8: bool,
    /// Coefficients of the step-time model, as `plan fit` writes them [default: those that are shipped].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) fit: Option<PathBuf>,
    /// Change what is assumed about memory: `fragmentation`, `overhead_bytes`, `more_overhead_bytes`, `gradient_copy`,
    /// `partition_checkpoints`, `bucket_elements`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) memory: Vec<String>,
    /// Tokens to train on, for example 366e9 [default: those of the configuration's steps].
    #[arg(long, value_name = "N", value_parser = whole)]
    pub(crate) tokens: Option<u64>,
    /// Seconds of a step as measured; days and energy follow from them.
    #[arg(long, value_name = "S")]
    pub(crate) measured_seconds: Option<f64>,
    /// Change a configuration key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done with a table of published systems.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanTable {
    /// Fit the step-time model to a table of systems, and show its error on those held out.
    Fit {
        /// CSV, a row a system; docs/plan.md lists the columns.
        #[arg(value_name = "TABLE", value_hint = ValueHint::FilePath)]
        table: PathBuf,
        /// Documents that are predicted and not fitted, beside the rows with `use` = held-out.
        #[arg(long, value_name = "GROUP", value_delimiter = ',')]
        hold_out: Vec<String>,
        /// Where the coefficients go.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
        #[command(flatten)]
        shown: TableOutput,
    },
    /// Predict the systems of a table, and compare with what was published.
    Check {
        /// CSV, a row a system; docs/plan.md lists the columns.
        #[arg(value_name = "TABLE", value_hint = ValueHint::FilePath)]
        table: PathBuf,
        /// Coefficients, as `plan fit` writes them [default: those that are shipped].
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        fit: Option<PathBuf>,
        #[command(flatten)]
        shown: TableOutput,
    },
}

/// Where predictions go.
#[derive(Debug, Args)]
pub(crate) struct TableOutput {
    /// Every system, predicted, as CSV.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) errors: Option<PathBuf>,
    /// Predicted against published, as SVG or PNG by the name's end.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) figure: Option<PathBuf>,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Preflight {
    /// A preset or a configuration file.
    #[arg(value_name = "PRESET|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    /// The nodes there are, one a line: `NAME [gpus=N] [memory=GIB]`, a host file, or JSON lines
    /// [default: as many as --nodes says].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) nodes_file: Option<PathBuf>,
    /// Folder of card results.
    #[arg(long, value_name = "DIR", default_value = "experiments/results", value_hint = ValueHint::DirPath)]
    pub(crate) results: PathBuf,
    /// Free space where checkpoints go, in GB (10⁹ bytes).
    #[arg(long, value_name = "GB")]
    pub(crate) disk: Option<f64>,
    /// What all ranks together write there, in GB (10⁹ bytes) per second.
    #[arg(long, value_name = "GB/S")]
    pub(crate) write: Option<f64>,
    /// Change a configuration key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) spread: Spread,
}

#[derive(Debug, Args)]
pub(crate) struct Slice {
    /// A preset or a configuration file.
    #[arg(value_name = "PRESET|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    /// Layers, one above the other.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) layers: usize,
    /// The lowest of them: 1 is the first layer of the model.
    #[arg(long, default_value_t = 1, value_name = "LAYER")]
    pub(crate) position: usize,
    /// Slots of the one sequence.
    #[arg(long, default_value_t = 512, value_name = "N")]
    pub(crate) tokens: usize,
    /// RMS of the residual stream that enters [default: by analysis at initialisation].
    #[arg(long, value_name = "X", conflicts_with = "from")]
    pub(crate) input_rms: Option<f64>,
    /// Take that RMS from a proxy's first step, at the same relative depth.
    #[arg(long, value_name = "RUN", value_hint = ValueHint::DirPath)]
    pub(crate) from: Option<PathBuf>,
    /// Factor on the loss [default: the configuration's first loss scale with FP16, else 1].
    #[arg(long, value_name = "X")]
    pub(crate) loss_scale: Option<f64>,
    /// Micro-batches of a step, of one replica: the loss is their mean (GLM-130B: 176).
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) micro_batches: u64,
    /// CPU threads [default: all].
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Change a configuration key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A whole number, also as people write large ones: `366e9`, `54_000`.
fn whole(text: &str) -> Result<u64, String> {
    let plain = text.replace('_', "");
    // Up to here every whole number is a float.
    let float = || {
        let number: f64 = plain.parse().ok()?;
        let whole = number.fract() == 0.0 && (0.0..=2f64.powi(53)).contains(&number);
        whole.then_some(number as u64)
    };
    plain.parse().ok().or_else(float).ok_or_else(|| {
        "expected a whole number from 0, for example 366000000000 or 366e9".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::whole;

    /// Token counts have twelve digits; nobody counts zeros.
    #[test]
    fn whole_numbers_are_read_as_people_write_them() {
        for (text, number) in [
            ("0", 0),
            ("366e9", 366_000_000_000),
            ("54_000", 54_000),
            ("1.5e3", 1500),
        ] {
            assert_eq!(whole(text), Ok(number), "{text}");
        }
        assert_eq!(whole("18446744073709551615"), Ok(u64::MAX));
        for text in ["", "1.5", "-1", "1e300", "NaN", "inf", "x"] {
            assert!(whole(text).is_err(), "{text}");
        }
    }
}
