use super::config;
use crate::trainer::probes::attention_softmax::measure;
use crate::trainer::probes::planted::Planted;
use burn::backend::{Autodiff, Flex};
use experiments_config::{Config, Format, PbRelaxMax};
use logs::Record;

/// Two heads of four dimensions, 16 slots.
fn planted(score: f64, change: impl Fn(&mut Config)) -> Config {
    config(|c| {
        c.model.num_heads = 2;
        c.model.hidden_size = 8;
        c.model.seq_len = 16;
        c.probe.score = score;
        change(c);
    })
}

fn found(score: f64, change: impl Fn(&mut Config)) -> impl Fn(&str) -> f64 {
    let config = planted(score, change);
    let record: Record = measure::<Autodiff<Flex>>(&config, &Default::default());
    move |name| record.scalar(name).unwrap()
}

fn half(softmax: Format) -> impl Fn(&mut Config) {
    move |c| (c.precision.format, c.precision.softmax) = (Format::Fp16, softmax)
}

/// 65,520 lies half-way between FP16's largest number and what would come next, and ties go to even.
#[test]
fn fp16_loses_scores_from_65520_whatever_the_softmax_computes_in() {
    for softmax in [Format::Fp32, Format::Fp16] {
        let below = found(65_519.996, half(softmax));
        assert_eq!(below("nonfinite_scores"), 0.0);
        assert_eq!(below("nonfinite_probabilities"), 0.0);
        let at = found(65_520.0, half(softmax));
        assert_eq!(at("nonfinite_scores"), 2.0, "one a head");
        // +inf loses its row in head 0; in head 1 it is -inf, which is as good as what it stands for.
        assert_eq!(at("nonfinite_probabilities"), 16.0);
        assert_eq!(at("empty_rows"), 0.0, "they were lost when stored");
        assert!(at("ulp_error").is_infinite() && at("gradient_error").is_infinite());
    }
}

#[test]
fn fp32_and_bf16_hold_a_million() {
    for format in [Format::Fp32, Format::Bf16] {
        let found = found(1e6, |c| {
            (c.precision.format, c.precision.softmax) = (format, format);
        });
        for name in ["nonfinite_scores", "nonfinite_probabilities", "empty_rows"] {
            assert_eq!(found(name), 0.0, "{format:?} {name}");
        }
    }
}

/// Layer scaling divides by the number of layers, PB-Relax by α: so far does the wall move.
#[test]
fn devices_move_the_wall() {
    let layers = |score| {
        found(score, |c| {
            half(Format::Fp32)(c);
            c.model.layers = 4;
            c.precision.query_key_layer_scaling = true;
        })
    };
    assert_eq!(layers(4.0 * 65_519.0)("nonfinite_scores"), 0.0);
    assert_eq!(layers(4.0 * 65_520.0)("nonfinite_scores"), 2.0);
    let relaxed = |score| {
        found(score, |c| {
            half(Format::Fp32)(c);
            c.precision.pb_relax.attention = PbRelaxMax::Row;
        })
    };
    assert_eq!(relaxed(32.0 * 65_519.0)("nonfinite_scores"), 0.0);
    assert_eq!(relaxed(32.0 * 65_519.0)("nonfinite_probabilities"), 0.0);
    assert_eq!(relaxed(32.0 * 65_520.0)("nonfinite_scores"), 2.0);
}

/// The counterexample: with the largest magnitude taken off, or the largest score where signs differ, rows
/// far below become -inf as a whole; with the row's own maximum they cannot.
#[test]
fn only_the_row_maximum_leaves_no_row_empty_in_fp16() {
    let empty = |attention| {
        let found = found(60_000.0, |c| {
            half(Format::Fp32)(c);
            c.precision.pb_relax.attention = attention;
        });
        assert_eq!(found("nonfinite_scores"), 0.0, "{attention:?}");
        let rows = found("nonfinite_probabilities") / 16.0;
        assert_eq!(found("empty_rows"), rows, "{attention:?}");
        rows
    };
    let [row, head, abs] = [PbRelaxMax::Row, PbRelaxMax::Head, PbRelaxMax::AbsMax].map(empty);
    eprintln!("empty rows of 32 at 60,000: row {row}, head {head}, abs_max {abs}");
    assert_eq!(row, 0.0);
    assert!(head > 0.0);
    assert!(
        abs > head,
        "the head without a positive score loses rows only to abs_max"
    );
    let fp32 = found(60_000.0, |c| {
        c.precision.pb_relax.attention = PbRelaxMax::AbsMax;
    });
    assert_eq!(fp32("empty_rows"), 0.0);
}

/// PB-Relax is an identity up to rounding in FP32. Taking off a maximum that is not the row's rounds to that
/// maximum's spacing, so the error in ulp grows with the score for `head` and `abs_max`.
#[test]
fn relaxing_is_an_identity_in_fp32() {
    for score in [1.0, 10.0, 100.0, 1e3, 1e4, 1e6] {
        let of = |attention, alpha| {
            let found = found(score, |c| {
                c.precision.pb_relax.attention = attention;
                c.precision.pb_relax.alpha = alpha;
            });
            [found("ulp_error"), found("gradient_error")]
        };
        let off = of(PbRelaxMax::Off, 32.0);
        eprintln!("score {score:e}: off {off:?}");
        for alpha in [1.0, 8.0, 32.0] {
            let row = of(PbRelaxMax::Row, alpha);
            assert_eq!(
                row, off,
                "powers of two and the row's maximum round nothing"
            );
            for max in [PbRelaxMax::Head, PbRelaxMax::AbsMax] {
                eprintln!("  {max:?} {alpha}: {:?}", of(max, alpha));
            }
        }
        let odd = of(PbRelaxMax::Row, 10.0);
        eprintln!("  row 10: {odd:?}");
        assert!(off[0] < 8.0 && off[1] < 1e-6, "{off:?}");
    }
}

/// The reference is worth as much as the exactness of what it is a reference for.
#[test]
fn planted_scores_are_exact_and_of_the_size_asked_for() {
    for score in [
        1.0 / 32.0,
        0.3,
        1.0,
        100.0,
        65_519.996,
        65_520.0,
        1e6,
        8_388_608.0,
    ] {
        let config = planted(score, |_| {});
        let planted = Planted::new(&config);
        let exact = f64::from(score as f32);
        for (head, scores) in planted.scores.chunks_exact(16 * 16).enumerate() {
            let signed = if head == 0 { exact } else { -exact };
            assert_eq!(scores.iter().filter(|s| **s == signed).count(), 1);
            assert!(
                scores
                    .iter()
                    .all(|s| s.abs() <= exact && f64::from(*s as f32) == *s)
            );
            assert_eq!(scores.iter().any(|s| *s > 0.0), head == 0);
            assert!(scores.iter().any(|s| *s < 0.0));
        }
        // The model stores queries after 1/√d; nothing of either may be lost in 16 bits.
        for value in planted
            .q
            .iter()
            .map(|q| q / 2.0)
            .chain(planted.k.iter().copied())
        {
            for format in [kernels::HalfFormat::Fp16, kernels::HalfFormat::Bf16] {
                let mut stored = [value];
                kernels::round_slice(&mut stored, format);
                assert_eq!(stored[0], value, "{score} {format:?}");
            }
        }
    }
}
