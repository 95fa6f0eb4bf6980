//! The model in Megatron Core's words.

use crate::argument::Arguments;
use crate::limit::Limits;
use crate::{Request, common};
use experiments_config::{
    Activation, Function, Ids, ModelConfig, PlannedActivation, PositionEncoding, Residual,
};
use std::fmt::Write as _;

pub(crate) fn arguments(request: &Request, arguments: &mut Arguments, limits: &mut Limits) {
    let config = request.config;
    let model = &config.model;
    arguments.section("model");
    arguments.flag("--use-mcore-models");
    arguments.one("--num-layers", model.layers);
    arguments.one("--hidden-size", model.hidden_size);
    arguments.one("--num-attention-heads", model.num_heads);
    arguments.one("--ffn-hidden-size", model.ffn_hidden_size);
    arguments.one("--seq-length", model.seq_len);
    arguments.one("--max-position-embeddings", model.seq_len);
    arguments.number("--norm-epsilon", model.layer_norm_eps);
    arguments.number("--hidden-dropout", model.dropout);
    arguments.number("--attention-dropout", model.attention_dropout);
    arguments.flag_if(!model.bias, "--disable-bias-linear");
    arguments.flag_if(model.qk_norm, "--qk-layernorm");
    arguments.flag_if(
        !model.tie_embeddings,
        "--untie-embeddings-and-output-weights",
    );
    arguments.one("--padded-vocab-size", request.layout.vocabulary(config));
    let embedding_std = model.embedding_std(config.tokenizer.vocab_size);
    arguments.number("--init-method-std", common::init_std(config));
    arguments.number("--embedding-init-method-std", embedding_std);
    positions(model, arguments, limits);
    let planned = model.plan_only;
    if let Some(groups) = planned.kv_heads {
        arguments.flag("--group-query-attention");
        arguments.one("--num-query-groups", groups);
    }
    if planned.rms_norm {
        arguments.one("--normalization", "RMSNorm");
    }
    match planned.activation {
        Some(activation) => planned_ffn(activation, arguments, limits),
        None => ffn(model, arguments, limits),
    }
    norm(model, limits);
    if model.embedding_norm {
        limits.training(
            "model.embedding_norm",
            "layer norm on the embedding output",
            "none",
            "add a layer norm at the end of `LanguageModelEmbedding.forward`",
        );
    }
}

fn positions(model: &ModelConfig, arguments: &mut Arguments, limits: &mut Limits) {
    let PositionEncoding {
        rotates,
        is_learned,
        penalises,
        source: _,
    } = *model.positions.row();
    let (kind, without_penalty) = match (rotates, is_learned) {
        ([], true) => ("learned_absolute", "no penalty on scores"),
        ([], false) => ("none", "no positions at all"),
        ([_, ..], _) => ("rope", "no penalty on scores"),
    };
    arguments.one("--position-embedding-type", kind);
    if !rotates.is_empty() {
        rotation(model, rotates, arguments, limits);
        if is_learned {
            limits.training(
                "model.positions",
                "a learned vector per position, added to the embedding",
                "rotation alone",
                "add a position embedding in `LanguageModelEmbedding.forward`",
            );
        }
    }
    if penalises {
        limits.training(
            "model.positions",
            "ALiBi",
            without_penalty,
            "pass an attention bias of slope × distance to `DotProductAttention` (TransformerEngine: `alibi_slopes`)",
        );
    }
}

fn rotation(model: &ModelConfig, rotates: &[Ids], arguments: &mut Arguments, limits: &mut Limits) {
    if model.rope_base.fract() == 0.0 {
        arguments.one("--rotary-base", model.rope_base as i64);
    } else {
        limits.training(
            "model.rope_base",
            &model.rope_base.to_string(),
            "10000: the parser takes whole numbers only",
            "choose a whole base, or pass `rotary_base` to `GPTModel` in the model provider",
        );
    }
    if *rotates != [Ids::Position] {
        limits.training(
            "model.positions",
            "half of each head rotated by the position inside the span",
            "the whole head by position",
            "build the angles from two position ids in an own `RotaryEmbedding`",
        );
    }
}

fn planned_ffn(activation: PlannedActivation, arguments: &mut Arguments, limits: &mut Limits) {
    match activation {
        PlannedActivation::Swiglu => arguments.flag("--swiglu"),
        PlannedActivation::SquaredRelu => arguments.flag("--squared-relu"),
        PlannedActivation::Relu => limits.training(
            "model.plan_only.activation",
            "max(x, 0)",
            "GELU",
            "set `activation_func=F.relu, bias_activation_fusion=False` in `core_transformer_config_from_args`",
        ),
    }
}

fn ffn(model: &ModelConfig, arguments: &mut Arguments, limits: &mut Limits) {
    let Activation {
        is_gated,
        function,
        title: _,
        source: _,
    } = *model.ffn.row();
    let (name, names) = (function.name(), function.row());
    let set = format!(
        "activation_func=F.{name}, bias_activation_fusion=False` in `core_transformer_config_from_args`"
    );
    if is_gated {
        arguments.flag("--quick-geglu");
        limits.training(
            "model.ffn",
            &format!(
                "x₁ ⊙ {}(x₂), {}, the second half gated",
                names.title, names.exactly
            ),
            "the gated unit of the same shape with x·sigmoid(1.702x), the first half gated",
            &format!(
                "set `gated_linear_unit=True, {set}; swap the halves when weights are converted"
            ),
        );
        return;
    }
    // The fused kernel is GELU's tanh approximation.
    arguments.flag("--no-bias-gelu-fusion");
    if function != Function::Gelu {
        limits.training(
            "model.ffn",
            names.exactly,
            "exact GELU",
            &format!("set `{set}"),
        );
    }
}

/// What has to be done for another arrangement than the trainer's, Pre-LN.
fn norm_remedy(model: &ModelConfig) -> Option<&'static str> {
    match model.norm.row().residual {
        Residual::Norm { alpha } if alpha.at(model.layers) == 1.0 => Some(
            "an own `TransformerLayer` in the layer spec whose residual is the normed input \
             (`--apply-residual-connection-post-layernorm` is parsed; whether this layer honours it was not checked)",
        ),
        Residual::Norm { .. } => {
            Some("an own `TransformerLayer` whose residual is α times the normed input")
        }
        Residual::Stream {
            before: true,
            after: true,
        } => Some("two more norms in the layer spec, applied before the residual additions"),
        Residual::Stream { before: false, .. } => Some(
            "in the layer spec no norm before attention and feed-forward, and one after each, applied before \
             the residual additions",
        ),
        Residual::Stream {
            before: true,
            after: false,
        } => None,
    }
}

fn norm(model: &ModelConfig, limits: &mut Limits) {
    let norm = model.norm;
    if let Some(remedy) = norm_remedy(model) {
        let alpha = norm.alpha(model.layers);
        let mut wanted = format!("{}, {}", norm.row().title, norm.formula());
        if alpha != 1.0 {
            let _ = write!(wanted, " with α = {alpha:.4}");
        }
        limits.training("model.norm", &wanted, "Pre-LN, x ← x + f(LN(x))", remedy);
    }
    let gain = norm.gain(model.layers);
    limits.training(
        "model.norm",
        &format!("Xavier-normal matrices, gain {gain:.6} on v, out and feed-forward"),
        "one standard deviation, sqrt(1/h), for all matrices, divided by sqrt(2N) for the two output matrices",
        "set `init_method` and `output_layer_init_method` per matrix, or initialise here and convert",
    );
}
