//! The model in Megatron Core's words.

use super::super::argument::Arguments;
use super::super::limit::Limits;
use super::super::{Request, common};
use experiments_config::{Ffn, ModelConfig, Norm, Positions};

pub(super) fn arguments(request: &Request, arguments: &mut Arguments, limits: &mut Limits) {
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
    arguments.one("--padded-vocab-size", config.tokenizer.vocab_size);
    let embedding_std = model.embedding_std(config.tokenizer.vocab_size);
    arguments.number("--init-method-std", common::init_std(config));
    arguments.number("--embedding-init-method-std", embedding_std);
    positions(model, arguments, limits);
    ffn(model, arguments, limits);
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
    let kind = match model.positions {
        Positions::Rope | Positions::Rope2d => "rope",
        Positions::Learned => "learned_absolute",
        Positions::Alibi => "none",
    };
    arguments.one("--position-embedding-type", kind);
    match model.positions {
        Positions::Rope | Positions::Rope2d if model.rope_base.fract() == 0.0 => {
            arguments.one("--rotary-base", model.rope_base as i64);
        }
        Positions::Rope | Positions::Rope2d => limits.training(
            "model.rope_base",
            &model.rope_base.to_string(),
            "10000: the parser takes whole numbers only",
            "choose a whole base, or pass `rotary_base` to `GPTModel` in the model provider",
        ),
        Positions::Alibi => limits.training(
            "model.positions",
            "ALiBi",
            "no positions at all",
            "pass an attention bias of slope × distance to `DotProductAttention` (TransformerEngine: `alibi_slopes`)",
        ),
        Positions::Learned => {}
    }
    if model.positions == Positions::Rope2d {
        limits.training(
            "model.positions",
            "half of each head rotated by the position inside the span",
            "the whole head by position",
            "build the angles from two position ids in an own `RotaryEmbedding`",
        );
    }
}

fn ffn(model: &ModelConfig, arguments: &mut Arguments, limits: &mut Limits) {
    match model.ffn {
        // The fused kernel is GELU's tanh approximation.
        Ffn::Gelu => arguments.flag("--no-bias-gelu-fusion"),
        Ffn::Geglu => {
            arguments.flag("--quick-geglu");
            limits.training(
                "model.ffn",
                "x₁ ⊙ GELU(x₂), exact GELU, the second half gated",
                "the gated unit of the same shape with x·sigmoid(1.702x), the first half gated",
                "set `gated_linear_unit=True, activation_func=F.gelu, bias_activation_fusion=False` in \
                 `core_transformer_config_from_args`; swap the halves when weights are converted",
            );
        }
    }
}

fn norm(model: &ModelConfig, limits: &mut Limits) {
    let (wanted, remedy) = match model.norm {
        Norm::Pre => ("", ""),
        Norm::Post => (
            "Post-LN, LN(x + f(x))",
            "an own `TransformerLayer` in the layer spec whose residual is the normed input \
             (`--apply-residual-connection-post-layernorm` is parsed; whether this layer honours it was not checked)",
        ),
        Norm::Sandwich => (
            "Sandwich-LN, x + LN(f(LN(x)))",
            "two more norms in the layer spec, applied before the residual additions",
        ),
        Norm::Deepnorm | Norm::DeepnormGlm => (
            "DeepNorm, LN(αx + f(x))",
            "an own `TransformerLayer` whose residual is α times the normed input",
        ),
    };
    if !wanted.is_empty() {
        let alpha = model.norm.alpha(model.layers);
        let wanted = if alpha == 1.0 {
            wanted.to_owned()
        } else {
            format!("{wanted} with α = {alpha:.4}")
        };
        limits.training("model.norm", &wanted, "Pre-LN, x + f(LN(x))", remedy);
    }
    let gain = model.norm.gain(model.layers);
    limits.training(
        "model.norm",
        &format!("Xavier-normal matrices, gain {gain:.6} on v, out and feed-forward"),
        "one standard deviation, sqrt(1/h), for all matrices, divided by sqrt(2N) for the two output matrices",
        "set `init_method` and `output_layer_init_method` per matrix, or initialise here and convert",
    );
}
