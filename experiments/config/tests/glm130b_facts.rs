//! The numbers of GLM-130B that follow from its configuration, against their sources: the paper
//! (arXiv 2210.02414, "P"), the released repository ("R") and training code ("LS"). What is marked
//! "derived" was computed from those, not published.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use experiments_config::{
    Config, EgsPath, Ffn, Format, LossScaleMode, MaskPositions, ModelConfig, Norm, ObjectiveMode,
    Packing, Positions, Progress, load_preset,
};

fn glm() -> Config {
    load_preset("glm-130b", &[]).unwrap()
}

/// LS `tokenizer.py`, R `configs/model_glm_130b.sh`: 150,089 ids padded to a multiple of 768 × 4.
const VOCAB: usize = 150_528;

#[test]
fn architecture() {
    let model = glm().model;
    // P §2.3, table 11; R configs/model_glm_130b.sh.
    assert_eq!((model.layers, model.hidden_size), (9 * 8 - 2, 12_288));
    assert_eq!((model.num_heads, model.head_dim()), (96, 128));
    assert_eq!(model.ffn_hidden_size, model.hidden_size * 8 / 3);
    assert_eq!(model.seq_len, 2048);
    assert_eq!(model.layer_norm_eps, 1e-5);
    assert_eq!((model.dropout, model.attention_dropout), (0.1, 0.1));
    assert_eq!((model.norm, model.ffn), (Norm::DeepnormGlm, Ffn::Geglu));
    assert_eq!(
        (model.positions, model.rope_base),
        (Positions::Rope, 10_000.0)
    );
    assert!(
        model.tie_embeddings && model.bias,
        "LS gpt_model.py, R quantization/__init__.py"
    );
    assert_eq!(glm().tokenizer.vocab_size, VOCAB);
    assert_eq!(150_089_usize.next_multiple_of(768 * 4), VOCAB);
}

#[test]
fn parameter_counts() {
    // Derived from the released configuration.
    let model = glm().model;
    let count = |model: &ModelConfig| model.parameter_count(VOCAB);
    assert_eq!(count(&model), 128_697_794_560);
    let with = |layers, tie_embeddings| {
        let model = ModelConfig {
            layers,
            tie_embeddings,
            ..model.clone()
        };
        count(&model)
    };
    assert_eq!(with(70, false), 130_547_482_624);
    assert_eq!(with(70, false) - with(70, true), 1_849_688_064, "V·h");
    assert_eq!(with(70, true) - with(69, true), 1_812_115_456, "one layer");
    assert_eq!(with(70, true) - with(0, true), 126_848_081_920, "70 layers");
    assert_eq!(with(0, true) - 1_849_688_064, 24_576, "final norm");
}

#[test]
fn deepnorm_coefficients() {
    // P §2.1, LS utils.py; DeepNet's own from arXiv 2203.00555 table 1.
    let close = |found: f64, expected: f64| {
        assert!(
            (found / expected - 1.0).abs() < 2e-4,
            "{found} for {expected}"
        );
    };
    close(Norm::DeepnormGlm.alpha(70), 11.8322);
    close(Norm::DeepnormGlm.gain(70), 0.084_515);
    close(Norm::Deepnorm.alpha(70), 3.440);
    close(Norm::Deepnorm.gain(70), 0.2056);
    // LS mpu/layers.py forces Xavier with gain 1 on the embedding.
    close(glm().model.embedding_std(VOCAB), 0.003_505);
}

#[test]
fn objective() {
    let config = glm();
    let objective = &config.objective;
    // P §2.2, table 11; LS config and glm/collator.py.
    assert_eq!(objective.mode, ObjectiveMode::Glm);
    assert_eq!((objective.gmask_ratio, objective.mask_ratio), (0.7, 0.15));
    assert_eq!((objective.span_lambda, objective.max_span), (3.0, 39));
    assert_eq!(
        (objective.single_span_prob, objective.short_seq_prob),
        (0.02, 0.02)
    );
    assert_eq!(objective.min_gmask_ratio, 0.2);
    assert_eq!(
        (objective.aggregated_samples, objective.packing),
        (4, Packing::Original)
    );
    assert_eq!(objective.mask_positions, MaskPositions::Span);
}

#[test]
fn optimiser_and_precision() {
    let config = glm();
    let optimizer = &config.optimizer;
    // P table 11, LS optimizer/__init__.py.
    assert_eq!(
        (optimizer.beta1, optimizer.beta2, optimizer.eps),
        (0.9, 0.95, 1e-8)
    );
    assert_eq!((optimizer.weight_decay, optimizer.clip_grad), (0.1, 1.0));
    assert_eq!((optimizer.lr, optimizer.min_lr), (8e-5, 8e-6));
    assert_eq!(config.seed, 1234);
    assert_eq!(config.batch.micro_batch, 1);
    // P §3; the shrink on both paths since LS@715f852.
    assert_eq!((config.egs.alpha, config.egs.path), (0.1, EgsPath::Both));
    let precision = &config.precision;
    assert_eq!(
        (precision.format, precision.softmax),
        (Format::Fp16, Format::Fp32)
    );
    assert!(
        precision.query_key_layer_scaling,
        "LS transformer.py, on by default"
    );
    assert_eq!(
        precision.grad_accumulation,
        Format::Fp16,
        "derived: no FP32 flag is set"
    );
    // LS DeepSpeed JSONs; P table 11 has a window of 2,000.
    let scale = &precision.loss_scale;
    assert_eq!(scale.mode, LossScaleMode::Deepspeed);
    assert_eq!((scale.initial, scale.window), (65_536.0, 200));
    assert_eq!((scale.hysteresis, scale.min), (2, 1.0));
    assert_eq!(config.checkpoint.interval, 100, "LS@42dad29");
}

#[test]
fn samples_and_steps() {
    let config = glm();
    // LS config: 450B tokens; warm-up 0.5 %, decay 90 %, batch ramp 2.5 % of the samples.
    let planned = 450_000_000_000 / 2048;
    assert_eq!(planned, 219_726_562);
    let share = |permille: u64| planned * permille / 1000;
    assert_eq!(config.optimizer.warmup_samples, share(5));
    assert_eq!(config.optimizer.decay_samples, share(900));
    assert_eq!(config.schedule[0].length, share(25));
    // Derived, by simulating the ramp 192 → 4224 in 168 stairs of 24.
    assert_eq!(config.steps_for(share(5)), 2_318);
    assert_eq!(config.steps_for(share(25)), 4_296);
    assert_eq!(config.steps_for(planned), 55_014);
    assert_eq!(config.steps, 55_014);
    let batch = |samples| config.at(Progress { step: 0, samples }).samples_per_step();
    assert_eq!((batch(0), batch(planned)), (192, 4224));
    // 11.25B tokens at the end of the ramp.
    assert_eq!(share(25) * 2048 / 10_000_000, 1_124);
    // 400.57B tokens after the 49,300 iterations that were trained.
    let mut progress = Progress::default();
    for _ in 0..49_300 {
        progress.samples += config.at(progress).samples_per_step();
    }
    assert_eq!(progress.samples * 2048 / 10_000_000, 40_057);
    // Every batch fills whole micro-batches of 24 data-parallel ranks.
    assert!(
        (0..=planned)
            .step_by(50_000)
            .all(|n| batch(n).is_multiple_of(24))
    );
}
