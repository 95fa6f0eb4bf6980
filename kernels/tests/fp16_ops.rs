//! The emulation "compute in FP32, round once" against PyTorch's own half-precision operations.
//!
//! `golden/fp16-ops.safetensors` holds what PyTorch's CPU kernels gave (written by
//! `tests/parity/fp16_ops.py`, which names the version and every tensor). Casts and + − × ÷ √ must
//! have equal bits; exp, erf, tanh and GELU may differ by one unit in the last place; sums of
//! products by what another order of accumulation may change.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(
    clippy::print_stdout,
    reason = "the share of differences is shown with `--nocapture`"
)]

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData, activation};
use half::f16;
use kernels::{HalfFormat, round_slice};
use safetensors::SafeTensors;
use std::path::PathBuf;

/// One golden tensor: its shape and its raw elements.
struct Golden {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Golden {
    fn bits16(&self) -> Vec<u16> {
        let pairs = self.bytes.as_chunks::<2>().0;
        pairs.iter().map(|b| u16::from_le_bytes(*b)).collect()
    }

    /// FP16 numbers, widened.
    fn halves(&self) -> Vec<f32> {
        let bits = self.bits16();
        bits.iter().map(|b| f16::from_bits(*b).to_f32()).collect()
    }

    fn words(&self) -> Vec<f32> {
        let words = self.bytes.as_chunks::<4>().0;
        words.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn tensor<const D: usize>(&self) -> Tensor<Flex, D> {
        let data = TensorData::new(self.halves(), self.shape.clone());
        Tensor::from_data(data, &Default::default())
    }
}

fn golden(name: &str) -> Golden {
    try_golden(name).unwrap_or_else(|| panic!("the golden file lacks {name}"))
}

fn try_golden(name: &str) -> Option<Golden> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fp16-ops.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).ok()?;
    Some(Golden {
        shape: tensor.shape().to_vec(),
        bytes: tensor.data().to_vec(),
    })
}

fn host<const D: usize>(x: Tensor<Flex, D>) -> Vec<f32> {
    x.into_data().to_vec().unwrap()
}

/// The emulation's rounding, as FP16 bits.
fn rounded(mut values: Vec<f32>) -> Vec<u16> {
    round_slice(&mut values, HalfFormat::Fp16);
    let bits = |value: &f32| {
        let half = f16::from_f32(*value);
        assert!(
            value.is_nan() || half.to_f32() == *value,
            "not an FP16 number"
        );
        half.to_bits()
    };
    values.iter().map(bits).collect()
}

/// Distance in units in the last place; numbers of both signs on one line, NaN equal to NaN.
fn ulps(a: u16, b: u16) -> u32 {
    let (x, y) = (f16::from_bits(a), f16::from_bits(b));
    if x.is_nan() || y.is_nan() {
        return if x.is_nan() && y.is_nan() {
            0
        } else {
            u32::MAX
        };
    }
    let line = |bits: u16| {
        let magnitude = i32::from(bits & 0x7fff);
        if bits & 0x8000 == 0 {
            magnitude
        } else {
            -magnitude
        }
    };
    line(a).abs_diff(line(b))
}

/// Requires every difference to be within `allowed`; returns the share that differ at all.
fn compare(what: &str, ours: &[u16], theirs: &[u16], allowed: u32) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let mut different = 0;
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let distance = ulps(*a, *b);
        let (x, y) = (f16::from_bits(*a), f16::from_bits(*b));
        assert!(distance <= allowed, "{what}[{i}]: {x} against {y}");
        different += u32::from(distance > 0);
    }
    let share = f64::from(different) / ours.len() as f64;
    println!(
        "{what}: {:.4} % differ, all within {allowed} ulp",
        100.0 * share
    );
    share
}

#[test]
fn casts_have_equal_bits() {
    let input = golden("cast.input").words();
    compare(
        "to FP16",
        &rounded(input.clone()),
        &golden("cast.f16").bits16(),
        0,
    );
    let mut ours = input;
    round_slice(&mut ours, HalfFormat::Bf16);
    for (ours, theirs) in ours.iter().zip(golden("cast.bf16").bits16()) {
        let theirs = f32::from_bits(u32::from(theirs) << 16);
        assert!(
            *ours == theirs || (ours.is_nan() && theirs.is_nan()),
            "{ours} against {theirs}"
        );
    }
}

#[test]
fn arithmetic_and_square_root_have_equal_bits() {
    let (a, b) = (golden("binary.a"), golden("binary.b"));
    let pair = || (a.tensor::<1>(), b.tensor::<1>());
    let results = [
        ("binary.add", pair().0 + pair().1),
        ("binary.sub", pair().0 - pair().1),
        ("binary.mul", pair().0 * pair().1),
        ("binary.div", pair().0 / pair().1),
    ];
    for (name, result) in results {
        compare(name, &rounded(host(result)), &golden(name).bits16(), 0);
    }
    let root = every_half().sqrt();
    compare(
        "sqrt",
        &rounded(host(root)),
        &golden("unary.sqrt").bits16(),
        0,
    );
}

/// All 65,536 FP16 numbers.
fn every_half() -> Tensor<Flex, 1> {
    let values: Vec<f32> = (0..=u16::MAX).map(|b| f16::from_bits(b).to_f32()).collect();
    Tensor::from_data(TensorData::new(values, [65_536]), &Default::default())
}

#[test]
fn functions_are_within_one_unit_in_the_last_place() {
    let results = [
        ("unary.exp", every_half().exp()),
        ("unary.erf", every_half().erf()),
        ("unary.tanh", every_half().tanh()),
        ("unary.gelu", kernels::gelu(every_half())),
    ];
    for (name, result) in results {
        let share = compare(name, &rounded(host(result)), &golden(name).bits16(), 1);
        assert!(share < 0.01, "{name}: {share} differ");
    }
}

#[test]
fn softmax_and_layer_norm_are_within_one_unit_in_the_last_place() {
    for i in 0..4 {
        let input = golden(&format!("softmax.{i}.input"));
        let result = activation::softmax(input.tensor::<2>(), 1);
        let name = format!("softmax.{i}.output");
        compare(&name, &rounded(host(result)), &golden(&name).bits16(), 1);

        let part = |part: &str| golden(&format!("layer_norm.{i}.{part}"));
        let vector = |part: &str| -> Tensor<Flex, 1> {
            let values = golden(&format!("layer_norm.{i}.{part}"));
            let data = TensorData::new(values.words(), values.shape.clone());
            Tensor::from_data(data, &Default::default())
        };
        let x = part("input").tensor::<2>();
        let y = kernels::layer_norm(x, vector("weight"), vector("bias"), 1e-5);
        let name = format!("layer_norm.{i}.output");
        compare(&name, &rounded(host(y)), &part("output").bits16(), 1);
    }
}

/// FP32 sums of `k` terms in another order differ by at most `2 k ε Σ|terms|` (Higham, Accuracy and
/// Stability of Numerical Algorithms, §4.2); after one rounding each, half a unit more on both sides.
fn within_order_bound(what: &str, ours: &[f32], theirs: &[f32], magnitudes: &[f32], k: usize) {
    let mut different = 0;
    for ((a, b), sum) in ours.iter().zip(theirs).zip(magnitudes) {
        let spacing = 2.0_f32.powi(-10) * a.abs().max(b.abs()).max(2.0_f32.powi(-14));
        let bound = 2.0 * k as f32 * f32::EPSILON * sum + spacing;
        assert!(a == b || (a - b).abs() <= bound, "{what}: {a} against {b}");
        different += usize::from(a != b);
    }
    let share = 100.0 * different as f64 / ours.len() as f64;
    println!("{what}: {share:.4} % differ, all within the order bound");
}

#[test]
fn sums_and_matrix_products_are_within_the_accumulation_order_bound() {
    let mut cases = 0;
    while let Some(a) = try_golden(&format!("matmul.{cases}.a")) {
        let b = golden(&format!("matmul.{cases}.b"));
        let name = format!("matmul.{cases}.output");
        let mut ours = host(a.tensor::<2>().matmul(b.tensor::<2>()));
        round_slice(&mut ours, HalfFormat::Fp16);
        let magnitudes = host(a.tensor::<2>().abs().matmul(b.tensor::<2>().abs()));
        let theirs = golden(&name).halves();
        within_order_bound(&name, &ours, &theirs, &magnitudes, a.shape[1]);
        cases += 1;
    }
    assert!(cases >= 4, "several shapes of matrix products");
    let mut cases = 0;
    while let Some(input) = try_golden(&format!("sum.{cases}.input")) {
        let name = format!("sum.{cases}.output");
        let mut ours = host(input.tensor::<2>().sum_dim(1));
        round_slice(&mut ours, HalfFormat::Fp16);
        let magnitudes = host(input.tensor::<2>().abs().sum_dim(1));
        let theirs = golden(&name).halves();
        within_order_bound(&name, &ours, &theirs, &magnitudes, input.shape[1]);
        cases += 1;
    }
    assert!(cases >= 4, "several widths of sums");
}
