use super::*;
use crate::hardware::gpu;
use crate::published::published_layout as published;
use crate::{Recompute, Schedule};
use experiments_config::{Override, load_preset};

const GIB: f64 = 1_073_741_824.0;

fn glm(sets: &[&str]) -> Config {
    let sets: Vec<Override> = sets.iter().map(|set| set.parse().unwrap()).collect();
    load_preset("glm-130b", &sets).unwrap()
}

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found / expected - 1.0).abs() <= tolerance,
        "{found} for {expected}"
    );
}

/// The published run happened, so it must fit; and the facts' derived sums (15.0 GiB of weights
/// and gradients, 1.9 GiB of optimiser state, an average that counts the tied matrix once).
#[test]
fn the_published_layout_fits_an_a100_40g() {
    let estimate = estimate(&glm(&[]), &published(), gpu("a100-40g").unwrap()).unwrap();
    assert!(estimate.fits);
    for stage in &estimate.stages {
        near((stage.weights + stage.gradients) as f64, 15.0 * GIB, 0.02);
        near(stage.optimizer as f64, 1.9 * GIB, 0.02);
    }
    let flight: Vec<_> = estimate
        .stages
        .iter()
        .map(|stage| stage.in_flight)
        .collect();
    assert_eq!(flight, [8, 7, 6, 5, 4, 3, 2, 1]);
    let largest = |stage: &StageMemory| stage.phases.iter().map(|p| p.bytes).max();
    assert!(
        estimate
            .stages
            .iter()
            .all(|s| largest(s) == Some(s.peak_bytes))
    );
}

/// Korthikanti et al., arXiv 2205.05198 table 2, for a GPT layer: the list of tensors must give
/// their closed forms.
#[test]
fn a_gpt_layer_keeps_what_the_paper_says() {
    let sets = [
        "model.ffn=gelu",
        "model.ffn_hidden_size=49152",
        "model.norm=pre",
    ];
    let config = glm(&sets);
    let (s, h, a) = (2048.0, 12_288.0, 96.0);
    for t in [1_u64, 4, 8] {
        let sum = |sequence_parallel, core| -> f64 {
            let layout = Layout {
                tensor_parallel: t,
                sequence_parallel,
                ..published()
            };
            let tensors = layer_tensors(&config, &layout);
            let kept = tensors.iter().filter(|tensor| core || !tensor.core);
            kept.map(|tensor| tensor.bytes).sum()
        };
        let ranks = t as f64;
        near(
            sum(false, true),
            s * h * (10.0 + 24.0 / ranks + 5.0 * a * s / (h * ranks)),
            1e-12,
        );
        near(sum(false, false), s * h * (10.0 + 24.0 / ranks), 1e-12);
        near(sum(true, false), s * h * 34.0 / ranks, 1e-12);
    }
}

/// A GLU of the same number of parameters keeps more: both halves, GELU's output, the product.
#[test]
fn a_gated_feed_forward_keeps_four_inner_tensors() {
    let config = glm(&["model.attention_dropout=0.0", "model.dropout=0.0"]);
    let layout = Layout {
        tensor_parallel: 1,
        ..published()
    };
    let tensors = layer_tensors(&config, &layout);
    let wide: f64 = tensors.iter().filter(|t| !t.core).map(|t| t.bytes).sum();
    // Norms 2, QKV input 1, q k v 3, attention output 1, feed-forward input 1 = 8 streams; 4 inner.
    near(
        wide,
        2.0 * 2048.0 * (8.0 * 12_288.0 + 4.0 * 32_768.0),
        1e-12,
    );
}

/// The order that the three choices of recomputation must have.
#[test]
fn more_recomputation_keeps_less() {
    let peak = |recompute| {
        let layout = Layout {
            recompute,
            ..published()
        };
        let estimate = estimate(&glm(&[]), &layout, gpu("h200").unwrap()).unwrap();
        estimate.peak_bytes
    };
    assert!(peak(Recompute::None) > peak(Recompute::Selective));
    assert!(peak(Recompute::Selective) > peak(Recompute::Full));
}

/// `GPipe` holds every micro-batch, interleaving somewhat more than 1F1B (arXiv 2205.05198 §4.2.3:
/// `1 + (p-1)/(pv)` on the first stage).
#[test]
fn schedules_differ_in_what_is_in_flight() {
    let first = |schedule, chunks| {
        let layout = Layout {
            schedule,
            chunks,
            ..published()
        };
        let estimate = estimate(&glm(&[]), &layout, gpu("h200").unwrap()).unwrap();
        (
            estimate.stages[0].in_flight,
            estimate.stages[1].activations as f64,
        )
    };
    assert_eq!(first(Schedule::Gpipe, 1).0, 176);
    let (chunks, _) = first(Schedule::Interleaved, 3);
    near(chunks as f64 / 3.0, 8.0 * (1.0 + 7.0 / 24.0), 1e-12);
}

/// Absurd sequences are an error, not a wrapped number.
#[test]
fn absurd_sizes_are_refused() {
    let mut config = glm(&[]);
    config.model.seq_len = 1 << 40;
    let error = estimate(&config, &published(), gpu("h200").unwrap()).unwrap_err();
    assert!(error.to_string().contains("exbibyte"), "{error}");
}
