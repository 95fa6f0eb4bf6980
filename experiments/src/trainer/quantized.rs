//! What the model would lose with weights in fewer bits: `eval.quantized`.

use super::training::Training;
use crate::data::{Batch, Sampler, held_out};
use crate::parameters::{Parameter, Parameters};
use crate::quantization::{Method, calibrate, in_fp16, is_map, quantize_maps, stand_in};
use experiments_quantization::{Bits, Rule, Scheme, Shape, Sharing};
use experiments_text::Split;
use logs::Record;
use logs::signal::{self, Scalar};

/// Slots of training text that a calibrated rule sees.
const CALIBRATION_SLOTS: usize = 16_384;

/// A signal of the held-out loss, and how the weights are quantized.
struct Row(Scalar, Rule, Bits);

/// What is tried, all with a scale for every row.
const TRIED: [Row; 4] = [
    Row(signal::INT8_LOSS_CHANGE, Rule::Absmax, Bits::Eight),
    Row(signal::INT4_LOSS_CHANGE, Rule::Absmax, Bits::Four),
    Row(
        signal::INT4_ZERO_POINT_LOSS_CHANGE,
        Rule::ZeroPoint,
        Bits::Four,
    ),
    Row(signal::INT4_GPTQ_LOSS_CHANGE, Rule::Gptq, Bits::Four),
];

/// What one set of weights lost in every way that is tried, and what the weights look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    /// Held-out loss minus that of the weights in FP16, in nats per token; NaN where the weights cannot be quantized.
    changes: [f64; TRIED.len()],
    /// Mean over the matrices.
    kurtosis: f64,
    peak: f64,
}

impl Lost {
    pub(super) fn record(&self, record: &mut Record) {
        for (row, change) in TRIED.iter().zip(self.changes) {
            record.set(row.0, change);
        }
        record.set(signal::WEIGHT_KURTOSIS, self.kurtosis);
        record.set(signal::WEIGHT_PEAK, self.peak);
    }
}

/// Quantizes weights in every way that is tried, and passes the held-out batches with each.
pub(super) fn measure(training: &Training, sampler: &Sampler, parameters: &Parameters) -> Lost {
    let setting = training.setting(training.config);
    let batches: Vec<Batch> = held_out(sampler).collect();
    let loss = |weights: &Parameters| {
        let losses = setting.losses(weights, &batches);
        losses.all.value().unwrap_or(f64::NAN)
    };
    let half = in_fp16(parameters);
    let whole = loss(&half);
    let text = training.sampler(training.config, Split::Train);
    let calibrations = calibrate(&setting, &text, &half, CALIBRATION_SLOTS);
    let changes = TRIED.map(|Row(_, rule, bits)| {
        let method = Method {
            scheme: Scheme {
                rule,
                sharing: Sharing::Row,
            },
            bits,
            tensor_parallel: 1,
        };
        // What diverged has values that no code stands for; its loss is no number either.
        let made = quantize_maps(parameters, method, &calibrations);
        made.map_or(f64::NAN, |made| loss(&stand_in(parameters, &made)) - whole)
    });
    let shapes = shapes(&half);
    let mean = |of: fn(&Shape) -> f64| shapes.iter().map(of).sum::<f64>() / shapes.len() as f64;
    Lost {
        changes,
        kurtosis: mean(|shape| shape.excess_kurtosis),
        peak: mean(|shape| shape.absmax_over_rms),
    }
}

/// How the weights of every matrix that would be quantized are distributed.
fn shapes(weights: &Parameters) -> Vec<Shape> {
    let maps = weights.table().iter().filter(|parameter| is_map(parameter));
    let of = |parameter: &Parameter| {
        let values = &weights.values()[parameter.range.clone()];
        Shape::of(values, parameter.shape[1])
    };
    maps.map(of).collect()
}
