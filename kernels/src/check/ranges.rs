//! Flat arrays of many parameters against what the CPU makes of them.

use super::{Agreement, Draw, REORDERED, distance, download, upload};
use crate::slices::AdamW;
use crate::{
    AdamWState, AdamWStep, HalfFormat, Kernels, RangeCount, RangeRounding, Ranges, Summary, ranges,
};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Int, Tensor};
use burn_flex::Flex;

/// Ranges of odd lengths, from one element to several pieces.
const LENS: [usize; 7] = [1, 3, 4096, 4097, 130, 40_000, 17];

const LEN: usize = {
    let (mut sum, mut i) = (0, 0);
    while i < LENS.len() {
        sum += LENS[i];
        i += 1;
    }
    sum
};

/// An array over the ranges, on both sides.
struct Case<'a, B: Kernels> {
    device: &'a B::Device,
    ranges: Ranges,
    draw: Draw,
}

impl<B: Kernels> Case<'_, B> {
    fn there(&self, values: &[f32]) -> FloatTensor<B> {
        upload::<B>(values, &[values.len()], self.device)
    }
}

fn agreement(operation: &'static str, error: f64, allowed: f64) -> Agreement {
    Agreement {
        operation,
        shape: vec![LEN],
        error,
        allowed,
    }
}

fn here(values: &[f32]) -> FloatTensor<Flex> {
    upload::<Flex>(values, &[values.len()], &Default::default())
}

/// What the optimiser and the norms of a step are made of.
pub(crate) fn check_ranges<B: Kernels>(device: &B::Device, seed: u64) -> Vec<Agreement> {
    let mut case = Case::<B> {
        device,
        ranges: Ranges::new(LENS),
        draw: Draw(seed),
    };
    let mut all = check_summaries(&mut case);
    all.push(check_sequences(&case));
    all.push(check_scaling(&mut case));
    for (operation, format, saturates) in [
        ("round ranges to fp16", HalfFormat::Fp16, false),
        ("round ranges to bf16", HalfFormat::Bf16, false),
        ("round ranges to fp16, saturating", HalfFormat::Fp16, true),
    ] {
        all.push(check_rounding(&mut case, operation, format, saturates));
    }
    for (operation, update_clipping) in [("AdamW", false), ("AdamW, update clipping", true)] {
        all.extend(check_adamw(&mut case, operation, update_clipping));
    }
    all
}

/// Numbers whose squares FP32 has not, and what is not finite.
fn check_summaries<B: Kernels>(case: &mut Case<B>) -> Vec<Agreement> {
    let mut cases = Vec::new();
    for factor in [1.0, 1e25, 1e-25] {
        let mut x = case.draw.many(LEN, factor);
        cases.push(x.clone());
        x[LEN - 5] = f32::NEG_INFINITY;
        cases.push(x.clone());
        x[10] = f32::NAN;
        cases.push(x);
    }
    cases.push(vec![0.0; LEN]);
    let check = |x: Vec<f32>| {
        let found = B::summarise(case.there(&x), &case.ranges);
        let found = Summary::all(&download::<B>(found, LENS.len() * Summary::WIDTH));
        let of = |summary: &Summary| [summary.largest, summary.magnitude];
        let expected: Vec<_> = case
            .ranges
            .iter()
            .map(|range| Summary::of(&x[range]))
            .collect();
        let exact = distance(
            &found.iter().flat_map(of).collect::<Vec<_>>(),
            &expected.iter().flat_map(of).collect::<Vec<_>>(),
        );
        let both = found.iter().zip(&expected);
        let apart = both.map(|(ours, theirs)| {
            let (ours, theirs) = (ours.squares(), theirs.squares());
            let same = ours == theirs || (ours.is_nan() && theirs.is_nan());
            if same {
                0.0
            } else {
                (ours / theirs - 1.0).abs()
            }
        });
        let squares = apart.fold(0.0, |most: f64, error| {
            if error > most || error.is_nan() {
                error
            } else {
                most
            }
        });
        [
            agreement("largest values", exact, 0.0),
            agreement("sums of squares", squares, REORDERED),
        ]
    };
    cases.into_iter().flat_map(check).collect()
}

/// Sequences of every kind.
fn check_sequences<B: Kernels>(case: &Case<B>) -> Agreement {
    let ids: Vec<i32> = (0..1_001).collect();
    let sequences = [
        ids.clone(),
        ids.iter().map(|i| i / 100 - 3).collect(),
        ids.iter().map(|i| i * 7919 % 50_000).collect(),
        ids.iter().map(|i| i * 79_199 % 150_000 - 9).collect(),
    ];
    let read = |x: Tensor<B, 1, Int>| x.into_data().to_vec::<i32>().unwrap_or_default();
    let found = crate::bus::send_sequences::<B>(&sequences, case.device);
    let same = found.into_iter().map(read).eq(sequences);
    agreement("sequences", if same { 0.0 } else { f64::NAN }, 0.0)
}

/// Fewer factors than ranges, as for several runs side by side.
fn check_scaling<B: Kernels>(case: &mut Case<B>) -> Agreement {
    let (x, factors) = (case.draw.many(LEN, 1.0), [0.5, 1e-3, 3.0]);
    let found = B::scale_ranges(case.there(&x), &case.ranges, &factors);
    let expected = ranges::scale::<Flex>(here(&x), &case.ranges, &factors);
    let (found, expected) = (download::<B>(found, LEN), download::<Flex>(expected, LEN));
    agreement("scaled ranges", distance(&found, &expected), 0.0)
}

/// Values and all counts are the same.
fn check_rounding<B: Kernels>(
    case: &mut Case<B>,
    operation: &'static str,
    format: HalfFormat,
    saturates: bool,
) -> Agreement {
    let sizes = [1.0, 1e-7, 9e4, 1e-3, 3.4e38];
    let x = (0..LEN).map(|i| case.draw.one() * sizes[i % sizes.len()]);
    let x: Vec<f32> = x.collect();
    let rounding = RangeRounding {
        format,
        saturates,
        chosen: (0..LENS.len()).map(|i| i % 3 != 1).collect(),
    };
    let width = LENS.len() * ranges::COUNT_WIDTH;
    let found = B::round_ranges(case.there(&x), &case.ranges, &rounding);
    let [values, counts] = found;
    let (values, counts) = (download::<B>(values, x.len()), download::<B>(counts, width));
    let [expected, lost] = ranges::round::<Flex>(here(&x), &case.ranges, &rounding);
    let (expected, lost) = (
        download::<Flex>(expected, x.len()),
        download::<Flex>(lost, width),
    );
    let same = values == expected && RangeCount::all(&counts) == RangeCount::all(&lost);
    agreement(operation, if same { 0.0 } else { f64::NAN }, 0.0)
}

/// A state that is not new, with a parameter that does not decay, one without a gradient and one that stays as it is.
fn check_adamw<B: Kernels>(
    case: &mut Case<B>,
    operation: &'static str,
    update_clipping: bool,
) -> Vec<Agreement> {
    let constants = |range: usize| AdamW {
        lr: 1e-2 / (range + 1) as f32,
        beta1: 0.9,
        beta2: 0.95,
        eps: if range == 1 { 0.0 } else { 1e-8 },
        decay: if range == 2 { 0.0 } else { 0.1 },
        correction1: 0.271,
        correction2: 0.142_625,
    };
    let step = AdamWStep {
        ranges: (0..LENS.len())
            .map(|i| (i != 4).then(|| (constants(i), 0.5 + i as f32)))
            .collect(),
        update_clipping,
    };
    let mut gradient = case.draw.many(LEN, 3.0);
    gradient[1..4].fill(0.0);
    let weights = case.draw.many(LEN, 1.0);
    let mut first = case.draw.many(LEN, 0.1);
    let mut second: Vec<f32> = case.draw.many(LEN, 0.1).iter().map(|v| v * v).collect();
    first[1..4].fill(0.0);
    second[1..4].fill(0.0);
    let state = AdamWState {
        weights: case.there(&weights),
        first: case.there(&first),
        second: case.there(&second),
    };
    let found = B::adamw(state, case.there(&gradient), &case.ranges, &step);
    let state = AdamWState {
        weights: here(&weights),
        first: here(&first),
        second: here(&second),
    };
    let expected = ranges::adamw::<Flex>(state, here(&gradient), &case.ranges, &step);
    let mut error = 0.0_f64;
    let pairs = [
        (found.0.weights, expected.0.weights),
        (found.0.first, expected.0.first),
        (found.0.second, expected.0.second),
    ];
    for (found, expected) in pairs {
        let apart = distance(&download::<B>(found, LEN), &download::<Flex>(expected, LEN));
        error = if apart.is_nan() {
            apart
        } else {
            error.max(apart)
        };
    }
    let width = LENS.len() * AdamWStep::WIDTH;
    let sums = distance(
        &download::<B>(found.1, width),
        &download::<Flex>(expected.1, width),
    );
    vec![
        agreement(operation, error, REORDERED),
        agreement("sums of an update", sums, REORDERED),
    ]
}
