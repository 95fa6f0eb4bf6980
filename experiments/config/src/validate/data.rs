//! Text, objective and tasks.

use super::Checks;
use crate::{Config, MaskPositions, ObjectiveMode, Source, TaskSource};
use std::path::PathBuf;

/// Smallest vocabulary: 256 bytes and six special tokens.
const MIN_VOCAB: usize = 262;

/// Far beyond any vocabulary.
const MAX_VOCAB: usize = 1 << 28;

/// Fewest slots that hold a sub-sample with its special tokens.
const MIN_SLOTS: usize = 8;

impl Config {
    pub(super) fn check_data(&self, checks: &mut Checks) {
        checks.require(
            (MIN_VOCAB..=MAX_VOCAB).contains(&self.tokenizer.vocab_size),
            "tokenizer.vocab_size",
            format!(
                "is {}, must be at least {MIN_VOCAB} (256 bytes and six special tokens) and at most {MAX_VOCAB}",
                self.tokenizer.vocab_size
            ),
        );
        checks.positive(self.tokenizer.sample_bytes, "tokenizer.sample_bytes");
        checks.require(
            !self.data.sources.is_empty(),
            "data.sources",
            "needs at least one source",
        );
        for (index, source) in self.data.sources.iter().enumerate() {
            check_source(source, &format!("data.sources[{index}]"), checks);
        }
        checks.require(
            self.data.held_out > 0.0 && self.data.held_out <= 0.5,
            "data.held_out",
            format!(
                "is {}, must lie in (0, 0.5]",
                words::number(self.data.held_out)
            ),
        );
    }

    pub(super) fn check_objective(&self, checks: &mut Checks) {
        let objective = &self.objective;
        checks.share(objective.gmask_ratio, "objective.gmask_ratio");
        checks.share(objective.min_gmask_ratio, "objective.min_gmask_ratio");
        checks.require(
            objective.mask_ratio > 0.0 && objective.mask_ratio <= 0.5,
            "objective.mask_ratio",
            format!(
                "is {}, must lie in (0, 0.5]",
                words::number(objective.mask_ratio)
            ),
        );
        checks.above_zero(objective.span_lambda, "objective.span_lambda");
        checks.positive(objective.max_span, "objective.max_span");
        checks.require(
            objective.span_lambda <= objective.max_span as f64,
            "objective.span_lambda",
            "must not exceed `objective.max_span`",
        );
        checks.require(
            objective.max_span <= 100_000,
            "objective.max_span",
            "must be at most 100000",
        );
        checks.share(objective.single_span_prob, "objective.single_span_prob");
        checks.share(objective.short_seq_prob, "objective.short_seq_prob");
        checks.require(
            objective.mask_positions == MaskPositions::Span || !self.model.positions.reads_spans(),
            "objective.mask_positions",
            format!(
                "must be `span` with `model.positions = \"{}\"`: its first id is the mask's",
                self.model.positions.name()
            ),
        );
        checks.at_least_zero(objective.z_loss, "objective.z_loss");
        checks.positive(objective.aggregated_samples, "objective.aggregated_samples");
        let (slots, parts) = (self.model.seq_len, objective.aggregated_samples);
        if parts > 0 && slots <= 1 << 22 {
            let fits = |n: usize| slots.is_multiple_of(n) && slots / n >= MIN_SLOTS;
            let near = (1..=slots)
                .filter(|n| fits(*n))
                .min_by_key(|n| n.abs_diff(parts));
            checks.require_or(
                fits(parts),
                "objective.aggregated_samples",
                format!(
                    "is {parts}, must divide `model.seq_len` = {slots} into parts of at least {MIN_SLOTS} slots"
                ),
                near.map(|n| format!("nearest that fits: {n}")),
            );
        }
    }

    pub(super) fn check_tasks(&self, checks: &mut Checks) {
        let tasks = &self.tasks;
        checks.share(tasks.ratio, "tasks.ratio");
        checks.require(
            tasks.ratio == 0.0 || !tasks.sources.is_empty(),
            "tasks.sources",
            "needs at least one source when `tasks.ratio` is above 0",
        );
        checks.require(
            tasks.ratio == 0.0 || self.objective.mode == ObjectiveMode::Glm,
            "tasks.ratio",
            "must be 0 with `objective.mode = \"gpt\"`: tasks are blanks to be filled",
        );
        for (index, source) in tasks.sources.iter().enumerate() {
            check_task_source(source, &format!("tasks.sources[{index}]"), checks);
        }
    }
}

fn check_source(source: &Source, key: &str, checks: &mut Checks) {
    let is_empty = |path: &PathBuf| path.as_os_str().is_empty();
    checks.require(
        !source.path.as_ref().is_some_and(is_empty),
        &format!("{key}.path"),
        "is empty; expected a file",
    );
    checks.require(
        source.name.is_some() != source.path.is_some(),
        key,
        "needs exactly one of `name` (catalogue) and `path` (a file of yours)",
    );
    check_content(source.path.is_some(), source.blake3.as_deref(), key, checks);
    checks.require(
        !source.language.is_empty(),
        &format!("{key}.language"),
        "is missing; write for example `language = \"en\"`",
    );
    checks.above_zero(source.weight, &format!("{key}.weight"));
}

fn check_task_source(source: &TaskSource, key: &str, checks: &mut Checks) {
    checks.require(
        source.name.is_some() != source.path.is_some(),
        key,
        "needs exactly one of `name` (catalogue) and `path` (a file of yours)",
    );
    check_content(source.path.is_some(), source.blake3.as_deref(), key, checks);
    checks.require(
        source.input.is_some() == source.target.is_some(),
        key,
        "needs both templates, `input` and `target`, or neither",
    );
    checks.require(
        source.path.is_some() || source.input.is_none(),
        key,
        "takes `input` and `target` with `path` only; a catalogue entry has its own templates",
    );
}

/// The hash of a file's content stands beside the file's path.
fn check_content(has_path: bool, blake3: Option<&str>, key: &str, checks: &mut Checks) {
    let key = format!("{key}.blake3");
    let Some(hash) = blake3 else { return };
    checks.require(has_path, &key, "belongs to a `path`");
    let digits = hash
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    checks.require(
        digits && hash.len() == 64,
        &key,
        "must be 64 hexadecimal digits in lower case, as `b3sum` prints them",
    );
}
