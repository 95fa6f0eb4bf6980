use super::*;
use crate::published::{published_cluster as cluster, published_layout as published};
use experiments_config::{Format, load_preset};

fn glm() -> Config {
    load_preset("glm-130b", &[]).unwrap()
}

fn refused(change: impl Fn(&mut Layout)) -> String {
    let mut layout = published();
    change(&mut layout);
    layout.check(&glm(), &cluster()).unwrap_err().to_string()
}

/// The bar of the issue: the published layout is legal, with its 176 micro-batches and its
/// bubble; 72 units make 9 per stage.
#[test]
fn the_published_layout_is_legal() {
    let layout = published();
    assert!(layout.violations(&glm(), &cluster()).is_empty());
    assert!(layout.warnings(&glm(), &cluster()).is_empty());
    assert_eq!(global_batch(&glm()), 4224);
    assert_eq!(layout.micro_batches(), 176);
    assert!(
        (layout.bubble() - 0.03825).abs() < 5e-6,
        "{}",
        layout.bubble()
    );
    assert_eq!(
        stage_layers(&glm(), &layout).unwrap(),
        [8, 9, 9, 9, 9, 9, 9, 8]
    );
}

/// Each broken constraint is named together with what would be legal next to it.
#[test]
fn errors_name_constraint_and_nearest_legal_values() {
    let text = refused(|l| l.tensor_parallel = 5);
    assert!(
        text.contains("num_heads") && text.contains("4 or 8"),
        "{text}"
    );
    let text = refused(|l| l.pipeline_parallel = 11);
    assert!(
        text.contains("72 units") && text.contains("10 or 12"),
        "{text}"
    );
    let text = refused(|l| l.global_batch = 4225);
    assert!(text.contains("4224 or 4248"), "{text}");
    let text = refused(|l| l.data_parallel = 23);
    assert!(text.contains("global_batch"), "{text}");
    let text = refused(|l| l.data_parallel = 22);
    assert!(
        text.contains("768") && text.contains("data_parallel = 24") && text.contains("nodes = 88"),
        "{text}"
    );
    let text = refused(|l| l.chunks = 2);
    assert!(text.contains("interleaved"), "{text}");
    let text = refused(|l| {
        l.schedule = Schedule::Interleaved;
        l.chunks = 4;
    });
    assert!(text.contains("chunks = 3,"), "{text}");
    let text = refused(|l| {
        l.schedule = Schedule::Interleaved;
        l.chunks = 3;
        l.global_batch = 24 * 175;
    });
    assert!(
        text.contains("groups of 8") && text.contains("4032 or 4224"),
        "{text}"
    );
}

/// As Megatron pads, to a multiple of 128 for each tensor rank: GLM-130B's is one already.
#[test]
fn the_vocabulary_is_padded_for_the_tensor_ranks() {
    let mut config = glm();
    let padded = |config: &Config, tensor_parallel, vocab_multiple| {
        let layout = Layout {
            tensor_parallel,
            vocab_multiple,
            ..published()
        };
        layout.vocabulary(config)
    };
    for tensor in [1, 2, 4, 8] {
        assert_eq!(padded(&config, tensor, VOCAB_MULTIPLE), 150_528);
    }
    config.tokenizer.vocab_size = 150_089;
    assert_eq!(padded(&config, 4, VOCAB_MULTIPLE), 150_528);
    assert_eq!(padded(&config, 4, 1), 150_092);
    published().check(&config, &cluster()).unwrap();
    config.tokenizer.vocab_size = 128_256;
    assert_eq!(padded(&config, 8, VOCAB_MULTIPLE), 129_024);
}

/// What attention's kernels cannot do is refused by name.
#[test]
fn what_cannot_be_combined_is_named() {
    let text = refused(|l| l.context_parallel = 2);
    assert!(text.contains("needs flash_attention"), "{text}");
    let flash = Layout {
        flash_attention: true,
        ..published()
    };
    let glm_warning = &flash.warnings(&glm(), &cluster())[0];
    assert!(glm_warning.contains("prefix"), "{glm_warning}");
    let refused = |config: &Config, gpu: &str| {
        let cluster = Cluster {
            gpu: gpu.to_owned(),
            ..cluster()
        };
        flash.check(config, &cluster).unwrap_err().to_string()
    };
    assert!(refused(&glm(), "v100").contains("A100 or later"));
    let mut config = glm();
    config.precision.format = Format::Fp32;
    assert!(refused(&config, "h100").contains("16 bits"));
    let mut config = glm();
    config.model.num_heads = 32;
    assert!(refused(&config, "h100").contains("heads of 384"));
}

/// Zero and absurd sizes end in an error, not in a panic or a wrapped product.
#[test]
fn zero_and_overflow_are_named() {
    assert!(refused(|l| l.tensor_parallel = 0).contains("`tensor_parallel` is 0"));
    assert!(refused(|l| l.data_parallel = u64::MAX).contains("data_parallel"));
    let text = refused(|l| {
        l.data_parallel = 1 << 40;
        l.micro_batch = 1 << 40;
    });
    assert!(text.contains("micro_batch"), "{text}");
    let huge = Cluster {
        nodes: u64::MAX,
        ..cluster()
    };
    assert!(published().check(&glm(), &huge).is_err());
    let none = Cluster {
        nodes: 0,
        ..cluster()
    };
    assert!(
        published()
            .check(&glm(), &none)
            .unwrap_err()
            .to_string()
            .contains("nodes")
    );
}

/// Tensor parallelism across nodes is slow, not impossible.
#[test]
fn wide_tensor_parallelism_is_a_warning() {
    let layout = Layout {
        tensor_parallel: 16,
        data_parallel: 6,
        ..published()
    };
    layout.check(&glm(), &cluster()).unwrap();
    assert!(layout.warnings(&glm(), &cluster())[0].contains("network"));
}

/// Any stage count the rule allows holds every layer once.
#[test]
fn partitions_hold_every_layer() {
    for layers in 1..=96 {
        for parts in 1..=layers {
            if let Some(split) = partition(layers, parts, false) {
                assert_eq!(split.iter().sum::<u64>(), layers);
                assert!(
                    split.iter().all(|n| *n > 0),
                    "{layers} over {parts}: {split:?}"
                );
            }
        }
    }
}
