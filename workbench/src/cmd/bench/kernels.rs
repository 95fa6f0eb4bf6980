//! `workbench bench --kernels`: products with weights in 8 and 4 bits.

use crate::cli::Bench as Arguments;
use crate::console::{self, say};
use crate::failure::Failure;
use experiments::Device;
use experiments::bench::{CodesTimed, device_name, time_codes};
use serde::Serialize;
use std::process::ExitCode;
use words::{Table, decimal};

/// What `--result` writes.
#[derive(Serialize)]
struct Document<'a> {
    program_version: &'static str,
    device: String,
    instruction_set: &'static str,
    threads: usize,
    kernels: &'a [CodesTimed],
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    super::super::threads(arguments.threads);
    let device = Device::select(arguments.device)?;
    let timed = time_codes(device, arguments.seconds, &mut |row| {
        say(&format!(
            "{} bits, {}, {} rows",
            row.bits, row.sharing, row.rows
        ));
    })?;
    console::print(&text(&timed))?;
    if let Some(file) = &arguments.result {
        let document = Document {
            program_version: env!("CARGO_PKG_VERSION"),
            device: device_name(device),
            instruction_set: experiments::bench::instruction_set(),
            threads: rayon::current_num_threads(),
            kernels: &timed,
        };
        logs::output::write_json(file, &document)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(timed: &[CodesTimed]) -> String {
    let headings = [
        "weights",
        "scale of",
        "product",
        "ms",
        "rate",
        "bound",
        "share",
        "lowest – highest",
    ];
    let mut table = Table::of_numbers(&headings, &[1, 2]);
    for row in timed {
        let [outputs, inputs] = row.shape;
        let rate = |seconds: f64| {
            if row.is_vector() {
                format!("{} GB/s", decimal(row.bytes as f64 / seconds / 1e9, 1))
            } else {
                let operations = 2.0 * (row.rows * outputs * inputs) as f64;
                format!("{} GFLOP/s", decimal(operations / seconds / 1e9, 0))
            }
        };
        let percent = |share: f64| format!("{} %", decimal(100.0 * share, 0));
        table.row([
            format!("INT{}", row.bits),
            row.sharing.to_owned(),
            format!("{} × {inputs} × {outputs}", row.rows),
            decimal(1e3 * row.seconds, 2),
            rate(row.seconds),
            rate(row.bound_seconds),
            percent(row.share),
            format!("{} – {}", percent(row.shares[0]), percent(row.shares[1])),
        ]);
    }
    format!(
        "weights in 8 and 4 bits; medians of rounds in which product and bound were timed in turn\n\n{}\n\
         The bound of one row is reading codes and scales once, that of many the FP32 product of this program; on a device a time has a launch and a wait in it.\n",
        table.render(2)
    )
}
