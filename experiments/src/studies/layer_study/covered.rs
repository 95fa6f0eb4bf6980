//! What this implementation of the layer knows: a list of what is allowed. Like that of the fused kernels
//! (`Config::fuses`) it does not compile with a new key or variant until it says what becomes of it.

use experiments_config::{
    Activation, Config, Format, Function, Ids, ModelConfig, PbRelaxConfig, PbRelaxMax,
    PositionEncoding, PrecisionConfig,
};

/// The first key with a value that a slice does not know, and the value that it knows.
pub(super) fn unknown(config: &Config) -> Option<(&'static str, &'static str)> {
    let Config {
        model,
        precision,
        // The objective and the vocabulary give the values that enter, the seed their draws.
        objective: _,
        tokenizer: _,
        seed: _,
        // Nothing is trained, nothing is read: a slice has no embedding, no text and no step.
        steps: _,
        data: _,
        tasks: _,
        batch: _,
        optimizer: _,
        egs: _,
        eval: _,
        checkpoint: _,
        record: _,
        runtime: _,
        alarm: _,
        recovery: _,
        probe: _,
        schedule: _,
        intervention: _,
        inject: _,
        substitute: _,
        withhold: _,
    } = config;
    unknown_model(model).or_else(|| unknown_precision(precision))
}

fn unknown_model(model: &ModelConfig) -> Option<(&'static str, &'static str)> {
    let ModelConfig {
        layers: _,
        hidden_size: _,
        num_heads: _,
        ffn_hidden_size: _,
        seq_len: _,
        // Any row: the layer computes what its residual says.
        norm: _,
        positions,
        ffn,
        qk_norm,
        // Outside the layers.
        embedding_norm: _,
        tie_embeddings: _,
        bias: _,
        // A slice leaves them out, as its documentation says.
        dropout: _,
        attention_dropout: _,
        layer_norm_eps: _,
        rope_base: _,
        init: _,
        plan_only,
    } = model;
    if let Some(key) = plan_only.first_key() {
        return Some((key, "absent"));
    }
    let PositionEncoding {
        rotates,
        is_learned,
        penalises,
        source: _,
    } = positions.row();
    if *rotates != [Ids::Position] || *is_learned || *penalises {
        return Some(("model.positions", "rope"));
    }
    let Activation {
        is_gated,
        function,
        title: _,
        source: _,
    } = ffn.row();
    // Any other function is refused with it.
    if !is_gated || *function != Function::Gelu {
        return Some(("model.ffn", "geglu"));
    }
    qk_norm.then_some(("model.qk_norm", "false"))
}

fn unknown_precision(precision: &PrecisionConfig) -> Option<(&'static str, &'static str)> {
    let PrecisionConfig {
        format,
        softmax,
        // One sequence: nothing accumulates.
        grad_accumulation: _,
        query_key_layer_scaling: _,
        // Outside the layers.
        fp32_head: _,
        saturate_gradients,
        pb_relax,
        loss_scale: _,
    } = precision;
    for format in [format, softmax] {
        match format {
            Format::Fp32 | Format::Fp16 | Format::Bf16 => {}
        }
    }
    let PbRelaxConfig {
        attention,
        alpha: _,
        norm,
    } = pb_relax;
    match attention {
        PbRelaxMax::Off => {}
        PbRelaxMax::Row | PbRelaxMax::Head | PbRelaxMax::AbsMax => {
            return Some(("precision.pb_relax.attention", "off"));
        }
    }
    if *norm {
        return Some(("precision.pb_relax.norm", "false"));
    }
    saturate_gradients.then_some(("precision.saturate_gradients", "false"))
}
