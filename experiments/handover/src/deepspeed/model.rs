//! The model in the fork's words.

use crate::HandoverError;
use crate::argument::Arguments;
use crate::limit::Limits;
use crate::{Request, Target, common};
use experiments_config::{
    Ffn, Format, Function, Ids, ModelConfig, Norm, PbRelaxMax, PositionEncoding, Positions,
    Residual,
};

pub(crate) fn arguments(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let model = &request.config.model;
    arguments.section("model");
    arguments.one("--num-layers", model.layers);
    arguments.one("--hidden-size", model.hidden_size);
    arguments.one("--num-attention-heads", model.num_heads);
    arguments.one("--ffn-hidden-size", model.ffn_hidden_size);
    arguments.one("--seq-length", model.seq_len);
    arguments.number("--layernorm-epsilon", model.layer_norm_eps);
    arguments.number("--hidden-dropout", model.dropout);
    arguments.number("--attention-dropout", model.attention_dropout);
    ffn(model, arguments)?;
    arguments.flag_if(model.embedding_norm, "--embed-layernorm");
    arguments.flag_if(
        fused_softmax(request),
        "--abort-on-unmet-fused-kernel-constraints",
    );
    vocabulary(request, arguments);
    norm(request, arguments, limits)?;
    positions(request, arguments, limits)?;
    shape_limits(request, limits);
    Ok(())
}

fn ffn(model: &ModelConfig, arguments: &mut Arguments) -> Result<(), HandoverError> {
    if let Some(key) = model.plan_only.first_key() {
        return Err(HandoverError::Value {
            key: key.to_owned(),
            value: "set".to_owned(),
            expected: "the trainer lacks it: leave it out, or use Megatron Core".to_owned(),
        });
    }
    let table = Target::MegatronDeepspeed.table()?;
    let choices = table.find(GLU).and_then(|spec| spec.choices.as_deref());
    // Without a gate it has GELU alone.
    let has = |ffn: &Ffn| {
        if ffn.row().is_gated {
            choices.is_some_and(|names| names.iter().any(|name| name == ffn.name()))
        } else {
            ffn.row().function == Function::Gelu
        }
    };
    if !has(&model.ffn) {
        let known = Ffn::ALL.into_iter().filter(has).map(Ffn::name);
        return Err(common::unknown("model.ffn", model.ffn.name(), known));
    }
    if model.ffn.row().is_gated {
        arguments.one(GLU, model.ffn.name());
    }
    // The fused kernel is GELU's tanh approximation, and is refused with a GLU.
    arguments.flag("--no-bias-gelu-fusion");
    Ok(())
}

const GLU: &str = "--glu-activation";

/// What `initialize.py` demands before it takes the fused softmax kernel.
fn fused_softmax(request: &Request) -> bool {
    let model = &request.config.model;
    let heads = (model.num_heads as u64 / request.layout.tensor_parallel.max(1))
        .saturating_mul(request.layout.micro_batch);
    let fused = request.config.precision.softmax == Format::Fp32;
    request.config.precision.format != Format::Fp32
        && fused
        && (17..=2048).contains(&model.seq_len)
        && model.seq_len.is_multiple_of(4)
        && heads.is_multiple_of(4)
}

/// Pins the padded size, whatever the tensor-parallel degree: the rule of padding alone would give
/// other sizes for other degrees. The divisor only has to divide it.
fn vocabulary(request: &Request, arguments: &mut Arguments) {
    let size = request.layout.vocabulary(request.config);
    arguments.one(
        "--make-vocab-size-divisible-by",
        1_u64 << size.trailing_zeros().min(7),
    );
    arguments.one("--pad-vocab-size-to", size);
}

/// GLM-130B's α and gain, which `--deepnorm` has (`get_deepnorm_coefficients`, megatron/model/utils.py).
fn deepnorm_coefficients(layers: usize) -> (f64, f64) {
    let root = (2.0 * layers as f64).sqrt();
    (root, root.recip())
}

/// The switch for an arrangement, `None` where the trainer has none; its default, Pre-LN, needs none.
fn norm_switch(norm: Norm, layers: usize) -> Option<&'static str> {
    match norm.row().residual {
        Residual::Norm { alpha } if alpha.at(layers) == 1.0 => {
            Some("--apply-residual-connection-post-layernorm")
        }
        Residual::Norm { .. } => Some(DEEPNORM),
        Residual::Stream {
            before: true,
            after: true,
        } => Some("--sandwich-ln"),
        Residual::Stream {
            before: true,
            after: false,
        } => Some(""),
        Residual::Stream { before: false, .. } => None,
    }
}

const DEEPNORM: &str = "--deepnorm";

fn norm(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let config = request.config;
    let model = &config.model;
    let Some(switch) = norm_switch(model.norm, model.layers) else {
        let known = Norm::ALL
            .into_iter()
            .filter(|norm| norm_switch(*norm, model.layers).is_some());
        return Err(common::unknown(
            "model.norm",
            model.norm.name(),
            known.map(Norm::name),
        ));
    };
    arguments.flag_if(!switch.is_empty(), switch);
    if switch == DEEPNORM {
        deepnorm_limits(request, limits);
        return Ok(());
    }
    arguments.number("--init-method-std", common::init_std(config));
    arguments.number(
        "--embedding-init-std",
        model.embedding_std(config.tokenizer.vocab_size),
    );
    limits.training(
        "model.norm",
        &format!("Xavier-normal matrices, gain {}", model.norm.gain(model.layers)),
        "one standard deviation, sqrt(1/h), for all matrices, divided by sqrt(2N) for the two output matrices",
        "initialise here and convert, or pass Xavier initialisers in megatron/model/gpt_model.py",
    );
    Ok(())
}

/// What `--deepnorm` does not do.
fn deepnorm_limits(request: &Request, limits: &mut Limits) {
    let config = request.config;
    let (norm, layers) = (config.model.norm, config.model.layers);
    if (norm.alpha(layers), norm.gain(layers)) != deepnorm_coefficients(layers) {
        let gain = norm.row().gain.words;
        limits.training(
            "model.norm",
            &match norm.row().residual {
                Residual::Norm { alpha } => format!("α = {} and gain {gain}", alpha.words),
                Residual::Stream { .. } => format!("gain {gain}"),
            },
            "GLM-130B's, α = (2N)^½ and gain (2N)^-½, are written into the trainer",
            "change the exponents in `get_deepnorm_coefficients` (megatron/model/utils.py)",
        );
    }
    limits.training(
        "model.norm",
        "gain on the value matrices",
        "the trainer gives it to the last third of the heads, queries and keys included, and GLM-130B was \
         trained so (read from `weight.chunk(3)`; not run here)",
        "initialise here and convert, or slice the value rows of each head in `ParallelAttention.__init__`",
    );
    if config.model.init.embedding_std.is_some() {
        let embedding_std = config.model.embedding_std(config.tokenizer.vocab_size);
        limits.training(
            "model.init.embedding_std",
            &format!("{embedding_std:.6}"),
            "`--deepnorm` draws the embedding by Xavier, sqrt(2/(V+h))",
            "drop the special case in megatron/mpu/layers.py and pass `--embedding-init-std`",
        );
    }
}

/// The trainer's name of an encoding, where it has it.
fn positions_type(positions: Positions) -> Option<&'static str> {
    let PositionEncoding {
        rotates,
        is_learned,
        penalises,
        source: _,
    } = *positions.row();
    match (rotates, is_learned, penalises) {
        ([Ids::Position] | [Ids::Position, Ids::Span], false, false) => Some(ROTARY),
        ([], true, false) => Some("absolute"),
        ([], false, true) => Some("alibi"),
        // Two encodings at once, none, or other ids: not in its parser.
        _ => None,
    }
}

const ROTARY: &str = "rotary";

fn positions(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let model = &request.config.model;
    let Some(kind) = positions_type(model.positions) else {
        let known = Positions::ALL
            .into_iter()
            .filter(|other| positions_type(*other).is_some());
        let (value, known) = (model.positions.name(), known.map(Positions::name));
        return Err(common::unknown("model.positions", value, known));
    };
    arguments.one("--position-embedding-type", kind);
    if kind == ROTARY {
        arguments.flag_if(model.positions.reads_spans(), "--rotary-embedding-2d");
        if model.rope_base != 10_000.0 {
            limits.training(
                "model.rope_base",
                &model.rope_base.to_string(),
                "10000 is written into the trainer",
                "change `base` of `RotaryEmbedding` in megatron/model/transformer.py",
            );
        }
        return Ok(());
    }
    arguments.one("--max-position-embeddings", model.seq_len);
    if model.positions.row().is_learned {
        limits.training(
            "model.positions",
            "one learned vector per position id",
            "with `--glm` a second learned table, for the position inside a span, is added",
            "build the collator with `no_2d_encoding` (glm/data.py)",
        );
    }
    Ok(())
}

fn shape_limits(request: &Request, limits: &mut Limits) {
    let model = &request.config.model;
    if !model.tie_embeddings {
        limits.training(
            "model.tie_embeddings",
            "an output matrix of its own",
            "input and output share one matrix",
            "replace the second `TiedLayerSpec` in gpt_model.py by a `LayerSpec` of a vocabulary-parallel linear layer",
        );
    }
    if !model.bias {
        limits.training(
            "model.bias",
            "no biases",
            "biases on all four matrices of a layer, starting at 0",
            "pass `bias=False` to the parallel linear layers (transformer.py)",
        );
    }
    if model.qk_norm {
        limits.training(
            "model.qk_norm",
            "layer norm on queries and keys",
            "none",
            "Megatron Core has it (`--qk-layernorm`); here add it in `ParallelAttention.forward`",
        );
    }
}

/// PB-Relax, as the trainer codes it: the absolute maximum of each head.
pub(crate) fn relax(
    request: &Request,
    arguments: &mut Arguments,
    limits: &mut Limits,
) -> Result<(), HandoverError> {
    let relax = &request.config.precision.pb_relax;
    if relax.attention == PbRelaxMax::Off {
        if relax.norm {
            limits.training(
                "precision.pb_relax.norm",
                "layer-norm inputs divided by max|x| / 8",
                "not done without the attention half",
                "add `--apply-pb-relax`, which does both",
            );
        }
        return Ok(());
    }
    if relax.alpha.fract() != 0.0 || relax.alpha > f64::from(u32::MAX) {
        return Err(HandoverError::Value {
            key: "precision.pb_relax.alpha".to_owned(),
            value: relax.alpha.to_string(),
            expected: format!(
                "the trainer takes a whole number; nearest: {}",
                relax.alpha.round().clamp(1.0, f64::from(u32::MAX))
            ),
        });
    }
    arguments.flag("--apply-pb-relax");
    arguments.one("--pb-relax-alpha", relax.alpha as u64);
    if relax.attention != PbRelaxMax::AbsMax {
        limits.training(
            "precision.pb_relax.attention",
            "the maximum of a row or of a head is subtracted",
            "the absolute maximum of the head is",
            "one line after `--apply-pb-relax` in transformer.py",
        );
    }
    if !relax.norm {
        limits.training(
            "precision.pb_relax.norm",
            "layer-norm inputs as they are",
            "divided by max|x| / 8 as well",
            "guard the division in transformer.py",
        );
    }
    Ok(())
}
