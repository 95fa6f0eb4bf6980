//! The proxy's shape.

use crate::Config;
use crate::validate::Checks;

/// Far beyond any model, and small enough that the number of parameters fits into 64 bits.
const MOST_LAYERS: usize = 10_000;
const MOST_WIDTH: usize = 1 << 20;
const MOST_INNER: usize = 1 << 22;
const MOST_SLOTS: usize = 1 << 22;

impl Config {
    pub(crate) fn check_model(&self, checks: &mut Checks) {
        let model = &self.model;
        checks.size(model.layers, MOST_LAYERS, "model.layers");
        checks.size(model.hidden_size, MOST_WIDTH, "model.hidden_size");
        checks.size(model.ffn_hidden_size, MOST_INNER, "model.ffn_hidden_size");
        checks.size(model.num_heads, MOST_WIDTH, "model.num_heads");
        if model.num_heads > 0 && (1..=MOST_WIDTH).contains(&model.hidden_size) {
            let (width, heads) = (model.hidden_size, model.num_heads);
            let unit = model.positions.head_multiple();
            let fits = |n: usize| width.is_multiple_of(n) && (width / n).is_multiple_of(unit);
            let near = (1..=width)
                .filter(|n| fits(*n))
                .min_by_key(|n| n.abs_diff(heads));
            let problem = if width.is_multiple_of(heads) {
                let wanted = match unit {
                    2 => "RoPE needs an even number".to_owned(),
                    unit => format!("{}-D RoPE needs a multiple of {unit}", unit / 2),
                };
                format!("gives heads of {} dimensions, {wanted}", width / heads)
            } else {
                format!("is {heads}, which does not divide `model.hidden_size` = {width}")
            };
            checks.require_or(
                fits(heads),
                "model.num_heads",
                problem,
                near.map(|n| format!("nearest that fits: {n}")),
            );
        }
        if let Some(kv_heads) = model.plan_only.kv_heads {
            let heads = model.num_heads;
            let near = (1..=heads.min(MOST_WIDTH))
                .filter(|n| heads.is_multiple_of(*n))
                .min_by_key(|n| n.abs_diff(kv_heads));
            checks.require_or(
                kv_heads > 0 && heads.is_multiple_of(kv_heads),
                "model.plan_only.kv_heads",
                format!("is {kv_heads}, which does not divide `model.num_heads` = {heads}"),
                near.map(|n| format!("nearest that fits: {n}")),
            );
        }
        checks.require(
            (8..=MOST_SLOTS).contains(&model.seq_len),
            "model.seq_len",
            format!("is {}, must lie between 8 and {MOST_SLOTS}", model.seq_len),
        );
        checks.probability(model.dropout, "model.dropout");
        checks.probability(model.attention_dropout, "model.attention_dropout");
        checks.above_zero(model.layer_norm_eps, "model.layer_norm_eps");
        checks.above_zero(model.rope_base, "model.rope_base");
        for (value, key) in [
            (model.init.embedding_std, "model.init.embedding_std"),
            (model.init.gain, "model.init.gain"),
            (model.init.qk_gain, "model.init.qk_gain"),
        ] {
            if let Some(value) = value {
                checks.at_least_zero(value, key);
            }
        }
    }
}
