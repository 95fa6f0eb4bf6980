//! Arguments of the commands that look into a recipe: steps, weights, tasks.

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use experiments_config::Override;
use experiments_quantization::Scheme;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Parity {
    /// Run directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// The step: 1 is the first.
    #[arg(long, value_name = "K")]
    pub(crate) step: u64,
    /// File to write, in the safetensors format (docs/parity.md).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A preset, a configuration file, or a run directory.
    #[arg(value_name = "PRESET|FILE|RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    /// Of a run: the checkpoint of this step [default: the newest].
    #[arg(long, value_name = "K")]
    pub(crate) step: Option<u64>,
    /// Of a preset or file: change a key.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "step")]
    pub(crate) set: Vec<Override>,
    /// For machines: every matrix of every layer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// A run directory; or safetensors files of any model, whose matrices are measured.
    #[arg(value_name = "RUN|FILE", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Bits of a weight: 4 or 8 [default: 4; of files both].
    #[arg(long, value_name = "N")]
    pub(crate) bits: Option<u8>,
    /// How a scale is chosen, and what shares one [default: absmax-row; of files every one that needs no text].
    #[arg(long, value_name = "SCHEME")]
    pub(crate) scheme: Option<Scheme>,
    /// The checkpoint of this step [default: the newest].
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub(crate) step: Option<u64>,
    /// Every checkpoint of the run, those of its ring too.
    #[arg(long, conflicts_with = "step")]
    pub(crate) all_checkpoints: bool,
    /// Quantize the mean of so many checkpoints: each with those before it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) average: u16,
    /// Tensor-parallel ranks that quantize what they have: of attention's output and the second feed-forward matrix a part
    /// of each row.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) tensor_parallel: u16,
    /// Of gptq: slots of training text whose passes show it what every matrix reads [default: 16384].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 26))]
    pub(crate) calibration_tokens: Option<u32>,
    /// Folder of what is written, which is made [default: RUN/quantized/SCHEME-intN; of files nothing is written].
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// For machines, with every matrix.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Weights {
    /// Write a checkpoint of a run for other programs.
    Export(WeightsExport),
    /// Read such files and write one safetensors file with this program's names, FP32.
    Import {
        /// Folder with `latest`.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// A preset or configuration file that says the model's shape.
        #[arg(long, value_name = "PRESET|FILE", value_hint = ValueHint::AnyPath)]
        config: String,
        /// File to write.
        #[arg(long, value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WeightsExport {
    /// Run directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Folder to write into; made if missing.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Which program's.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) layout: WeightLayout,
    /// Of sat: tensor-parallel ranks [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) tensor_parallel: Option<usize>,
    /// Of sat: number format [default: fp16, what the original holds].
    #[arg(long, value_enum)]
    pub(crate) format: Option<WeightFormat>,
    /// The checkpoint of this step [default: the newest].
    #[arg(long, value_name = "K")]
    pub(crate) step: Option<u64>,
}

/// Layouts of exported weights.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum WeightLayout {
    /// The public GLM-130B layout: one file per tensor-parallel rank.
    #[default]
    Sat,
    /// Hugging Face's `transformers`, class `GPT2LMHeadModel`, with the tokenizer: for runs in GPT mode.
    Gpt2,
}

/// Number formats of exported weights.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum WeightFormat {
    /// IEEE binary16.
    Fp16,
    /// IEEE binary32.
    Fp32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Show the catalogue: GLM-130B's 74 sets and some more, and which are here.
    List {
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Read sets whole, fill their prompts, and show the first sample of each.
    Check {
        /// Names from `tasks list`, or files of yours with `text` and `targets`.
        #[arg(required = true, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
        what: Vec<String>,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
}
