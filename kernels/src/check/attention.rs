//! Attention, held to its specification.

use super::{Agreement, Both, Draw, REORDERED, distance, download, on_cpu, upload};
use crate::attention::{Scoring, plain, plain_backward};
use crate::ranges::COUNT_WIDTH;
use crate::{HalfFormat, Kernels, Place, RangeCount, RangeSite, Rounding, Tally};
use burn::tensor::backend::Backend;
use burn::tensor::ops::{BoolTensor, FloatTensor};
use burn::tensor::{Bool, Tensor, TensorData, TensorPrimitive};
use burn_flex::Flex;
use std::sync::Arc;

/// Sequences, heads, queries, keys, and elements of a head.
pub(crate) type AttentionShape = [usize; 5];

/// Names of the results in a format, and how far they may be off: probabilities differ in their last bits, and near a
/// tie that is one grain of the format.
struct Case {
    format: Option<HalfFormat>,
    /// Of the output, its largest scores, and the gradients of query, key and value.
    names: [&'static str; 5],
    allowed: f64,
}

const CASES: [Case; 3] = [
    Case {
        format: None,
        names: [
            "attention",
            "attention, largest score",
            "attention, dq",
            "attention, dk",
            "attention, dv",
        ],
        allowed: REORDERED,
    },
    Case {
        format: Some(HalfFormat::Fp16),
        names: [
            "attention fp16",
            "attention fp16, largest score",
            "attention fp16, dq",
            "attention fp16, dk",
            "attention fp16, dv",
        ],
        allowed: 1e-3,
    },
    Case {
        format: Some(HalfFormat::Bf16),
        names: [
            "attention bf16",
            "attention bf16, largest score",
            "attention bf16, dq",
            "attention bf16, dk",
            "attention bf16, dv",
        ],
        allowed: 8e-3,
    },
];

/// All formats of scores and probabilities; the first is FP32.
pub(super) const FORMATS: [Option<HalfFormat>; 3] =
    [None, Some(HalfFormat::Fp16), Some(HalfFormat::Bf16)];

/// Attention in some formats, with an eighth of the places forbidden, and one query that may see nothing. Values are multiples of 1/64, those
/// of values and output gradients times `size`, a power of two: products are exact, so scores are rounded alike whatever the
/// order of sums.
pub(crate) fn check_attention<B: Kernels>(
    device: &B::Device,
    shape: AttentionShape,
    size: f32,
    seed: u64,
    formats: &[Option<HalfFormat>],
) -> Vec<Agreement> {
    let [b, n, queries, keys, d] = shape;
    let mut draw = Draw(seed);
    let mut exact = |(rows, size): (usize, f32)| -> Vec<f32> {
        let values = draw.many(b * n * rows * d, 64.0);
        values.iter().map(|x| x.round() / 64.0 * size).collect()
    };
    let sizes = [(queries, 1.0), (keys, 1.0), (keys, size), (queries, size)];
    let [q, k, v, dy] = sizes.map(&mut exact);
    let places = 0..b * queries * keys;
    let mask = places.map(|i| i < keys || draw.one() > 0.75).collect();
    let (mask, both) = (
        TensorData::new(mask, [b, 1, queries, keys]),
        Both::<B> {
            device,
            shape: &shape,
        },
    );
    let (of_q, of_k) = ([b, n, queries, d], [b, n, keys, d]);
    let there = || [(&q, of_q), (&k, of_k), (&v, of_k)].map(|(x, shape)| both.there(x, &shape));
    let here = || [(&q, of_q), (&k, of_k), (&v, of_k)].map(|(x, shape)| on_cpu(x, &shape));
    let mask_there = || forbidden::<B>(&mask, device);
    let mask_here = || forbidden::<Flex>(&mask, &Default::default());
    let mut all = Vec::new();
    for Case {
        format,
        names: [output, largest, names @ ..],
        allowed,
    } in CASES
        .into_iter()
        .filter(|case| formats.contains(&case.format))
    {
        let scoring = scoring(format);
        let [y, found] = B::masked_attention(there(), mask_there(), &scoring);
        let [expected, kept] = plain::<Flex>(here(), mask_here(), &scoring);
        all.push(both.agreement(output, y, expected, allowed));
        let (found, expected) = (first::<B>(found), first::<Flex>(kept.clone()));
        all.push(both.agreement(largest, found, expected, 0.0));
        let values = download::<Flex>(kept.clone(), b * n * queries * 2);
        let found = B::masked_attention_backward(
            there(),
            mask_there(),
            both.there(&values, &[b, n, queries, 2]),
            both.there(&dy, &of_q),
            &scoring,
        );
        let dy = on_cpu(&dy, &of_q);
        let expected = plain_backward::<Flex>(here(), mask_here(), kept, dy, &scoring);
        for ((name, found), expected) in names.into_iter().zip(found).zip(expected) {
            all.push(both.agreement(name, found, expected, allowed));
        }
    }
    all
}

/// As with query-key layer scaling in the third layer; gradients beyond the range of FP16 stay finite.
pub(super) fn scoring(format: Option<HalfFormat>) -> Scoring {
    let rounding = format.map(|format| Rounding {
        format,
        site: None,
        saturates: format == HalfFormat::Fp16,
    });
    Scoring {
        factor: 3.0,
        fill: -10_000.0,
        scores: rounding.clone(),
        probabilities: rounding,
    }
}

/// What attention in FP16 says that it lost: overflow and underflow of scores, then of probabilities, forward and backward
/// each.
pub(super) fn lost<B: Kernels>(device: &B::Device, seed: u64) -> Vec<f32> {
    const SHAPE: [usize; 4] = [2, 2, 45, 9];
    let tally = Arc::new(Tally::new(2, 1));
    let sites = ["scores", "probabilities"].into_iter().enumerate();
    let sites: Vec<_> = sites
        .map(|(site, name)| {
            let tally = tally.clone();
            Arc::new(RangeSite::new(name, None).placed(Place { tally, site }))
        })
        .collect();
    let rounding = |site: &Arc<RangeSite>| Rounding {
        format: HalfFormat::Fp16,
        site: Some(site.clone()),
        saturates: false,
    };
    let scoring = Scoring {
        scores: Some(rounding(&sites[0])),
        probabilities: Some(rounding(&sites[1])),
        ..scoring(None)
    };
    let mut draw = Draw(seed);
    let mut exact = |size: f32| {
        let values = draw.many(SHAPE.iter().product(), 64.0);
        let mut values: Vec<f32> = values.iter().map(|x| x.round() / 64.0 * size).collect();
        // A query, or the gradient of one, that is too large.
        values[0] = 60_000.0;
        values[1] = 0.0;
        upload::<B>(&values, &SHAPE, device)
    };
    let (q, k, v, dy) = (exact(4.0), exact(1.0), exact(192.0), exact(128.0));
    let mask: Vec<bool> = (0..2 * 45 * 45).map(|i| i % 45 > i / 45 % 45).collect();
    let mask = || forbidden::<B>(&TensorData::new(mask.clone(), [2, 1, 45, 45]), device);
    let qkv = [q, k, v];
    let [_, statistics] = B::masked_attention(qkv.clone(), mask(), &scoring);
    B::masked_attention_backward(qkv, mask(), statistics, dy, &scoring);
    if let Some(counts) = B::take_counts(&tally) {
        let counts = RangeCount::all(&download::<B>(counts, tally.places() * COUNT_WIDTH));
        for site in &sites {
            site.settle(&counts);
        }
    }
    let totals = sites.iter().map(|site| site.take());
    let counts = totals.flat_map(|totals| [totals.forward, totals.backward]);
    counts
        .flat_map(|count| [count.overflow as f32, count.underflow as f32])
        .collect()
}

/// That a device counts what the CPU counts.
pub(super) fn check_attention_counts<B: Kernels>(device: &B::Device, seed: u64) -> Agreement {
    let expected = lost::<Flex>(&Default::default(), seed);
    Agreement {
        operation: "attention fp16, counts",
        shape: vec![2, 2, 45, 45, 9],
        error: distance(&lost::<B>(device, seed), &expected),
        allowed: 0.0,
    }
}

fn forbidden<B: Backend>(mask: &TensorData, device: &B::Device) -> BoolTensor<B> {
    Tensor::<B, 4, Bool>::from_data(mask.clone(), device).into_primitive()
}

/// The largest score of every query.
fn first<B: Kernels>(statistics: FloatTensor<B>) -> FloatTensor<B> {
    let statistics = Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(statistics));
    statistics.narrow(3, 0, 1).into_primitive().tensor()
}
