//! Cases that random ones would seldom meet.

use super::*;

/// A loss that is a number, and a backward pass that is not: both passes overflow at the same place into
/// the same gradients, with any number of threads.
#[test]
fn gradients_that_overflow_do_so_in_both_passes() {
    let case = Case {
        norm: Norm::Sandwich,
        positions: Positions::Rope,
        ffn: Ffn::Geglu,
        switches: [false; 8],
        dropout: [0.0, 0.4],
        relax: (PbRelaxMax::Off, true, 32.0),
        softmax_half: false,
        heads: 1,
        half: 6,
        seq_len: 30,
        sequences: 1,
        segments: 1,
        seed: 12_626_133_476_266_512_320,
    };
    let (pass, range) = case.run(Format::Fp16, KernelChoice::Fused);
    let overflow = "layers.0.attention.probabilities (backward)";
    assert_eq!(range.first_overflow.as_deref(), Some(overflow));
    assert!(pass.gradients.flat.iter().any(|g| g.is_nan()));
    assert!(range.largest_gradient >= 65_520.0);
    check(&case, Format::Fp16, 3e-3).unwrap();
    let [one, three] = [1, 3].map(|threads| gradient_bits(&case, Format::Fp16, threads));
    assert_eq!(one, three);

    let saturated = Case {
        switches: [false, false, false, false, false, false, false, true],
        ..case
    };
    let (pass, saturated_range) = saturated.run(Format::Fp16, KernelChoice::Fused);
    assert_eq!(saturated_range.first_overflow.as_deref(), Some(overflow));
    assert!(pass.gradients.flat.iter().all(|g| g.is_finite()));
    check(&saturated, Format::Fp16, 3e-3).unwrap();
}

/// The gradient of a head in FP32 is rounded nowhere, so a loss scale of another power of two changes nothing
/// but its exponents, however little FP16 holds of it. An FP16 head overflows.
#[test]
fn an_fp32_head_is_exactly_linear_in_the_loss_scale() {
    for (kernels, tied) in [KernelChoice::Fused, KernelChoice::Plain]
        .into_iter()
        .flat_map(|kernels| [(kernels, true), (kernels, false)])
    {
        let head = |fp32_head, scale| {
            let case = Case {
                switches: [tied, true, false, false, false, true, fp32_head, false],
                ..plain_case()
            };
            let (pass, _) = case.run_scaled(Format::Fp16, kernels, 1.0, scale);
            let table = case.parameters(&case.config(Format::Fp16, kernels));
            match pass.gradients.paths {
                Some(paths) => paths.logit.to_vec(),
                None => pass.gradients.flat[table.table()[table.find("head.weight").unwrap()]
                    .range
                    .clone()]
                .to_vec(),
            }
        };
        let (low, high) = (head(true, 64.0), head(true, 2_f64.powi(30)));
        assert!(
            low.iter()
                .zip(&high)
                .all(|(low, high)| low * 2_f32.powi(24) == *high)
        );
        let mut stored = low.clone();
        round_slice(&mut stored, HalfFormat::Fp16);
        assert_ne!(low, stored, "{kernels:?}");
        assert!(!head(false, 2_f64.powi(30)).iter().all(|g| g.is_finite()));
    }
}

fn plain_case() -> Case {
    Case {
        norm: Norm::DeepnormGlm,
        positions: Positions::Rope,
        ffn: Ffn::Geglu,
        switches: [false; 8],
        dropout: [0.0; 2],
        relax: (PbRelaxMax::Off, false, 32.0),
        softmax_half: false,
        heads: 2,
        half: 4,
        seq_len: 30,
        sequences: 2,
        segments: 1,
        seed: 5,
    }
}

/// Memory is used again as it is, so a pass that reads what it has not written reads an earlier pass. With
/// NaN in every new buffer it cannot go unseen.
#[test]
fn buffers_of_a_pass_hold_nan_until_they_are_written() {
    let case = Case {
        norm: Norm::Sandwich,
        positions: Positions::Learned,
        ffn: Ffn::Geglu,
        switches: [true; 8],
        dropout: [0.1, 0.1],
        relax: (PbRelaxMax::Head, true, 32.0),
        softmax_half: true,
        heads: 2,
        half: 4,
        seq_len: 30,
        sequences: 3,
        segments: 2,
        seed: 1,
    };
    let (pass, _) = case.run(Format::Fp16, KernelChoice::Fused);
    assert!(pass.gradients.flat.iter().all(|g| g.is_finite()));
    drop(pass);
    assert!(kernels::Buffer::new(1000).iter().all(|x| x.is_nan()));
}
