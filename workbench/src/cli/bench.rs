//! Arguments of `workbench bench`.

use clap::{Args, ValueEnum, ValueHint};
use experiments_config::{DeviceKey, Override};
use std::path::PathBuf;

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of the command line"
)]
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Presets or configuration files [default: t0 t-deep t1 r256 t2; none with --scaling].
    #[arg(value_name = "PRESET|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) what: Vec<String>,
    /// Where to compute: cpu, cuda, vulkan, or one of several as in vulkan:1. On a device everything is first
    /// compared with the CPU.
    #[arg(long, default_value_t)]
    pub(crate) device: DeviceKey,
    /// CPU threads [default: all].
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,
    /// Formats of the pass, in a list; on the CPU the 16-bit ones are emulated [default: fp32, on a device
    /// fp32,fp16,bf16].
    #[arg(long, value_enum, value_name = "FORMAT,…", value_delimiter = ',')]
    pub(crate) precision: Vec<FormatName>,
    /// Seconds of timed steps for each row, at least 3 steps.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    pub(crate) seconds: f64,
    /// Vary width, depth, sequence and vocabulary around t1, one at a time, in the first format.
    #[arg(long)]
    pub(crate) scaling: bool,
    /// Time products with weights in 8 and 4 bits on the CPU or a device, and nothing else: of one row beside
    /// reading codes and scales once, of many beside the FP32 product.
    #[arg(long, conflicts_with_all = ["what", "scaling", "launches", "precision", "set"])]
    pub(crate) kernels: bool,
    /// Compare a device with the CPU, and measure nothing.
    #[arg(long, conflicts_with_all = ["what", "scaling", "kernels", "launches"])]
    pub(crate) compare: bool,
    /// With --scaling: draw cost against operations, as SVG or PNG by the name's end.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "scaling")]
    pub(crate) plot: Option<PathBuf>,
    /// Write everything that was measured, as JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) result: Option<PathBuf>,
    /// Count the launches of a step of every row, and do nothing else: what the bench asks of a second process.
    #[arg(long, hide = true)]
    pub(crate) launches: bool,
    /// Change a configuration key everywhere, for example `batch.micro_batch=16`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<Override>,
}

/// Number formats of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// IEEE binary32.
    Fp32,
    /// IEEE binary16.
    Fp16,
    /// bfloat16.
    Bf16,
}
