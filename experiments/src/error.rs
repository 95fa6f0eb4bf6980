//! Why a run could not start or go on.

use experiments_config::DeviceKey;
use std::path::PathBuf;

/// What to do about a pack that has no room, where so many of its runs have.
fn most(fit: usize) -> String {
    match fit {
        0 => "; not even one has room".to_owned(),
        fit => format!("; `--pack {fit}` has room"),
    }
}

/// Errors of a training run.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The text could not be prepared.
    #[error(transparent)]
    Text(#[from] experiments_text::TextError),
    /// The configuration in a run directory cannot be used.
    #[error(transparent)]
    Config(#[from] experiments_config::ConfigError),
    /// The run directory could not be read or written.
    #[error(transparent)]
    Log(#[from] logs::LogError),
    /// A checkpoint is not what was written, or not of this run.
    #[error("checkpoint `{}` {problem}", path.display())]
    Damaged {
        /// File or directory.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A checkpoint was written by another version of this program.
    #[error(
        "checkpoint `{}` has version {found}, this program reads versions 2 and 3; use the program version that wrote it",
        path.display()
    )]
    CheckpointVersion {
        /// `state.json`.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The file that `model.init.weights` names cannot be used.
    #[error("`model.init.weights` = `{}`: {problem}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A file of quantized weights cannot be used.
    #[error("`{}` {problem}", path.display())]
    Quantized {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A file of tensors cannot be read.
    #[error(transparent)]
    TensorFile(#[from] experiments_quantization::WeightsError),
    /// A matrix cannot be quantized.
    #[error(transparent)]
    Quantize(#[from] experiments_quantization::QuantizeError),
    /// Weights of another program could not be read or written.
    #[error(transparent)]
    Interchange(#[from] crate::files::interchange::InterchangeError),
    /// A slice of the full model cannot be computed.
    #[error("{problem}")]
    LayerStudy {
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The checkpoint that was asked for is not there.
    #[error("`{}` {problem}", directory.display())]
    NoCheckpoint {
        /// The run's folder of checkpoints.
        directory: PathBuf,
        /// What is missing, and what is there.
        problem: String,
    },
    /// A run cannot be forked as asked.
    #[error("`{}` {problem}", path.display())]
    Fork {
        /// The run, or the fork.
        path: PathBuf,
        /// What is wrong, what was expected, and what can be done.
        problem: String,
    },
    /// A parity file could not be made or written.
    #[error("parity file `{}`: {problem}", path.display())]
    Parity {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The configuration of a run is an empty file, which would be that of the default preset.
    #[error(
        "`{}` is empty; expected the configuration of the run: restore it from a copy, or remove the file and name a preset with `--out`",
        path.display()
    )]
    EmptyConfiguration {
        /// The file.
        path: PathBuf,
    },
    /// A run directory was begun with something else.
    #[error(
        "`{}` was begun with the {what} {}, now it is {}; use another directory, or the command that began it",
        path.display(), began.chars().take(16).collect::<String>(), now.chars().take(16).collect::<String>()
    )]
    Changed {
        /// The run directory.
        path: PathBuf,
        /// `configuration`, `corpus`, `tokenizer` or `backend`.
        what: &'static str,
        /// Its hash at the beginning.
        began: String,
        /// Its hash now.
        now: String,
    },
    /// The device is not there.
    #[error("device `{device}` cannot be used: {problem}")]
    Device {
        /// `runtime.device`.
        device: String,
        /// What is missing and what to do.
        problem: String,
    },
    /// Ranks cannot go on together.
    #[error("{0}; the same command continues from the last checkpoint")]
    Ranks(#[from] experiments_collective::CollectiveError),
    /// A run cannot be divided as asked.
    #[error("{problem}")]
    Degrees {
        /// What is wrong, and the nearest that is not.
        problem: String,
    },
    /// A rank was started with something else than rank 0.
    #[error(
        "rank {rank} has the {what} `{own}`, rank 0 has `{first}`; start all ranks with the same command and the same program"
    )]
    RankDiffers {
        /// Which.
        rank: usize,
        /// What differs.
        what: &'static str,
        /// Of the rank.
        own: String,
        /// Of rank 0.
        first: String,
    },
    /// A rank could not begin.
    #[error("rank {rank}: {problem}")]
    Rank {
        /// Which.
        rank: usize,
        /// What it said.
        problem: String,
    },
    /// The device failed in mid-run.
    #[error(
        "the device failed; what was recorded and the last checkpoint are there, and the same command continues from it, on another device with `--set runtime.device=cpu`"
    )]
    DeviceFailed(#[from] logs::MachineFailure),
    /// The model does not fit into memory.
    #[error(
        "the configuration has {parameters} parameters and needs about {needed} GB, {available} GB are free; it can be counted (`workbench config`) but not trained here"
    )]
    Memory {
        /// Scalars of the model.
        parameters: u64,
        /// Needed, in 10⁹ bytes.
        needed: u64,
        /// Free, in 10⁹ bytes.
        available: u64,
    },
    /// A pack of runs does not fit into memory.
    #[error(
        "{runs} runs at once need about {needed:.1} GB, {available:.1} GB are free{}", most(*fit)
    )]
    PackMemory {
        /// Runs of the pack.
        runs: usize,
        /// Needed by all together, in 10⁹ bytes.
        needed: f64,
        /// Free, in 10⁹ bytes.
        available: f64,
        /// Of the runs in their order, how many have room at once.
        fit: usize,
    },
    /// Runs of a pack ask for different devices.
    #[error("the runs of a pack need one device, but `runtime.device` is `{one}` and `{other}`")]
    PackDevice {
        /// Of the first run.
        one: DeviceKey,
        /// Of another run.
        other: DeviceKey,
    },
    /// A run of a pack broke off without a reason of its own; its process says more.
    #[error("the run broke off; the process's output says why")]
    BrokeOff,
    /// The tokenizer does not fit the model.
    #[error("the tokenizer has {found} entries, but `tokenizer.vocab_size` is {expected}")]
    Vocabulary {
        /// Entries of the tokenizer.
        found: usize,
        /// Entries of the embedding.
        expected: usize,
    },
}
