//! Arguments of NVIDIA's Megatron-LM, whose models are Megatron Core. Its GPT model is causal and
//! Pre-LN; what GLM-130B adds is listed with the place where it would go.

mod model;
mod precision;

use crate::argument::Arguments;
use crate::common::{self, RESTART};
use crate::limit::Limits;
use crate::{HandoverError, Request};
use experiments_config::{Config, EgsPath, ObjectiveMode, ScheduledKey};
use experiments_plan::{Batches, Layout, Recompute, Schedule, Sharding, partition, size};

/// Most iterations that are passed over one by one on the command line.
const MOST_SKIPPED: u64 = 10_000;

/// Most stairs of a batch schedule on the command line.
const MOST_STAIRS: usize = 1_000;

pub(crate) fn arguments(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let config = request.config;
    model::arguments(request, arguments, limits);
    objective_limits(config, request.layout.micro_batch, limits);
    batch(request, arguments, limits)?;
    interventions(config, arguments, limits);
    common::optimizer(config, request.batches.samples, arguments);
    arguments.flag("--override-opt-param-scheduler");
    learning_rate_schedule(config, limits);
    shrink(config, limits);
    precision::arguments(config, arguments, limits);
    parallel(request.layout, config, arguments, limits);
    data(request, arguments);
    common::bookkeeping(request, arguments);
    arguments.one("--ckpt-format", "torch_dist");
    arguments.flag("--log-throughput");
    arguments.flag("--log-params-norm");
    arguments.flag("--exit-signal-handler");
    limits.operation(
        "checkpoint.keep",
        &format!("keeps the newest {}", config.checkpoint.keep),
        "keeps every checkpoint",
        "delete old `iter_*` folders between jobs; preflight counts what they take",
    );
    Ok(())
}

fn objective_limits(config: &Config, micro_batch: u64, limits: &mut Limits) {
    if config.objective.mode == ObjectiveMode::Glm {
        limits.training(
            "objective.mode",
            "blank infilling: [gMASK] with a bidirectional prefix, [MASK] spans, own position ids",
            "next-token prediction, causal",
            "own `pretrain_glm.py`: a dataset that builds tokens, targets, loss mask, position ids and prefix mask \
             (rules: docs/parity.md), `attn_mask_type=arbitrary` in the layer spec with an unfused attention, and \
             rotary angles gathered by position id",
        );
        if micro_batch > 1 {
            limits.training(
                "objective",
                "each sequence weighs the same in the loss",
                "each micro-batch's mean over its targets; the same with micro-batch 1",
                "keep `--micro-batch-size 1`, or divide by each row's own loss mask in `loss_func`",
            );
        }
    }
    if config.tasks.ratio > 0.0 {
        limits.training(
            "tasks.ratio",
            &format!("{} of the sequences are prompted tasks", config.tasks.ratio),
            "plain text only",
            "write the prompted tasks as a second data set and give both with weights in `--data-path`; the target-only \
             loss needs the own dataset",
        );
    }
}

fn batch(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let (config, batches) = (request.config, request.batches);
    arguments.section("batch and length of the run");
    arguments.one("--micro-batch-size", request.layout.micro_batch);
    if let Some(ramp) = batches.ramp {
        arguments.one("--global-batch-size", batches.last);
        arguments.many(
            "--rampup-batch-size",
            [ramp.start, ramp.increment, ramp.samples],
        );
    } else if batches.stairs.len() == 1 {
        arguments.one("--global-batch-size", batches.last);
    } else if batches.stairs.len() <= MOST_STAIRS {
        // Takes the place of `--global-batch-size`; the parser's check refuses both.
        arguments.one("--step-batch-size-schedule", stairs(batches, config)?);
    } else {
        arguments.one("--global-batch-size", batches.last);
        limits.training(
            "batch.gradient_accumulation",
            &format!("a batch schedule of {} stairs", batches.stairs.len()),
            "the last batch size from the start",
            RESTART,
        );
    }
    arguments.one("--train-samples", batches.samples);
    arguments.one("--seed", config.seed);
    Ok(())
}

/// `0:192 393216:216 …`: tokens from which on a batch size holds.
fn stairs(batches: &Batches, config: &Config) -> Result<String, HandoverError> {
    let slots = config.model.seq_len as u64;
    let stairs = batches.stairs.iter().map(|stair| {
        let tokens = size::product("tokens of the run", &[stair.samples, slots])?;
        Ok(format!("{tokens}:{}", stair.batch))
    });
    Ok(stairs.collect::<Result<Vec<_>, HandoverError>>()?.join(" "))
}

/// `--iterations-to-skip` counts finished iterations, and unlike here (and in `LargeScale`) the
/// skipped iterations and their samples count.
fn interventions(config: &Config, arguments: &mut Arguments, limits: &mut Limits) {
    let skipped = config.intervention.iter().map(|act| act.skip_steps);
    let count = skipped.fold(0_u64, u64::saturating_add);
    if count == 0 {
        return;
    }
    if count > MOST_SKIPPED {
        limits.training(
            "intervention",
            &format!("passes over the data of {count} steps"),
            "passes over none",
            "a restart with the data order shifted by hand",
        );
        return;
    }
    let ranges = config.intervention.iter();
    let steps = ranges.flat_map(|act| act.step..act.step.saturating_add(act.skip_steps));
    arguments.many("--iterations-to-skip", steps);
    limits.training(
        "intervention",
        "passed-over data does not count as steps or samples",
        "it counts: the run ends earlier by it, and the learning rate moves on",
        "raise `--train-samples` by the samples passed over",
    );
}

fn learning_rate_schedule(config: &Config, limits: &mut Limits) {
    let moved = config.schedule.iter();
    let moved = moved.filter(|entry| entry.key == ScheduledKey::LrScale);
    let moves: Vec<_> = moved.map(common::movement).collect();
    if !moves.is_empty() {
        limits.training(
            "optimizer.lr_scale",
            &moves.join("; "),
            "keeps its first value",
            RESTART,
        );
    }
}

fn shrink(config: &Config, limits: &mut Limits) {
    let moved = config.schedule.iter();
    let moved = moved.filter(|entry| entry.key == ScheduledKey::EgsAlpha);
    let moves: Vec<_> = moved.map(common::movement).collect();
    if config.egs.alpha == 1.0 && moves.is_empty() {
        return;
    }
    let path = match config.egs.path {
        EgsPath::Input => "input path",
        EgsPath::Logit => "logit path",
        EgsPath::Both => "both paths",
    };
    let schedule = if moves.is_empty() {
        String::new()
    } else {
        format!(", {}", moves.join("; "))
    };
    limits.training(
        "egs.alpha",
        &format!("embedding gradient times {}{schedule}, {path}", config.egs.alpha),
        "the full gradient",
        "in `LanguageModelEmbedding.forward` (input) and before the output layer (logit): `w * α + w.detach() * (1 - α)`, \
         or scale `main_grad` of the tied matrix before clipping (both paths at once)",
    );
}

fn parallel(layout: &Layout, config: &Config, arguments: &mut Arguments, limits: &mut Limits) {
    arguments.section("layout");
    arguments.one("--tensor-model-parallel-size", layout.tensor_parallel);
    arguments.one("--pipeline-model-parallel-size", layout.pipeline_parallel);
    let is_spelt_out = stages(layout, config.model.layers as u64, arguments);
    match layout.schedule {
        // A layout that is spelt out says it by its number of parts.
        Schedule::Interleaved if is_spelt_out => {}
        Schedule::Interleaved => {
            arguments.one("--num-virtual-stages-per-pipeline-rank", layout.chunks);
        }
        Schedule::Gpipe => limits.operation(
            "layout.schedule",
            "GPipe",
            "1F1B",
            "same gradients, less memory; plan with 1F1B",
        ),
        Schedule::OneForwardOneBackward => {}
    }
    techniques(layout, arguments, limits);
    arguments.one("--distributed-backend", "nccl");
    match layout.recompute {
        Recompute::None => {}
        Recompute::Selective => arguments.one("--recompute-granularity", "selective"),
        Recompute::Full => {
            arguments.one("--recompute-granularity", "full");
            arguments.one("--recompute-method", "uniform");
            arguments.one("--recompute-num-layers", 1);
            let split = layout.tensor_parallel > 1;
            arguments.flag_if(split, "--distribute-saved-activations");
        }
    }
}

/// What divides sequences and state.
fn techniques(layout: &Layout, arguments: &mut Arguments, limits: &mut Limits) {
    match layout.sharding {
        Sharding::None => {}
        Sharding::Zero1 => arguments.flag("--use-distributed-optimizer"),
        Sharding::Zero2 => sharded(arguments, "optim_grads"),
        Sharding::Zero3 | Sharding::Fsdp => sharded(arguments, "optim_grads_params"),
        Sharding::Hsdp => {
            sharded(arguments, "optim_grads_params");
            limits.operation(
                "layout.sharding",
                "state divided within a machine, copies outside",
                "state divided over all replicas",
                "the same gradients, less memory and more traffic between machines",
            );
        }
    }
    arguments.flag_if(layout.sequence_parallel, "--sequence-parallel");
    if layout.context_parallel > 1 {
        arguments.one("--context-parallel-size", layout.context_parallel);
    }
    if layout.flash_attention {
        arguments.one("--attention-backend", "flash");
    }
}

/// How layers lie on the stages where they are not equally many; whether part by part.
fn stages(layout: &Layout, layers: u64, arguments: &mut Arguments) -> bool {
    let parts = layout.pipeline_parallel.saturating_mul(layout.chunks);
    let split = partition(layers, parts, layout.uneven_stages).unwrap_or_default();
    let [first, middle @ .., last] = split.as_slice() else {
        return false;
    };
    if middle.iter().all(|layers| layers == first) && first == last {
        return false;
    }
    if (layers + 2).is_multiple_of(parts) {
        // 70 layers on 8 stages: embedding and loss count as one layer each.
        arguments.flag("--account-for-embedding-in-pipeline-split");
        arguments.flag("--account-for-loss-in-pipeline-split");
        return false;
    }
    if layout.chunks == 1 && middle.windows(2).all(|pair| pair[0] == pair[1]) {
        arguments.one("--decoder-first-pipeline-num-layers", first);
        arguments.one("--decoder-last-pipeline-num-layers", last);
        return false;
    }
    let part = |layers: &u64| match layers {
        0 => String::new(),
        layers => format!("t*{layers}"),
    };
    let each: Vec<String> = split.iter().map(part).collect();
    arguments.one(
        "--pipeline-model-parallel-layout",
        format!("E{}L", each.join("|")),
    );
    true
}

fn sharded(arguments: &mut Arguments, strategy: &str) {
    arguments.flag("--use-distributed-optimizer");
    arguments.flag("--use-megatron-fsdp");
    arguments.one("--data-parallel-sharding-strategy", strategy);
}

fn data(request: &Request, arguments: &mut Arguments) {
    let (config, options) = (request.config, request.options);
    arguments.section("data and tokenizer");
    let sources = &config.data.sources;
    if sources.len() > 1 {
        let blend = sources.iter().enumerate().flat_map(|(i, source)| {
            let weight = words::number(source.weight);
            [weight, crate::data::prefix(&options.data, i, source)]
        });
        arguments.many("--data-path", blend);
    } else {
        let prefix = format!("{}_text_document", options.data);
        arguments.many("--data-path", [prefix]);
    }
    arguments.one("--split", common::split(config));
    arguments.one("--tokenizer-type", "HuggingFaceTokenizer");
    arguments.one("--tokenizer-model", &options.tokenizer);
}
