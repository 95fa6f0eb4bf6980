//! What the hand-written passes cover: a list of what is allowed, never of what is not.
//!
//! Every section that a pass reads is taken apart field by field and every choice variant by variant, so
//! that a new key or a new variant does not compile until somebody has written here whether the fused
//! kernels compute it. Sections that no pass reads are named as such.

use crate::{
    Config, EgsConfig, EgsPath, Format, InitConfig, KernelChoice, ModelConfig, ObjectiveConfig,
    ObjectiveMode, PbRelaxConfig, PbRelaxMax, PrecisionConfig, ProbeConfig, ProbeKind,
    RuntimeConfig,
};

impl Config {
    /// Whether the CPU computes passes by its fused kernels: where they are asked for and cover everything
    /// else that is.
    #[must_use]
    pub fn fuses(&self) -> bool {
        let RuntimeConfig {
            kernels,
            // A pass on another device than the host does not ask.
            device: _,
            threads: _,
        } = &self.runtime;
        match kernels {
            KernelChoice::Fused => self.beyond_fused().is_none(),
            KernelChoice::Plain => false,
        }
    }

    /// A key whose value sends a run to burn's tensor operations although fused kernels are asked for.
    fn beyond_fused(&self) -> Option<&'static str> {
        let Self {
            model,
            objective,
            egs,
            precision,
            probe,
            // What a batch holds and how many there are: a pass takes any batch.
            seed: _,
            steps: _,
            tokenizer: _,
            data: _,
            tasks: _,
            batch: _,
            eval: _,
            schedule: _,
            intervention: _,
            inject: _,
            substitute: _,
            // What becomes of an update.
            withhold: _,
            // What becomes of the gradients and the signals of a pass.
            optimizer: _,
            checkpoint: _,
            record: _,
            // `Config::fuses` has asked.
            runtime: _,
            // Reads what was recorded.
            alarm: _,
            recovery: _,
        } = self;
        check_model(model);
        check_objective(objective);
        check_egs(egs);
        check_precision(precision);
        check_probe(probe)
    }
}

fn check_model(model: &ModelConfig) {
    let ModelConfig {
        layers: _,
        hidden_size: _,
        num_heads: _,
        ffn_hidden_size: _,
        seq_len: _,
        // Any row: the passes compute what its fields say, and a new field is theirs to read.
        norm: _,
        positions: _,
        ffn: _,
        // Either value.
        qk_norm: _,
        embedding_norm: _,
        tie_embeddings: _,
        bias: _,
        dropout: _,
        attention_dropout: _,
        layer_norm_eps: _,
        rope_base: _,
        init,
        // No run has it.
        plan_only: _,
    } = model;
    // Where a run starts; a pass takes any weights.
    let InitConfig {
        embedding_std: _,
        gain: _,
        qk_gain: _,
        weights: _,
        weights_blake3: _,
    } = init;
}

fn check_objective(objective: &ObjectiveConfig) {
    let ObjectiveConfig {
        mode,
        // How sequences are made.
        gmask_ratio: _,
        min_gmask_ratio: _,
        mask_ratio: _,
        span_lambda: _,
        max_span: _,
        single_span_prob: _,
        short_seq_prob: _,
        aggregated_samples: _,
        packing: _,
        mask_positions: _,
        gmask_positions: _,
        // Any coefficient.
        z_loss: _,
    } = objective;
    match mode {
        // Both are masks of one span per row.
        ObjectiveMode::Glm | ObjectiveMode::Gpt => {}
    }
}

fn check_egs(egs: &EgsConfig) {
    let EgsConfig { alpha: _, path } = egs;
    match path {
        EgsPath::Input | EgsPath::Logit | EgsPath::Both => {}
    }
}

fn check_precision(precision: &PrecisionConfig) {
    let PrecisionConfig {
        format,
        softmax,
        // Outside the pass: it returns FP32 gradients of one scaled loss.
        grad_accumulation: _,
        loss_scale: _,
        query_key_layer_scaling: _,
        // Either value.
        fp32_head: _,
        saturate_gradients: _,
        pb_relax,
    } = precision;
    match format {
        Format::Fp32 | Format::Fp16 | Format::Bf16 => {}
    }
    match softmax {
        Format::Fp32 | Format::Fp16 | Format::Bf16 => {}
    }
    let PbRelaxConfig {
        attention,
        alpha: _,
        norm: _,
    } = pb_relax;
    match attention {
        PbRelaxMax::Off | PbRelaxMax::Row | PbRelaxMax::Head | PbRelaxMax::AbsMax => {}
    }
}

fn check_probe(probe: &ProbeConfig) -> Option<&'static str> {
    let ProbeConfig { kind, score: _ } = probe;
    match kind {
        // They pass over batches as training does.
        ProbeKind::Train | ProbeKind::UpdateLaw | ProbeKind::EgsTwin => None,
        // A softmax of its own, by tensor operations.
        ProbeKind::AttentionSoftmax => Some("probe.kind"),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, load_preset};

    fn preset(set: &[&str]) -> Config {
        let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
        load_preset("t0", &set).unwrap()
    }

    /// What is not covered is named.
    #[test]
    fn what_the_fused_kernels_lack_is_named() {
        // The probe wants heads of 64 dimensions.
        let set = [
            "probe.kind=attention_softmax",
            "steps=1",
            "model.num_heads=1",
        ];
        let config = preset(&set);
        assert_eq!(config.beyond_fused(), Some("probe.kind"));
        assert!(!config.fuses());
    }

    #[test]
    fn what_the_fused_kernels_have_is_fused() {
        for set in [
            &[][..],
            &["model.norm=sandwich", "model.positions=alibi"],
            &["model.ffn=gelu", "model.bias=false"],
            &["model.qk_norm=true"],
            &["model.dropout=0.1", "model.attention_dropout=0.1"],
            &[
                "precision.format=fp16",
                "precision.query_key_layer_scaling=true",
            ],
            &["objective.mode=gpt", "objective.z_loss=1e-4"],
            &["precision.format=bf16", "egs.alpha=0.1"],
            &["precision.format=fp16", "precision.softmax=fp16"],
            &[
                "precision.format=fp16",
                "precision.fp32_head=true",
                "precision.saturate_gradients=true",
            ],
            &[
                "precision.pb_relax.attention=head",
                "precision.pb_relax.norm=true",
            ],
            &["probe.kind=update_law", "steps=1"],
        ] {
            let config = preset(set);
            assert_eq!(config.beyond_fused(), None, "{set:?}");
            assert!(config.fuses(), "{set:?}");
        }
    }

    #[test]
    fn plain_kernels_can_be_asked_for() {
        let config = preset(&["runtime.kernels=plain"]);
        assert!(!config.fuses());
        assert_eq!(config.beyond_fused(), None);
    }
}
