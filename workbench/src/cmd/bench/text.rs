//! The tables of `workbench bench`.

use super::scaling::Scaling;
use super::{Measured, Row};
use experiments::bench::{Agreement, Costs, Peak};
use std::fmt::Write as _;
use words::thousands;

pub(super) fn head(measured: &Measured) -> String {
    format!(
        "{} · {} · {} CPU threads\n",
        measured.device, measured.backend, measured.threads
    )
}

pub(super) fn agreements(agreements: &[Agreement]) -> String {
    let mut text = format!(
        "\n{:<44} {:>10} {:>10}\n",
        "against the CPU", "error", "allowed"
    );
    for check in agreements {
        let mark = if check.passed { "" } else { "  ✕" };
        let _ = writeln!(
            text,
            "{:<44} {:>10.1e} {:>10.1e}{mark}",
            check.what, check.error, check.allowed
        );
    }
    text
}

pub(super) fn rows(rows: &[Row]) -> String {
    let mut text = format!(
        "\n{:<12} {:<5} {:>11} {:>9} {:>9} {:>19} {:>10} {:>9} {:>9} {:>6}\n",
        "proxy",
        "pass",
        "parameters",
        "tokens/s",
        "ms/step",
        "fastest – slowest",
        "GFLOP/step",
        "GFLOP/s",
        "peak",
        "MFU"
    );
    for row in rows {
        let timed = &row.timed;
        let [median, fastest, slowest] = timed.step_seconds.map(|seconds| 1e3 * seconds);
        let _ = writeln!(
            text,
            "{:<12} {:<5} {:>11} {:>9} {median:>9.1} {:>19} {:>10.2} {:>9.1} {:>9.1} {:>4.0} %",
            row.what,
            timed.format,
            thousands(timed.parameters),
            thousands(row.tokens_per_second.round() as u64),
            format!("{fastest:.1} – {slowest:.1}"),
            timed.flops_per_step / 1e9,
            row.gflops,
            timed.peak.best(timed.format) / 1e9,
            100.0 * row.utilisation
        );
    }
    text.push_str(
        "\nms/step: median · GFLOP: matrix products needed, logits at target slots, backward twice the forward\n\
         peak: best matrix product between the steps of the row, GFLOP/s · MFU: share of it\n",
    );
    text
}

/// What the steps of the rows ask of the device, and what that takes at least.
pub(super) fn device(rows: &[Row], costs: &Costs) -> String {
    let mut text = format!(
        "\n{:<12} {:<5} {:>11} {:>9} {:>9} {:>9} {:>13}\n",
        "of a step", "pass", "launches", "kB sent", "kB read", "waits", "ms at least"
    );
    for row in rows {
        let timed = &row.timed;
        let least = |launches| format!("{:.2}", 1e3 * costs.step_seconds(launches, timed));
        let unknown = || "—".to_owned();
        let _ = writeln!(
            text,
            "{:<12} {:<5} {:>11} {:>9.1} {:>9.1} {:>9} {:>13}",
            row.what,
            timed.format,
            row.launches.map_or_else(unknown, thousands),
            timed.bytes_sent as f64 / 1e3,
            timed.bytes_read as f64 / 1e3,
            timed.waits,
            row.launches.map_or_else(unknown, least)
        );
    }
    let _ = writeln!(
        text,
        "\na launch takes {:.1} µs, a wait {:.0} µs, the bus carries {:.2} GB/s",
        1e6 * costs.launch_seconds,
        1e6 * costs.wait_seconds,
        costs.bytes_per_second / 1e9
    );
    text
}

pub(super) fn scaling(scaling: &[Scaling]) -> String {
    let mut text = format!(
        "\n{:<12} {:>9} {:>13} {:>10} {:>6}\n",
        "varied", "size", "MFLOP/token", "µs/token", "MFU"
    );
    for axis in scaling {
        for point in &axis.points {
            let _ = writeln!(
                text,
                "{:<12} {:>9} {:>13.2} {:>10.1} {:>4.0} %",
                axis.what,
                thousands(point.size),
                point.flops_per_token / 1e6,
                1e6 * point.seconds_per_token,
                100.0 * point.utilisation
            );
        }
    }
    text.push('\n');
    for axis in scaling {
        let _ = writeln!(text, "{}", axis.finding());
    }
    text
}

pub(super) fn peak(peak: &Peak) -> String {
    let mut text = "\nsquare matrix products, best of all rounds, GFLOP/s\n".to_owned();
    for product in &peak.products {
        let _ = writeln!(
            text,
            "{:<5} {:>5} {:>10.1}",
            product.format,
            product.size,
            product.flops / 1e9
        );
    }
    text
}
