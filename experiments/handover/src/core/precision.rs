//! Number formats and loss scaling in Megatron Core's words.

use crate::argument::Arguments;
use crate::limit::Limits;
use experiments_config::{Config, Format, LossScaleMode, PbRelaxMax};

pub(crate) fn arguments(config: &Config, arguments: &mut Arguments, limits: &mut Limits) {
    let precision = &config.precision;
    arguments.section("precision");
    let low = precision.format != Format::Fp32;
    arguments.flag_if(precision.format == Format::Fp16, "--fp16");
    arguments.flag_if(precision.format == Format::Bf16, "--bf16");
    if precision.query_key_layer_scaling && precision.format == Format::Fp16 {
        arguments.flag("--apply-query-key-layer-scaling");
    } else if low && precision.softmax == Format::Fp32 {
        arguments.flag("--attention-softmax-in-fp32");
    }
    if precision.query_key_layer_scaling && precision.format != Format::Fp16 {
        limits.training(
            "precision.query_key_layer_scaling",
            "scores divided by the layer number",
            "not done outside FP16 (the net result is the same in exact arithmetic)",
            "nothing: it protects FP16's range",
        );
    }
    if low && precision.softmax != Format::Fp32 {
        limits.training(
            "precision.softmax",
            "every step of the softmax rounded",
            "the fused kernels compute in FP32 inside",
            "none needed for a real run",
        );
    }
    // BF16 always accumulates in FP32 here.
    let wide = precision.grad_accumulation == Format::Fp32 || precision.format == Format::Bf16;
    arguments.flag_if(low && wide, "--accumulate-allreduce-grads-in-fp32");
    arguments.flag_if(low && !wide, "--no-gradient-accumulation-fusion");
    if precision.format == Format::Bf16 && precision.grad_accumulation == Format::Bf16 {
        limits.training(
            "precision.grad_accumulation",
            "gradients of micro-batches added in BF16",
            "added in FP32",
            "nothing: it is the more exact",
        );
    }
    if precision.pb_relax.attention != PbRelaxMax::Off || precision.pb_relax.norm {
        limits.training(
            "precision.pb_relax",
            "PB-Relax",
            "none",
            "in `DotProductAttention.forward` around the softmax; FP32 softmax makes it unnecessary (arXiv 2210.02414 Fig. 21)",
        );
    }
    if precision.format == Format::Fp16 {
        loss_scale(config, arguments, limits);
    }
}

fn loss_scale(config: &Config, arguments: &mut Arguments, limits: &mut Limits) {
    let scale = &config.precision.loss_scale;
    if scale.mode == LossScaleMode::Static {
        arguments.number("--loss-scale", scale.initial);
        return;
    }
    arguments.number("--initial-loss-scale", scale.initial);
    arguments.number("--min-loss-scale", scale.min);
    arguments.one("--loss-scale-window", scale.window);
    arguments.one("--hysteresis", scale.hysteresis);
    if scale.mode != LossScaleMode::Megatron {
        limits.training(
            "precision.loss_scale.mode",
            "DeepSpeed's or PyTorch's loss scaler",
            "Megatron's with the same numbers: hysteresis is refilled when the scale grows",
            "same scale away from overflows; a few steps more or fewer are skipped",
        );
    }
}
