//! Dynamic loss scaling: the factor on the loss that keeps FP16 gradients in range, moved by one of
//! the published state machines.
//!
//! All of them halve the scale on an overflow, whose update the trainer skips, and double it after
//! `window` clean steps in a row. They differ in what they forgive and where they stop:
//!
//! | machine | first overflows | overflow at the minimum |
//! |---|---|---|
//! | `deepspeed` | `hysteresis - 1` forgiven until a clean window | raises an error |
//! | `megatron` | the same | goes on at the minimum |
//! | `pytorch` | none forgiven | has no minimum, falls to 0 |
//! | `static` | never moves | never moves |
//!
//! With `loss_scale.fall = "to_overflow"` the first three forgive nothing and halve as often as the
//! overflow's size asks for ([`halvings`]).
//!
//! The tests replay `golden.json`, written by the three libraries themselves
//! (`tests/parity/loss_scaler_traces.py`).

mod deepspeed;
mod megatron;
mod pytorch;
#[cfg(test)]
mod tests;

use deepspeed::Deepspeed;
use experiments_config::{LossScaleConfig, LossScaleMode, ScaleFall};
use kernels::HalfFormat;
use megatron::Megatron;
use pytorch::Pytorch;
use serde::{Deserialize, Serialize};

/// What an update did to the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScaleChange {
    /// Nothing, or only a counter moved.
    None,
    /// Doubled after a clean window.
    Raised,
    /// Lowered by an overflow.
    Lowered,
    /// An overflow found the scale at its minimum, or below what FP32 can work with; see the
    /// machines.
    AtMinimum,
}

/// The scaler's whole state; part of a checkpoint.
///
/// The machine is chosen when the run starts and travels with the state, as in
/// `{"scale": 65536.0, "machine": {"mode": "megatron", "clean_steps": 17, "hysteresis_left": 1}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScaler {
    /// Current factor on the loss; 1 when scaling is off.
    pub(crate) scale: f64,
    machine: Machine,
}

/// One machine with its counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Machine {
    Static,
    Deepspeed(Deepspeed),
    Megatron(Megatron),
    Pytorch(Pytorch),
}

impl LossScaler {
    /// A fresh scaler at `config.initial`, which `megatron` and `pytorch` hold in FP32.
    #[must_use]
    pub(crate) fn new(config: &LossScaleConfig) -> Self {
        let (scale, machine) = match config.mode {
            LossScaleMode::Static => (config.initial, Machine::Static),
            LossScaleMode::Deepspeed => {
                let machine = Deepspeed::new(config);
                (config.initial, Machine::Deepspeed(machine))
            }
            LossScaleMode::Megatron => {
                let machine = Megatron::new(config);
                (as_fp32(config.initial), Machine::Megatron(machine))
            }
            LossScaleMode::Pytorch => {
                let machine = Pytorch::default();
                (as_fp32(config.initial), Machine::Pytorch(machine))
            }
        };
        Self { scale, machine }
    }

    /// A scaler that stays at 1, for formats with the range of FP32.
    #[must_use]
    pub(crate) fn off() -> Self {
        Self {
            scale: 1.0,
            machine: Machine::Static,
        }
    }

    /// Takes note of one step: how often its overflow halves the scale ([`halvings`]), 0 for a clean one.
    /// The machine is the one of the state; `config` gives its numbers.
    pub(crate) fn update(&mut self, config: &LossScaleConfig, halvings: u32) -> ScaleChange {
        let scale = &mut self.scale;
        match &mut self.machine {
            Machine::Static => ScaleChange::None,
            Machine::Deepspeed(machine) => machine.update(scale, config, halvings),
            Machine::Megatron(machine) => machine.update(scale, config, halvings),
            Machine::Pytorch(machine) => machine.update(scale, config, halvings),
        }
    }
}

/// How often an overflow halves the scale. `largest` is the largest magnitude that did not fit into FP16,
/// still times the scale; 0 where it is not known, as of an activation on a GPU or in a packed run.
///
/// `to_overflow`: the smallest k of at least 1 with `largest / 2^k ≤ 65504`.
pub(crate) fn halvings(fall: ScaleFall, largest: f32) -> u32 {
    match fall {
        ScaleFall::Halve => 1,
        ScaleFall::ToOverflow => {
            let times = largest / HalfFormat::Fp16.largest();
            // At most 113: FP32 ends at 2^128.
            times.log2().ceil().max(1.0) as u32
        }
    }
}

/// The value as FP32 holds it.
fn as_fp32(value: f64) -> f64 {
    f64::from(value as f32)
}

/// Doubles the scale unless the result leaves the finite range of FP32.
///
/// The guard is `PyTorch`'s. In the others the scale would become infinite and stay so, but only
/// after 112 clean windows from 65536 on, through which every FP16 gradient would have to be 0.
fn double(scale: &mut f64) -> ScaleChange {
    let doubled = *scale * 2.0;
    if doubled > f64::from(f32::MAX) || doubled == *scale {
        return ScaleChange::None;
    }
    *scale = doubled;
    ScaleChange::Raised
}

/// Halves the scale so many times, but not below `min`.
fn lower(scale: &mut f64, halvings: u32, min: f64) -> ScaleChange {
    if *scale <= min {
        return ScaleChange::AtMinimum;
    }
    *scale = halved(*scale, halvings).max(min);
    ScaleChange::Lowered
}

fn halved(scale: f64, times: u32) -> f64 {
    scale / 2_f64.powi(times as i32)
}
