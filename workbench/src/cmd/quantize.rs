//! `workbench quantize`: of a run here, of files of weights in `files`.

mod files;

use crate::cli::Quantize;
use crate::console;
use crate::failure::Failure;
use crate::progress::Steps;
use experiments::{QuantizeRequest, QuantizedMatrix, QuantizedStep, Which, quantize_run};
use experiments_quantization::{Bits, Scheme};
use experiments_text::Cache;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use words::{Table, bytes};

/// What `--bits` is by default, of a run.
const BITS: u8 = 4;

/// What `--calibration-tokens` is by default.
const CALIBRATION_TOKENS: u32 = 16_384;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    scheme: String,
    bits: u8,
    tensor_parallel: u16,
    checkpoints: &'a [QuantizedStep],
}

pub(crate) fn run(arguments: &Quantize, cache: &Cache) -> Result<ExitCode, Failure> {
    if arguments.paths.iter().any(|path| files::is_file(path)) {
        return files::run(arguments);
    }
    let [run] = arguments.paths.as_slice() else {
        return Err(Failure::usage(
            "one run at a time is quantized; expected a run directory, or safetensors files",
        ));
    };
    let scheme = arguments.scheme.unwrap_or(Scheme::PUBLISHED);
    let bits = Bits::new(arguments.bits.unwrap_or(BITS)).map_err(Failure::usage)?;
    if arguments.calibration_tokens.is_some() && !scheme.rule.is_calibrated() {
        return Err(Failure::usage(format!(
            "`--calibration-tokens` is for schemes that see text, gptq-row or gptq-group-N; {scheme} sees none"
        )));
    }
    let config = super::run_config(run)?;
    let name = format!("{scheme}-int{}", bits.count());
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| run.join("quantized").join(name));
    check_folder(&out)?;
    let which = match arguments.step {
        Some(step) => Which::Step(step),
        None if arguments.all_checkpoints => Which::All,
        None => Which::Newest,
    };
    let mut progress: Option<(Steps, u64)> = None;
    let done = quantize_run(&mut QuantizeRequest {
        directory: run,
        config: &config,
        cache,
        which,
        average: arguments.average.into(),
        scheme,
        bits,
        tensor_parallel: arguments.tensor_parallel.into(),
        calibration_tokens: arguments.calibration_tokens.unwrap_or(CALIBRATION_TOKENS) as usize,
        out: &out,
        on_done: &mut |step, all| {
            let (bar, done) = progress.get_or_insert_with(|| (Steps::new(all as u64), 0));
            *done += 1;
            bar.at(*done, &format!("checkpoint {}", step.step));
        },
    })?;
    if let Some((bar, _)) = progress {
        bar.end();
    }
    if arguments.json {
        console::print_json(&Document {
            scheme: scheme.to_string(),
            bits: bits.count(),
            tensor_parallel: arguments.tensor_parallel,
            checkpoints: &done,
        })?;
    } else {
        console::print(&text(&done, scheme, bits))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a folder to write into that is a file, before the work is done.
fn check_folder(out: &Path) -> Result<(), Failure> {
    if out.exists() && !out.is_dir() {
        return Err(Failure::usage(format!(
            "`--out`: `{}` is a file; expected a folder, which is made if missing",
            out.display()
        )));
    }
    Ok(())
}

fn text(done: &[QuantizedStep], scheme: Scheme, bits: Bits) -> String {
    let mut text = format!(
        "{scheme}, {} bits, the four linear maps of every layer\n",
        bits.count()
    );
    if let [step] = done {
        let _ = write!(text, "\n{}", matrices(&step.matrices));
    }
    let _ = write!(text, "\nheld-out loss, nats per token\n{}", qualities(done));
    for step in done {
        let (size, whole) = (bytes(step.bytes), bytes(step.fp16_bytes));
        let file = words::printable_path(&step.file);
        let _ = writeln!(text, "written: {file} ({size}; all of it in FP16 {whole})");
    }
    text
}

/// One row for a kind of matrix, the mean over its layers.
fn matrices(all: &[QuantizedMatrix]) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for matrix in all {
        let kind = super::without_layer(&matrix.name);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let headings = [
        "matrix",
        "shape",
        "error",
        "kurtosis",
        "skew",
        "beyond 6σ",
        "peak",
        "clipped",
        "empty",
    ];
    let mut table = Table::of_numbers(&headings, &[]);
    for kind in kinds {
        let own = all
            .iter()
            .filter(|matrix| super::without_layer(&matrix.name) == kind);
        let own: Vec<&QuantizedMatrix> = own.collect();
        let mean = |of: fn(&QuantizedMatrix) -> f64| {
            own.iter().map(|matrix| of(matrix)).sum::<f64>() / own.len() as f64
        };
        let sum =
            |of: fn(&QuantizedMatrix) -> u64| own.iter().map(|matrix| of(matrix)).sum::<u64>();
        let [rows, columns] = own[0].shape;
        table.row([
            kind.clone(),
            format!("{rows} × {columns}"),
            format!("{:.3} %", 100.0 * mean(|matrix| matrix.loss.relative)),
            format!("{:.2}", mean(|matrix| matrix.weights.excess_kurtosis)),
            format!("{:.2}", mean(|matrix| matrix.weights.skewness)),
            format!(
                "{:.4} %",
                100.0 * mean(|matrix| matrix.weights.outlier_share)
            ),
            format!("{:.2}", mean(|matrix| matrix.weights.absmax_over_rms)),
            sum(|matrix| matrix.clipped).to_string(),
            sum(|matrix| matrix.empty_blocks).to_string(),
        ]);
    }
    table.render(2)
}

fn qualities(done: &[QuantizedStep]) -> String {
    let headings = ["checkpoint", "FP32", "FP16", "quantized", "change", "KL"];
    let mut table = Table::of_numbers(&headings, &[]);
    let loss =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    for step in done {
        let quality = &step.quality;
        let change = quality.change();
        let mean = match step.averaged.len() {
            0 => String::new(),
            count => format!(", mean of {count}"),
        };
        table.row([
            format!("{}{mean}", step.step),
            loss(quality.fp32_loss),
            loss(quality.fp16_loss),
            loss(quality.loss),
            change.map_or_else(
                || "-".to_owned(),
                |share| format!("{:+.3} %", 100.0 * share),
            ),
            quality
                .kl
                .map_or_else(|| "-".to_owned(), |kl| format!("{kl:.2e}")),
        ]);
    }
    table.render(2)
}
