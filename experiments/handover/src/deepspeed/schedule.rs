//! Learning-rate restarts and the embedding gradient shrink in the fork's words.

use crate::Request;
use crate::argument::Arguments;
use crate::common::{self, RESTART};
use crate::limit::Limits;
use experiments_config::{EgsPath, ScheduledKey, Unit};

/// `--lr-auto-warmup-steps s n` multiplies the learning rate by (i - s)/n for n iterations, at
/// least 1e-8 (`learning_rates.py`).
pub(crate) fn learning_rate(request: &Request, arguments: &mut Arguments, limits: &mut Limits) {
    let config = request.config;
    let moves = config.schedule.iter();
    let moves: Vec<_> = moves.filter(|e| e.key == ScheduledKey::LrScale).collect();
    match moves[..] {
        [] => {}
        [entry]
            if entry.unit == Unit::Steps
                && entry.from == Some(0.0)
                && entry.to == Some(config.optimizer.lr_scale)
                && entry.increment.is_none() =>
        {
            arguments.many("--lr-auto-warmup-steps", [entry.start, entry.length]);
        }
        _ => {
            let all: Vec<_> = moves.iter().map(|entry| common::movement(entry)).collect();
            limits.training(
                "optimizer.lr_scale",
                &all.join("; "),
                "keeps its first value",
                RESTART,
            );
        }
    }
}

/// Embedding gradient shrink. `--shrink-embedding-gradient-steps x1 x2` keeps α until step x1 and
/// raises it to 1 over x2 steps (`language_model.py`).
pub(crate) fn shrink(request: &Request, arguments: &mut Arguments, limits: &mut Limits) {
    let egs = &request.config.egs;
    arguments.section("embedding gradient shrink");
    let moves = request.config.schedule.iter();
    let moves: Vec<_> = moves.filter(|e| e.key == ScheduledKey::EgsAlpha).collect();
    if egs.alpha != 1.0 || !moves.is_empty() {
        arguments.number("--shrink-embedding-gradient-alpha", egs.alpha);
        arguments.flag_if(
            egs.path != EgsPath::Input,
            "--shrink-logit-embedding-gradient",
        );
        if egs.path == EgsPath::Logit {
            limits.training(
                "egs.path",
                "shrinks the logit path only",
                "shrinks the input path too",
                "skip the mixing in `Embedding.forward` (language_model.py)",
            );
        }
    }
    match moves[..] {
        [] => {}
        [entry]
            if entry.unit == Unit::Steps
                && entry.to == Some(1.0)
                && entry.from.is_none_or(|from| from == egs.alpha)
                && entry.increment.is_none() =>
        {
            arguments.many(
                "--shrink-embedding-gradient-steps",
                [entry.start, entry.length],
            );
        }
        _ => {
            let all: Vec<_> = moves.iter().map(|entry| common::movement(entry)).collect();
            limits.training(
                "egs.alpha",
                &all.join("; "),
                "keeps its first value: the trainer raises α to 1 once, over steps, and nothing else",
                "stop at that step, change `--shrink-embedding-gradient-alpha` and continue, as the \
                 GLM-130B team did on 12 and 14 June 2022",
            );
        }
    }
}
