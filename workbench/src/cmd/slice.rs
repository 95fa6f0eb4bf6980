//! `workbench slice`.

use crate::cli::Slice as Arguments;
use crate::console::{self, say};
use crate::failure::Failure;
use experiments::{LayerStudy, LayerStudyReport, Pass, TensorStats, layer_study, residual_rms};
use experiments_config::Config;
use logs::RunReader;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use words::thousands;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let config = super::config::load(&arguments.what, &arguments.set)?;
    let Some(position) = arguments.position.checked_sub(1) else {
        return Err(Failure::usage("`--position` is 0; the first layer is 1"));
    };
    for (name, value) in [
        ("--input-rms", arguments.input_rms),
        ("--loss-scale", arguments.loss_scale),
    ] {
        if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
            return Err(Failure::usage(format!(
                "`{name}` must be a finite number above 0"
            )));
        }
    }
    super::threads(arguments.threads);
    let input_rms = match &arguments.from {
        Some(run) => Some(proxy_rms(run, &config, position)?),
        None => arguments.input_rms,
    };
    let start = Instant::now();
    let report = layer_study(LayerStudy {
        config: &config,
        layers: arguments.layers,
        position,
        tokens: arguments.tokens,
        input_rms,
        loss_scale: arguments.loss_scale,
        micro_batches: arguments.micro_batches,
        progress: &mut |what, share| {
            let spent = start.elapsed().as_secs_f64();
            let left = if share > 0.0 {
                format!(" · {} left", words::duration(spent / share * (1.0 - share)))
            } else {
                String::new()
            };
            say(&format!("{:3.0} % {what}{left}", 100.0 * share));
        },
    })?;
    if arguments.json {
        console::print_json(&report)?;
    } else {
        console::print(&text(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a proxy's first recorded step had over what analysis gives for it, at the same relative depth,
/// times what analysis gives here.
fn proxy_rms(run: &Path, config: &Config, position: usize) -> Result<f64, Failure> {
    let proxy = super::run_config(run)?;
    let reader = RunReader::open(run)?;
    let name = "layer_norm_input_rms";
    let mut layers = reader.records().iter().filter_map(|r| r.layers.get(name));
    let Some(measured) = layers.next().filter(|values| !values.is_empty()) else {
        let run = run.display();
        return Err(Failure::usage(format!("`{run}` holds no `{name}`")));
    };
    let depth = position as f64 / (config.model.layers - 1).max(1) as f64;
    let layer = (depth * (measured.len() - 1) as f64).round() as usize;
    Ok(measured[layer] / residual_rms(&proxy, layer) * residual_rms(config, position))
}

fn text(report: &LayerStudyReport) -> String {
    let [drawn, forward, backward] = report.seconds;
    let mut text = format!(
        "layers {} to {} (named layers.{} and up) · {} parameters · {} tokens · input RMS {:.4}\n\
         loss scale {} over {} micro-batches · gradient from above {:.2e} RMS, both included, at {} slots with a target\n",
        report.position + 1,
        report.position + report.layers,
        report.position,
        thousands(report.parameters),
        report.tokens,
        report.input_rms,
        report.loss_scale,
        report.micro_batches,
        report.gradient_rms,
        report.targets
    );
    let rate = report.flops / (forward + backward) / 1e9;
    let _ = writeln!(
        text,
        "weights {drawn:.0} s · forward {forward:.0} s · backward {backward:.0} s ({rate:.0} GFLOP/s) · peak memory {:.1} GB",
        report.peak_bytes as f64 / 1e9
    );
    for (pass, title) in [
        (Pass::Weight, "weights"),
        (Pass::Forward, "values"),
        (Pass::Backward, "gradients of values, × loss scale"),
        (Pass::WeightGradient, "gradients of weights, × loss scale"),
    ] {
        let _ = writeln!(
            text,
            "\n{title:<44} {:>9} {:>9} {:>9} {:>10} {:>10} {:>9}",
            "RMS", "largest", "margin", "underflow", "subnormal", "overflow"
        );
        for tensor in report.tensors.iter().filter(|tensor| tensor.pass == pass) {
            row(&mut text, tensor);
        }
    }
    let _ = writeln!(
        text,
        "\n{:<44} {:>15} {:>15}",
        "residual additions", "added / stream", "without effect"
    );
    for addition in &report.additions {
        let _ = writeln!(
            text,
            "{:<44} {:>15.2e} {:>13.1} %",
            addition.name,
            addition.ratio,
            100.0 * addition.without_effect
        );
    }
    text.push_str(
        "\nmargin: 65,504 over the largest value · underflow: share rounded to 0 · subnormal: share that loses digits\n",
    );
    text
}

fn row(text: &mut String, tensor: &TensorStats) {
    let percent = |share: f64| match 100.0 * share {
        0.0 => "0".to_owned(),
        small if small < 0.001 => "< 0.001 %".to_owned(),
        percent => format!("{percent:.3} %"),
    };
    let margin = if tensor.max > 0.0 {
        format!("{:.1e}", tensor.margin)
    } else {
        "–".to_owned()
    };
    let _ = writeln!(
        text,
        "{:<44} {:>9.2e} {:>9.2e} {margin:>9} {:>10} {:>10} {:>9}",
        tensor.name,
        tensor.rms,
        tensor.max,
        percent(tensor.underflow),
        percent(tensor.subnormal),
        tensor.overflow
    );
}
