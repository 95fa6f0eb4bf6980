//! Objective, data and tokenizer in the fork's words.

use crate::HandoverError;
use crate::argument::Arguments;
use crate::limit::Limits;
use crate::{Request, common};
use experiments_config::{
    Config, GmaskPositions, MaskPositions, ObjectiveConfig, ObjectiveMode, Packing,
};

/// Ids of the fork's own tokenizer, icetk with the special tokens of GLM (glm130b-facts §1).
pub(crate) const ICE_TOKENS: usize = 150_089;

/// The trainer's program for this objective.
pub(crate) fn script(config: &Config) -> &'static str {
    match config.objective.mode {
        ObjectiveMode::Glm => "pretrain_glm.py",
        ObjectiveMode::Gpt => "pretrain_gpt.py",
    }
}

/// Whether the tokenizer is the fork's own.
pub(crate) fn ice(config: &Config) -> bool {
    config.objective.mode == ObjectiveMode::Glm && config.tokenizer.vocab_size >= ICE_TOKENS
}

/// Tokens of text in one sequence: 2,000 in 2,048 slots, and a whole number in each sub-sample.
pub(crate) fn text_length(config: &Config) -> usize {
    let parts = config.objective.aggregated_samples.max(1);
    config.model.seq_len.saturating_mul(2000) / 2048 / parts * parts
}

pub(crate) fn arguments(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let config = request.config;
    if config.objective.mode == ObjectiveMode::Glm {
        glm(request, arguments, limits)?;
    }
    arguments.section("data and tokenizer");
    arguments.one("--data-path", &request.options.data);
    arguments.one("--split", common::split(config));
    arguments.one("--num-workers", 1);
    if ice(config) {
        arguments.one("--tokenizer-type", "IceTokenizer");
    } else {
        arguments.one("--tokenizer-type", "PretrainedFromHF");
        arguments.one("--tokenizer-name-or-path", &request.options.tokenizer);
    }
    if config.objective.mode == ObjectiveMode::Glm && !ice(config) {
        limits.operation(
            "tokenizer.vocab_size",
            &format!("{} ids", config.tokenizer.vocab_size),
            "the trainer's GLM tokenizer, icetk, has 150,089 ids; this one is loaded through Hugging Face",
            "give the tokenizer class `get_special_token` for eod, MASK, gMASK, sop and eop (megatron/tokenizer)",
        );
    }
    if config.data.sources.len() > 1 {
        limits.operation(
            "data.sources",
            &format!("a mixture of {} texts", config.data.sources.len()),
            "one data file",
            "mix when the file is written, see data.md",
        );
    }
    Ok(())
}

fn glm(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let config = request.config;
    let objective = &config.objective;
    let lambda = objective.span_lambda;
    if lambda.fract() != 0.0 || !(1.0..=1e6).contains(&lambda) {
        return Err(HandoverError::Value {
            key: "objective.span_lambda".to_owned(),
            value: lambda.to_string(),
            expected: format!(
                "the trainer takes a whole mean span length; nearest: {}",
                lambda.round().clamp(1.0, 1e6)
            ),
        });
    }
    arguments.section("objective");
    arguments.flag("--glm");
    arguments.number("--gpt-prob", objective.gmask_ratio);
    arguments.number("--min-gmask-ratio", objective.min_gmask_ratio);
    arguments.number("--mask-prob", objective.mask_ratio);
    arguments.one("--average-block-length", lambda as u64);
    arguments.number("--single-span-prob", objective.single_span_prob);
    arguments.number("--short-seq-prob", objective.short_seq_prob);
    arguments.one(
        "--aggregated-samples-per-sequence",
        objective.aggregated_samples,
    );
    arguments.one("--length-per-sample", text_length(config));
    if config.tasks.ratio > 0.0 {
        arguments.many("--multitask-data-path", [&request.options.tasks]);
        arguments.number("--multitask-ratio", config.tasks.ratio);
    }
    glm_limits(objective, limits);
    Ok(())
}

fn glm_limits(objective: &ObjectiveConfig, limits: &mut Limits) {
    if objective.packing == Packing::Fitted {
        limits.training(
            "objective.packing",
            "as much text as the slots hold, no target cut",
            "2,000 tokens of text per 2,048 slots; about a third of the [MASK] targets is cut",
            "lower `--length-per-sample` until 1.15 × its quarter fits the window, at the cost of padding",
        );
    }
    if objective.max_span != 39 {
        limits.training(
            "objective.max_span",
            &objective.max_span.to_string(),
            "spans of 1 to 39 tokens are written into the trainer",
            "change the range of `block_length_distribution` (glm/collator.py)",
        );
    }
    if objective.mask_positions == MaskPositions::Plain {
        limits.training(
            "objective.mask_positions",
            "targets of a span count on",
            "all slots of a span carry the position of its [MASK]",
            "`position_ids` in `make_block_data` (glm/collator.py)",
        );
    }
    if objective.gmask_positions == GmaskPositions::Shifted {
        limits.training(
            "objective.gmask_positions",
            "target half shifted by -1",
            "positions count on, as after 29 June 2022",
            "check out a commit before LS@8ab8339",
        );
    }
}
