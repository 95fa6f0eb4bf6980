//! The properties on every backend there is, and hand-written gradients against the plain graph.

use super::*;
use crate::{Scoring, cross_entropy, geglu, gelu, masked_attention, masked_softmax, product};
use burn::backend::Autodiff;
use proptest::prelude::*;

/// Every property, on any backend.
fn properties<B: Kernels>(device: &B::Device, rows: usize, width: usize, seed: u64) {
    let mut all = check_rounding::<B>(device, rows * width, seed);
    all.extend(check_gelu::<B>(device, rows, width, seed));
    all.extend(check_layer_norm::<B>(device, [rows, width, 1], seed));
    all.extend(check_geglu::<B>(device, rows, width, seed));
    all.extend(bias::check_bias::<B>(device, [rows, width, 1], seed));
    all.extend(bias::check_bias::<B>(device, [3 * rows, width, 3], seed));
    all.extend(check_cross_entropy::<B>(device, rows, width, seed));
    all.extend(check_softmax::<B>(device, [2, 3, rows, width], seed));
    all.extend(check_product::<B>(device, [rows, width, 9], seed));
    all.extend(codes::check_codes::<B>(device, [rows, width, 9], seed));
    all.extend(codes::check_codes::<B>(device, [3, rows, width], seed));
    all.extend(check_attention::<B>(
        device,
        [2, 3, rows, width, 40],
        1.0,
        seed,
        &FORMATS,
    ));
    for agreement in all {
        assert!(agreement.passed(), "{agreement:?}");
    }
}

/// Of two queries one has the FP16 scores ∞ and 300, the other 300 and 1.
fn a_score_that_overflows_spoils_its_query<B: Kernels>(device: &B::Device) {
    let rounding = Rounding {
        format: HalfFormat::Fp16,
        site: None,
        saturates: true,
    };
    let scoring = Scoring {
        factor: 1.0,
        fill: -1e4,
        scores: Some(rounding.clone()),
        probabilities: Some(rounding),
    };
    let of = |values: [f32; 2]| {
        Tensor::<B, 4>::from_data(TensorData::new(values.to_vec(), [1, 1, 2, 1]), device)
    };
    let mask = TensorData::new(vec![false; 4], [1, 1, 2, 2]);
    let mask = Tensor::<B, 4, Bool>::from_data(mask, device);
    let qkv = [of([300.0, 1.0]), of([300.0, 1.0]), of([2.0, 5.0])];
    for found in masked_attention(qkv, mask, &scoring) {
        let found: Vec<f32> = found.into_data().to_vec().unwrap();
        assert!(found[0].is_nan() && !found[1].is_nan(), "{found:?}");
    }
}

/// The check of counts compares something other than zeros.
#[test]
fn attention_loses_values_in_every_way_but_small_scores() {
    let lost = attention::lost::<Flex>(&Default::default(), 1);
    let [over, _, back_over, back_under, _, p_under, dp_over, _] = lost[..] else {
        panic!("{lost:?}");
    };
    for count in [over, back_over, back_under, p_under, dp_over] {
        assert!(count > 0.0, "{lost:?}");
    }
}

#[test]
fn a_score_that_overflows_spoils_its_query_on_the_cpu() {
    a_score_that_overflows_spoils_its_query::<Flex>(&Default::default());
}

// Of rows of two values a layer norm leaves the signs, and the gradient is what rounding leaves: nothing to compare.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn prop_the_cpu_keeps_to_the_specification(
        rows in 1_usize..9, width in 3_usize..70, seed in any::<u64>(),
    ) {
        properties::<Flex>(&Default::default(), rows, width, seed);
    }
}

#[cfg(feature = "cube")]
const FP16: &[Option<HalfFormat>] = &[Some(HalfFormat::Fp16)];

/// The same properties on a device.
#[cfg(feature = "cube")]
fn keeps_to_the_specification<G: crate::Gpus>(device: &G::Device) {
    for (rows, width, seed) in [(1, 2, 1), (7, 33, 2), (64, 64, 3), (130, 1365, 4)] {
        properties::<G>(device, rows, width, seed);
    }
    // A driver for CPUs takes half a minute to compile attention for another width of heads and format.
    for agreement in check_with::<G>(device, FP16) {
        assert!(agreement.passed(), "{agreement:?}");
    }
    // More rows than an axis of cubes takes.
    for agreement in check_softmax::<G>(device, [1, 300, 300, 3], 6) {
        assert!(agreement.passed(), "{agreement:?}");
    }
    // Gradients of probabilities beyond the range of FP16.
    for agreement in check_attention::<G>(device, [1, 2, 40, 35, 9], 256.0, 7, FP16) {
        assert!(agreement.passed(), "{agreement:?}");
    }
    a_score_that_overflows_spoils_its_query::<G>(device);
    // Terms that are no multiple of a tile's, and both sizes of tile.
    for sizes in [[2, 40, 9], [1, 1, 1], [65, 17, 200], [600, 33, 580]] {
        for agreement in check_product::<G>(device, sizes, 7) {
            assert!(agreement.passed(), "{agreement:?}");
        }
    }
    // No sum depends on the order in which units come.
    let x = Draw(5).many(200 * 77, 3.0);
    let gradients = || {
        let of = |values: &[f32], shape: &[usize]| upload::<G>(values, shape, device);
        let (gamma, x) = (of(&x[..77], &[77]), of(&x, &[200, 77]));
        let all = G::norm_rows_backward(x.clone(), gamma, x, 1e-5);
        download::<G>(all.gamma, 77)
    };
    assert_eq!(gradients(), gradients());
    let attended = || {
        let x = upload::<G>(&x[..2 * 2 * 70 * 40], &[2, 2, 70, 40], device);
        let mask = TensorData::new(vec![false; 2 * 70 * 70], [2, 1, 70, 70]);
        let mask = || Tensor::<G, 4, Bool>::from_data(mask.clone(), device).into_primitive();
        let (qkv, scoring) = ([x.clone(), x.clone(), x.clone()], attention::scoring(None));
        let [y, statistics] = G::masked_attention(qkv.clone(), mask(), &scoring);
        let all = G::masked_attention_backward(qkv, mask(), statistics, y, &scoring);
        all.map(|x| download::<G>(x, 2 * 2 * 70 * 40))
    };
    assert_eq!(attended(), attended());
}

#[cfg(feature = "cuda")]
#[test]
fn cuda_keeps_to_the_specification() {
    use crate::{Cuda, Gpus};
    match Cuda::open(0) {
        Ok(device) => keeps_to_the_specification::<Cuda>(&device),
        Err(problem) => eprintln!("skipped, no CUDA device: {problem}"),
    }
}

/// Not skipped: where there is no card, Mesa's driver computes on the CPU.
#[cfg(feature = "vulkan")]
mod vulkan {
    use super::*;
    use crate::{Gpus, Vulkan};

    #[test]
    fn vulkan_keeps_to_the_specification() {
        keeps_to_the_specification::<Vulkan>(&Vulkan::open(0).unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn prop_vulkan_keeps_to_the_specification(
            rows in 1_usize..9, width in 3_usize..70, seed in any::<u64>(),
        ) {
            properties::<Vulkan>(&Vulkan::open(0).unwrap(), rows, width, seed);
        }
    }

    /// Every exponent, and around each halfway point; bit for bit, the sign of zero too.
    #[test]
    fn rounding_by_integers_is_the_formats_own() {
        let mut values = Vec::new();
        for exponent in 0..=255_u32 {
            for fraction in (0..1 << 13).map(|i| (i * 1021) & 0x7f_ffff) {
                values.push(f32::from_bits(exponent << 23 | fraction));
            }
            for fraction in [
                0xfff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x7fff, 0x8000, 0x8001, 0x1_8000,
            ] {
                values.push(-f32::from_bits(exponent << 23 | fraction));
            }
        }
        let device = Vulkan::open(0).unwrap();
        for format in [HalfFormat::Fp16, HalfFormat::Bf16] {
            let mut expected = values.clone();
            round_slice(&mut expected, format);
            let (found, _) =
                Vulkan::round(upload::<Vulkan>(&values, &[values.len()], &device), format);
            let found = download::<Vulkan>(found, values.len());
            for ((x, found), expected) in values.iter().zip(&found).zip(&expected) {
                let same =
                    found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
                assert!(same, "{format:?}: {x:e} became {found:e}, not {expected:e}");
            }
        }
    }

    /// More than any device has; in a process of its own, since what has failed stays so.
    #[test]
    #[ignore = "run by the test below"]
    fn too_large_an_array_fails() {
        let device = Vulkan::open(0).unwrap();
        let failed = crate::unless_a_device_fails(|| {
            let x = Tensor::<Vulkan, 1>::zeros([1_usize << 44], &device);
            crate::bus::read((x + 1.0).narrow(0, 0, 1))
        });
        println!("said: {}", failed.unwrap_err());
    }

    /// No word of a panic reaches the user.
    #[test]
    fn a_device_that_fails_is_an_error() {
        let own = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--nocapture", "too_large_an_array_fails"])
            .output()
            .unwrap();
        let [out, err] = [own.stdout, own.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(own.status.success(), "{out}{err}");
        assert!(
            out.contains("said: ") && !err.contains("panicked"),
            "{out}{err}"
        );
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_with_those_that_are() {
        let problem = Vulkan::open(1000).unwrap_err();
        assert!(problem.contains("`vulkan:0` is "), "{problem}");
        let device = Vulkan::open(0).unwrap();
        assert_eq!(Vulkan::abilities(&device).lacking, Vec::<String>::new());
        assert!(Vulkan::list().unwrap()[0].memory > 0);
    }
}

type Graph = Autodiff<Flex>;

/// Largest distance between the slopes of `f` and those of `g`, both summed with fixed weights.
fn slopes<const D: usize>(
    shape: [usize; D],
    f: impl Fn(Tensor<Graph, D>) -> Tensor<Graph, 1>,
    g: impl Fn(Tensor<Graph, D>) -> Tensor<Graph, 1>,
) -> f64 {
    let len = shape.iter().product();
    let values = Draw(11).many(len, 3.0);
    let slope = |function: &dyn Fn(Tensor<Graph, D>) -> Tensor<Graph, 1>| {
        let data = TensorData::new(values.clone(), shape);
        let x = Tensor::<Graph, D>::from_data(data, &Default::default()).require_grad();
        let y = function(x.clone());
        let weights = TensorData::new(Draw(12).many(y.dims()[0], 1.0), y.dims());
        let weights = Tensor::from_data(weights, &Default::default());
        let grads = (y * weights).sum().backward();
        x.grad(&grads).unwrap().into_data().to_vec::<f32>().unwrap()
    };
    distance(&slope(&f), &slope(&g))
}

/// The graph of hand-written backward passes against the graph of plain operations.
#[test]
fn gradients_are_those_of_the_plain_graph() {
    let flat = |x: Tensor<Graph, 2>| {
        let len = x.dims().iter().product::<usize>();
        x.reshape([len])
    };
    let apart = slopes(
        [5, 14],
        |up| flat(geglu(up, None)),
        |up| flat(up.clone().narrow(1, 0, 7) * gelu(up.narrow(1, 7, 7))),
    );
    assert!(apart < REORDERED, "GeGLU {apart}");

    let tokens = || {
        let tokens = TensorData::from([1_i64, 8, 0, 3]);
        Tensor::<Graph, 1, Int>::from_data(tokens, &Default::default())
    };
    let apart = slopes(
        [4, 9],
        |x| Tensor::cat(cross_entropy(x, tokens()).to_vec(), 0),
        |x| {
            let log_p = burn::tensor::activation::log_softmax(x.clone(), 1);
            let index = tokens().reshape([4, 1]);
            let loss: Tensor<Graph, 1> = log_p.gather(1, index.clone()).neg().reshape([4]);
            let z = x.gather(1, index).reshape([4]) + loss.clone();
            Tensor::cat(vec![loss, z], 0)
        },
    );
    assert!(apart < REORDERED, "cross-entropy {apart}");

    let mask = || {
        let mask: Vec<bool> = (0..2 * 3 * 5).map(|i| i % 4 == 1).collect();
        let mask = TensorData::new(mask, [2, 1, 3, 5]);
        Tensor::<Graph, 4, Bool>::from_data(mask, &Default::default())
    };
    let apart = slopes(
        [2, 2, 3, 5],
        |x| masked_softmax(x, mask(), -1e4).reshape([60]),
        |x| burn::tensor::activation::softmax(x.mask_fill(mask(), -1e4), 3).reshape([60]),
    );
    assert!(apart < REORDERED, "softmax {apart}");

    let scoring = Scoring {
        factor: 2.0,
        fill: -1e4,
        scores: None,
        probabilities: None,
    };
    let apart = slopes(
        [2, 2, 3, 5],
        |x| {
            let forbidden = mask().narrow(3, 0, 3);
            let [y, _] =
                masked_attention([x.clone(), x.clone().sin(), x.cos()], forbidden, &scoring);
            y.reshape([60])
        },
        |x| {
            let scores = x.clone().matmul(x.clone().sin().swap_dims(2, 3)) * 2.0;
            let p = masked_softmax(scores, mask().narrow(3, 0, 3), -1e4);
            p.matmul(x.cos()).reshape([60])
        },
    );
    assert!(apart < REORDERED, "attention {apart}");

    // Both operands depend on x, so both gradients of the product are in its slope.
    let apart = slopes(
        [4, 6],
        |x| flat(product(x.clone(), x.transpose(), Some(HalfFormat::Fp16))),
        |x| flat(x.clone().matmul(x.transpose())),
    );
    assert!(apart < REORDERED, "product {apart}");
}

/// A part of three rows and one of one; both operands depend on x.
#[test]
fn a_projection_in_parts_has_the_gradients_of_the_whole() {
    for logits in [None, Some(HalfFormat::Bf16)] {
        let rounding = logits.map(|format| Rounding {
            format,
            site: None,
            saturates: false,
        });
        let projection = crate::Projection {
            logits: rounding.clone(),
            rows: 3,
        };
        let operands = |x: Tensor<Graph, 2>| (x.clone(), x.narrow(0, 0, 3) * 0.5);
        let tokens = || {
            let tokens = TensorData::from([1_i64, 2, 0, 1]);
            Tensor::<Graph, 1, Int>::from_data(tokens, &Default::default())
        };
        let apart = slopes(
            [4, 6],
            |x| {
                let (y, w) = operands(x);
                let both = crate::projected_entropy(y, w, tokens(), &projection);
                Tensor::cat(both.to_vec(), 0)
            },
            |x| {
                let (y, w) = operands(x);
                let mut x = product(y, w.transpose(), logits);
                if let Some(rounding) = &rounding {
                    x = crate::gate(x, &crate::Gate::round(rounding.clone()));
                }
                Tensor::cat(cross_entropy(x, tokens()).to_vec(), 0)
            },
        );
        assert!(apart < REORDERED, "projection {logits:?} {apart}");
    }
}
