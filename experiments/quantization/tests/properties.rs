//! What holds of every matrix: what is packed is read again, errors have their bound, ranks have scales of their own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use experiments_quantization::{
    Bits, Calibration, Loss, Parts, QuantizeError, Quantized, Scheme, Shape, Source, quantize,
};
use half::f16;
use proptest::prelude::*;

fn source(values: &[f32], columns: usize) -> Source<'_> {
    Source {
        name: "layers.0.ffn.up.weight",
        shape: [values.len() / columns, columns],
        values,
        ranks: 1,
        calibration: None,
    }
}

fn of(values: &[f32], columns: usize, scheme: &str, bits: Bits) -> Quantized {
    quantize(&source(values, columns), scheme.parse().unwrap(), bits).unwrap()
}

fn bits() -> impl Strategy<Value = Bits> {
    prop_oneof![Just(Bits::Four), Just(Bits::Eight)]
}

fn scheme() -> impl Strategy<Value = Scheme> {
    let schemes: Vec<Scheme> = Scheme::all()
        .filter(|scheme| !scheme.rule.is_calibrated())
        .collect();
    prop::sample::select(schemes)
}

/// Matrices of 4 × 128 whose values lie within some powers of two.
fn matrix() -> impl Strategy<Value = Vec<f32>> {
    (-26..12, prop::collection::vec(-1.0_f32..1.0, 4 * 128)).prop_map(|(power, values)| {
        values
            .iter()
            .map(|value| value * 2_f32.powi(power))
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_packed_is_read_again(values in matrix(), scheme in scheme(), bits in bits()) {
        let made = quantize(&source(&values, 128), scheme, bits).unwrap();
        let scales: Vec<f16> = made.scales().collect();
        let zeros = made.zeros();
        let parts = Parts {
            shape: made.shape(),
            grid: made.grid(),
            bits,
            packed: &made.packed(),
            scales: &scales,
            zeros: zeros.as_deref(),
        };
        let read = Quantized::from_parts("m", &parts).unwrap();
        prop_assert_eq!(read.codes(), made.codes());
        prop_assert_eq!(read.values(), made.values());
    }

    /// Half a step, and what FP16 rounds in the quotient and in the product.
    #[test]
    fn an_error_is_at_most_half_a_step(values in matrix(), bits in bits()) {
        for scheme in ["absmax-row", "zero-point-row"] {
            let made = of(&values, 128, scheme, bits);
            let scales: Vec<f64> = made.scales().map(f64::from).collect();
            let worth = made.values();
            for (at, value) in values.iter().enumerate() {
                let held = f64::from(f16::from_f32(*value));
                let allowed = scales[at / 128] * 0.5 + held.abs() / 1024.0 + 2_f64.powi(-24);
                // The steps of a scale below FP16's normal numbers are coarse: what lies outside is counted.
                let off = (held - f64::from(worth[at])).abs();
                prop_assert!(off <= allowed || made.clipped() > 0, "{scheme} {off} {allowed}");
            }
        }
    }

    #[test]
    fn the_best_clip_is_no_worse_than_none(values in matrix(), bits in bits()) {
        let held: Vec<f32> = values.iter().map(|value| f16::from_f32(*value).to_f32()).collect();
        let lost = |scheme| Loss::between(&held, &of(&values, 128, scheme, bits).values()).relative;
        prop_assert!(lost("clipped-tensor") <= lost("absmax-tensor"));
    }
}

/// A row that lies on two ranks is two rows.
#[test]
fn each_rank_has_scales_of_its_own() {
    let values: Vec<f32> = (0..4 * 64).map(|at| (at as f32 * 0.37).sin()).collect();
    let on_ranks = |ranks, scheme: &str| {
        let source = Source {
            ranks,
            ..source(&values, 64)
        };
        quantize(&source, scheme.parse().unwrap(), Bits::Four)
    };
    let whole = |scheme| of(&values, 64, scheme, Bits::Four);
    assert_eq!(on_ranks(2, "absmax-row").unwrap(), whole("absmax-group-32"));
    assert_eq!(
        on_ranks(2, "absmax-column").unwrap(),
        whole("absmax-column")
    );
    assert_eq!(
        on_ranks(2, "absmax-group-16").unwrap(),
        whole("absmax-group-16")
    );
    assert_eq!(on_ranks(2, "absmax-tensor").unwrap().grid(), [1, 2]);
    assert_ne!(on_ranks(2, "absmax-row").unwrap(), whole("absmax-row"));
    let cut = on_ranks(2, "absmax-group-64").unwrap_err().to_string();
    assert!(
        cut.contains("32 columns on a rank do not divide by groups of 64"),
        "{cut}"
    );
    assert!(on_ranks(3, "absmax-row").is_err() && on_ranks(0, "absmax-row").is_err());
}

#[test]
fn the_even_column_is_in_the_upper_half_of_a_byte() {
    let made = of(&[7.0, -1.0, 3.0, -7.0], 4, "absmax-row", Bits::Four);
    assert_eq!(made.codes(), [7, -1, 3, -7]);
    assert_eq!(made.packed(), [0x7f, 0x39]);
    assert_eq!(made.bytes(), 2 + 2);
}

#[test]
fn what_cannot_be_quantized_is_named() {
    let refused = |values: &[f32], columns, scheme: &str, bits| {
        let error = quantize(&source(values, columns), scheme.parse().unwrap(), bits);
        error.unwrap_err().to_string()
    };
    let mut values = vec![0.5; 64];
    let said = refused(&values, 64, "absmax-group-48", Bits::Eight);
    assert!(
        said.contains(
            "`layers.0.ffn.up.weight` is 1 × 64: 64 columns on a rank do not divide by groups of 48"
        ),
        "{said}"
    );
    let said = refused(&values[..63], 63, "absmax-row", Bits::Four);
    assert!(
        said.contains("63 columns on a rank do not divide by the 2 codes of a byte"),
        "{said}"
    );
    let said = refused(&values, 64, "gptq-row", Bits::Four);
    assert!(said.contains("gptq-row has to see inputs"), "{said}");
    for (value, word) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (70_000.0, "70000"),
    ] {
        values[37] = value;
        let said = refused(&values, 32, "absmax-row", Bits::Four);
        assert!(
            said.contains(&format!(
                "row 1, column 5 is {word}, which FP16 cannot hold"
            )),
            "{said}"
        );
    }
    let source = Source {
        calibration: Some(&Calibration::new(16)),
        ..source(&[0.5; 32], 32)
    };
    let said = quantize(&source, "gptq-row".parse().unwrap(), Bits::Four);
    assert!(matches!(said, Err(QuantizeError::Calibration { .. })));
}

#[test]
fn an_empty_row_stays_empty_and_is_counted() {
    for scheme in Scheme::all().filter(|scheme| !scheme.rule.is_calibrated()) {
        let made = of(&[0.0; 256], 128, &scheme.to_string(), Bits::Four);
        assert_eq!(made.values(), [0.0; 256], "{scheme}");
        assert_eq!(
            made.empty_blocks() as usize,
            made.grid()[0] * made.grid()[1],
            "{scheme}"
        );
        assert_eq!(made.clipped(), 0);
    }
}

/// What it is for: where inputs go together, the products of a calibrated matrix are nearer to the true ones.
#[test]
fn gptq_loses_less_of_the_products_than_rounding_does() {
    let columns = 32;
    let values: Vec<f32> = (0..8 * columns)
        .map(|at| ((at * at) as f32 * 0.61).sin())
        .collect();
    let inputs: Vec<f32> = (0..100 * columns)
        .map(|at| ((at / columns) as f32).sin() + 0.2 * (at as f32 * 1.7).cos())
        .collect();
    let mut calibration = Calibration::new(columns);
    calibration.see(&inputs);
    let lost = |scheme: &str| {
        let source = Source {
            calibration: Some(&calibration),
            ..source(&values, columns)
        };
        let worth = quantize(&source, scheme.parse().unwrap(), Bits::Four)
            .unwrap()
            .values();
        let products = |weights: &[f32]| -> Vec<f32> {
            let rows = weights.chunks_exact(columns);
            let products = rows.flat_map(|row| {
                let dot = |input: &[f32]| input.iter().zip(row).map(|(x, w)| x * w).sum();
                inputs.chunks_exact(columns).map(dot).collect::<Vec<f32>>()
            });
            products.collect()
        };
        Loss::between(&products(&values), &products(&worth)).relative
    };
    assert!(
        lost("gptq-row") < 0.5 * lost("absmax-row"),
        "{} {}",
        lost("gptq-row"),
        lost("absmax-row")
    );
}

#[test]
fn the_shape_of_weights_is_that_of_textbooks() {
    // ±1 in equal parts: kurtosis 1, so −2 in excess; and an outlier in ten thousand zeros.
    let signs: Vec<f32> = (0..1000)
        .map(|at| if at % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let shape = Shape::of(&signs, 10);
    assert!((shape.excess_kurtosis + 2.0).abs() < 1e-9 && shape.skewness.abs() < 1e-9);
    assert_eq!((shape.outlier_share, shape.absmax_over_rms), (0.0, 1.0));
    let mut lone = vec![0.0; 10_000];
    lone[5] = 1.0;
    let shape = Shape::of(&lone, 100);
    assert_eq!((shape.outlier_share, shape.absmax_over_rms), (1e-4, 10.0));
    assert!(shape.skewness > 50.0);
}
