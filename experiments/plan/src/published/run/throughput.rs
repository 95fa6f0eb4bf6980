//! Operations, utilisation, tokens, days and energy of the run.

use super::super::Rows;
use super::{LARGER, SECONDS};
use crate::energy::{EnergyOptions, energy};
use crate::flops::{Flops, original_formula, tflops_per_gpu};
use crate::hardware::Gpu;
use crate::step_time::Rates;
use crate::{Layout, PlanError};
use experiments_config::{Config, Format};

pub(super) fn utilisation(
    rows: &mut Rows,
    config: &Config,
    layout: &Layout,
    gpu: &Gpu,
) -> Result<(), PlanError> {
    let (batch, gpus) = (layout.global_batch, layout.world_size()?);
    let flops = Flops::of(config, batch, layout.recompute)?;
    rows.ours(
        ("FLOPs with recomputation, formula", ""),
        flops.formula_recompute,
        "LS training.py",
        "The formula's result is not printed anywhere; the TFLOPS below are.",
    );
    rows.ours(
        ("FLOPs with recomputation, exact", ""),
        flops.hardware,
        "counted",
        "",
    );
    rows.ours(
        ("FLOPs without, formula", ""),
        flops.formula_model,
        "LS training.py",
        "",
    );
    rows.ours(
        ("FLOPs without, exact", ""),
        flops.model,
        "counted",
        "The formula's vocabulary term is made for c = 4; with c = 3 it counts the output \
         projection, which is never recomputed, three quarters only.",
    );
    let tflops = tflops_per_gpu(flops.formula_recompute, SECONDS, gpus);
    rates(rows, config, batch, gpus, tflops);
    let exact = tflops_per_gpu(flops.model, SECONDS, gpus);
    shares_of_the_peak(rows, gpu.peak(Format::Fp16)? / 1e12, tflops, exact);
    Ok(())
}

fn rates(rows: &mut Rows, config: &Config, batch: u64, gpus: u64, tflops: f64) {
    rows.published(("TFLOPS per GPU at 88.5 s", ""), 134.0, tflops, "LOG", "");
    let larger = tflops_per_gpu(original_formula(config, LARGER.0, true), LARGER.1, gpus);
    rows.published(("TFLOPS per GPU at 122.5 s", ""), 141.0, larger, "LOG", "");
    rows.published(
        ("samples per second at 88.5 s", ""),
        48.0,
        batch as f64 / SECONDS,
        "LOG",
        "The log rounds.",
    );
    rows.published(
        ("samples per second at 122.5 s", ""),
        50.0,
        LARGER.0 as f64 / LARGER.1,
        "LOG",
        "",
    );
}

/// `peak`, `tflops` by the original's formula and `exact` are of a GPU.
fn shares_of_the_peak(rows: &mut Rows, peak: f64, tflops: f64, exact: f64) {
    rows.published(
        ("HFU at 88.5 s", "%"),
        43.3,
        100.0 * tflops / peak,
        "P §2.3",
        "43.3 % are 135.1 TFLOPS, which is the formula at 87.9 s: within the log's \"48 samples/s\".",
    );
    rows.published(
        ("MFU at 88.5 s, 3/4 of HFU", "%"),
        32.5,
        75.0 * tflops / peak,
        "P §2.3",
        "As above.",
    );
    rows.ours(
        ("MFU at 88.5 s, exact", "%"),
        100.0 * exact / peak,
        "counted",
        "With the whole output projection.",
    );
    rows.published(
        ("TFLOPS at HFU 43.3 %", ""),
        135.1,
        0.433 * peak,
        "P §2.3",
        "",
    );
    rows.published(
        ("TFLOPS at MFU 32.5 %", ""),
        101.3,
        0.433 * 0.75 * peak,
        "P §2.3",
        "",
    );
}

pub(super) fn budget(
    rows: &mut Rows,
    config: &Config,
    layout: &Layout,
    gpu: &Gpu,
) -> Result<(), PlanError> {
    let gpus = layout.world_size()?;
    let flops = Flops::of(config, layout.global_batch, layout.recompute)?;
    let rates = Rates::of(config, layout, gpu, &flops, SECONDS)?;
    rows.published(
        ("tokens per day, whole run", "10⁹"),
        6.7,
        400.0 / 60.0,
        "P §2.3",
        "400B tokens in 60 days.",
    );
    rows.ours(
        ("tokens per day at 88.5 s", "10⁹"),
        rates.tokens_per_day / 1e9,
        "counted",
        "",
    );
    rows.published(
        ("days for 400B tokens", ""),
        60.0,
        rates.days(400e9),
        "P §2.3",
        "Ours is at 88.5 s throughout. The rest of the 60 days are restarts, lost work and the \
         steps of the batch ramp.",
    );
    let spent = energy(&EnergyOptions::default(), gpu.tdp_watts, gpus, 60.0)?;
    rows.published(
        ("energy", "MWh"),
        442.4,
        spent.mwh,
        "P app. H",
        "768 GPUs at 400 W (their TDP) for 60 days, power usage effectiveness 1: that the paper \
         counted so is our inference.",
    );
    rows.published(
        ("carbon dioxide equivalent", "t"),
        257.01,
        spent.tonnes,
        "P app. H",
        "0.5810 kg per kWh.",
    );
    rows.ours(
        ("price of a GPU-hour", "USD"),
        4.9e6 / (gpus as f64 * 60.0 * 24.0),
        "R README_zh",
        "From the published cost of 4.9M USD of cloud.",
    );
    Ok(())
}
