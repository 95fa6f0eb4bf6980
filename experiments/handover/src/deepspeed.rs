//! Arguments of `LargeScale`, the fork of Megatron-DeepSpeed that GLM-130B was trained with
//! (`configs/glm-130b/glm-130b.sh` shows the published use of nearly all of them).

mod json;
mod model;
mod objective;
mod schedule;

pub(crate) use json::json;
pub(crate) use objective::{ice, script, text_length};

use crate::HandoverError;
use crate::argument::Arguments;
use crate::common;
use crate::limit::Limits;
use crate::{Request, common::RESTART};
use experiments_config::{Format, LossScaleMode};
use experiments_plan::{Recompute, Schedule, Sharding, partition};

/// File in which the trainer looks for a request to save and stop (`found_kill_switch`).
pub(crate) const STOP: &str = "stop";

pub(crate) fn arguments(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    model::arguments(request, arguments, limits)?;
    objective::arguments(request, arguments, limits)?;
    batch(request, arguments, limits);
    common::optimizer(request.config, request.batches.samples, arguments);
    arguments.flag("--override-lr-scheduler");
    schedule::learning_rate(request, arguments, limits);
    schedule::shrink(request, arguments, limits);
    precision(request, arguments, limits)?;
    parallel(request, arguments, limits);
    common::bookkeeping(request, arguments);
    arguments.flag("--log-batch-size-to-tensorboard");
    arguments.one("--kill-switch-path", STOP);
    limits.operation(
        "checkpoint.keep",
        &format!("keeps the newest {}", request.config.checkpoint.keep),
        "keeps every checkpoint",
        "delete old `global_step*` folders between jobs; preflight counts what they take",
    );
    limits.operation(
        "record",
        "gradient norms per layer",
        "only the global norm under DeepSpeed: `--log-gradient-norm-by-layer` works without it alone",
        "read `safe_get_full_grad` of newer DeepSpeed in a hook, or patch `patch/pipe_engine.py`",
    );
    Ok(())
}

fn batch(request: &Request, arguments: &mut Arguments, limits: &mut Limits) {
    let config = request.config;
    arguments.section("batch and length of the run");
    arguments.one("--micro-batch-size", request.layout.micro_batch);
    arguments.one("--global-batch-size", request.batches.last);
    if let Some(ramp) = request.batches.ramp {
        arguments.many(
            "--rampup-batch-size",
            [ramp.start, ramp.increment, ramp.samples],
        );
    } else if request.batches.stairs.len() > 1 {
        limits.training(
            "batch.gradient_accumulation",
            "a batch schedule other than one rise in stairs from the first sample on",
            "the last batch size from the start",
            RESTART,
        );
    }
    arguments.one("--train-samples", request.batches.samples);
    arguments.one("--seed", config.seed);
    let ranges = config.intervention.iter().map(|act| {
        let last = act.step.saturating_add(act.skip_steps);
        format!("{}-{last}", act.step.saturating_add(1))
    });
    let ranges: Vec<_> = ranges.collect();
    if !ranges.is_empty() {
        arguments.many("--skip-train-iteration-range", ranges);
    }
}

fn precision(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let precision = &request.config.precision;
    arguments.section("precision");
    let low = precision.format != Format::Fp32;
    arguments.flag_if(precision.format == Format::Fp16, "--fp16");
    arguments.flag_if(precision.format == Format::Bf16, "--bf16");
    if !precision.query_key_layer_scaling {
        arguments.flag("--no-query-key-layer-scaling");
        let softmax = low && precision.softmax == Format::Fp32;
        arguments.flag_if(softmax, "--attention-softmax-in-fp32");
    }
    if low && precision.softmax != Format::Fp32 {
        arguments.flag("--no-masked-softmax-fusion");
        limits.training(
            "precision.softmax",
            "every step of the softmax rounded",
            "PyTorch's half softmax: half in and out, FP32 inside",
            "none needed for a real run; the fully rounded softmax is an experiment of this workbench",
        );
    }
    model::relax(request, arguments, limits)?;
    if precision.format == Format::Fp16 {
        if precision.grad_accumulation == Format::Fp32 {
            limits.training(
                "precision.grad_accumulation",
                "gradients of micro-batches added in FP32",
                "added in FP16, as in the original",
                "DeepSpeed 0.9 or newer: `\"data_types\": {\"grad_accum_dtype\": \"fp32\"}`, without ZeRO",
            );
        }
        let mode = precision.loss_scale.mode;
        if matches!(mode, LossScaleMode::Megatron | LossScaleMode::Pytorch) {
            limits.training(
                "precision.loss_scale.mode",
                "the loss scaler of Megatron or PyTorch",
                "DeepSpeed's: its hysteresis is not refilled by clean steps",
                "`\"consecutive_hysteresis\": true` (DeepSpeed 0.10 or newer) refills it",
            );
        }
    } else if precision.format == Format::Bf16 {
        limits.operation(
            "precision.format",
            "bfloat16 under ZeRO 1",
            "ZeRO stage 0 is set: DeepSpeed's BF16 optimiser shards the states itself under pipelining \
             (as BLOOM did)",
            "needs DeepSpeed 0.7 or newer; the fork's 0.6.1 has no BF16 pipeline",
        );
    } else {
        limits.operation(
            "precision.format",
            "FP32 under ZeRO 1",
            "ZeRO stage 0 is set: DeepSpeed 0.6 shards half-precision optimisers only",
            "no sharding, more memory; use a small model",
        );
    }
    Ok(())
}

fn parallel(request: &Request, arguments: &mut Arguments, limits: &mut Limits) {
    let layout = request.layout;
    arguments.section("layout");
    arguments.one("--tensor-model-parallel-size", layout.tensor_parallel);
    arguments.one("--pipeline-model-parallel-size", layout.pipeline_parallel);
    let units = request.config.model.layers as u64 + 2;
    let embeddings_count = units.is_multiple_of(layout.pipeline_parallel);
    let partition = if embeddings_count {
        "type:transformer|embedding"
    } else {
        "type:transformer"
    };
    arguments.one("--pp-partition-method", partition);
    arguments.one("--distributed-backend", "nccl");
    arguments.flag("--deepspeed");
    arguments.one("--deepspeed_config", "deepspeed.json");
    arguments.one("--zero-stage", json::zero_stage(request.config));
    // `--deepnorm` draws its matrices from the random state that this switch sets up.
    arguments.flag("--deepspeed-activation-checkpointing");
    if layout.recompute != Recompute::None {
        arguments.flag("--checkpoint-activations");
        arguments.flag_if(layout.tensor_parallel > 1, "--partition-activations");
    }
    if layout.recompute == Recompute::Selective {
        limits.operation(
            "layout.recompute",
            "selective recomputation",
            "recomputes whole layers",
            "a third more FLOPs than without recomputation; selective needs Megatron Core",
        );
    }
    techniques(request, limits);
    let schedule = match layout.schedule {
        Schedule::OneForwardOneBackward => return,
        Schedule::Gpipe => "GPipe",
        Schedule::Interleaved => "interleaved 1F1B",
    };
    limits.operation(
        "layout.schedule",
        schedule,
        "DeepSpeed's pipeline engine runs 1F1B",
        "same gradients; plan with 1F1B, or use Megatron Core for interleaving",
    );
}

/// What divides sequences and state, of which this trainer has little.
fn techniques(request: &Request, limits: &mut Limits) {
    let layout = request.layout;
    let parts = [
        (
            layout.sequence_parallel,
            "layout.sequence_parallel",
            "sequence parallelism",
            "norms and dropout on every tensor rank",
        ),
        (
            layout.context_parallel > 1,
            "layout.context_parallel",
            "context parallelism",
            "whole sequences on every GPU",
        ),
        (
            layout.flash_attention,
            "layout.flash_attention",
            "FlashAttention",
            "scores and probabilities are kept",
        ),
    ];
    for (is_on, key, wanted, instead) in parts {
        if is_on {
            limits.operation(key, wanted, instead, "plan without, or use Megatron Core");
        }
    }
    let layers = request.config.model.layers as u64;
    let equal = partition(layers, layout.pipeline_parallel, false).is_some();
    if layout.uneven_stages && !equal {
        limits.operation(
            "layout.uneven_stages",
            "stages that differ by a layer",
            "such stages too, but DeepSpeed says which of them hold the layer more",
            "read the partition that it prints at the start",
        );
    }
    let zero = json::zero_stage(request.config);
    let stage = match layout.sharding {
        Sharding::None => 0,
        Sharding::Zero1 => 1,
        Sharding::Zero2 => 2,
        Sharding::Zero3 | Sharding::Fsdp | Sharding::Hsdp => 3,
    };
    if stage != zero && request.config.precision.format == Format::Fp16 {
        limits.operation(
            "layout.sharding",
            layout.sharding.name(),
            &format!("ZeRO stage {zero}"),
            "plan with zero1, or use Megatron Core",
        );
    }
}
