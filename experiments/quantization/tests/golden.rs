//! Every scheme against what `NumPy` makes of the same matrices, bit for bit (golden.py).

use experiments_quantization::{
    Bits, Calibration, QuantizeError, Quantized, Rule, Scheme, Source, quantize,
};
use half::f16;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ROWS: usize = 6;
const COLUMNS: usize = 128;
const INPUTS: usize = 200;

/// Tensor-parallel, that share the columns.
const RANKS: [usize; 3] = [1, 2, 4];

/// Uniform in [-1, 1), of 24 bits; golden.py has the same.
struct Draws(u64);

impl Draws {
    fn take(&mut self, count: usize) -> Vec<f32> {
        let drawn = (0..count).map(|_| {
            let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
            self.0 = next.wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / 8_388_608.0 - 1.0
        });
        drawn.collect()
    }
}

fn matrices() -> [(&'static str, Vec<f32>); 4] {
    let drawn = |seed, factor: f32| -> Vec<f32> {
        let drawn = Draws(seed).take(ROWS * COLUMNS);
        drawn.iter().map(|value| value * factor).collect()
    };
    let mut outliers = drawn(2, 0.02);
    for value in outliers.iter_mut().step_by(37) {
        *value *= 40.0;
    }
    let offset = drawn(3, 0.004).iter().map(|value| 1.0 + value).collect();
    let mut tiny = drawn(4, 2_f32.powi(-20));
    tiny[2 * COLUMNS..3 * COLUMNS].fill(0.0);
    tiny[3 * COLUMNS..4 * COLUMNS].fill(0.5);
    [
        ("uniform", drawn(1, 0.25)),
        ("outliers", outliers),
        ("offset", offset),
        ("tiny", tiny),
    ]
}

fn calibration() -> Calibration {
    let drawn = Draws(5).take(INPUTS * COLUMNS);
    let inputs = drawn
        .chunks_exact(COLUMNS)
        .flat_map(|row| (0..COLUMNS).map(|at| row[at] + if at == 0 { 0.0 } else { row[at - 1] }));
    let mut calibration = Calibration::new(COLUMNS);
    calibration.see(&inputs.collect::<Vec<f32>>());
    calibration
}

fn made(
    values: &[f32],
    scheme: Scheme,
    bits: Bits,
    ranks: usize,
) -> Result<Quantized, QuantizeError> {
    let source = Source {
        name: "matrix",
        shape: [ROWS, COLUMNS],
        values,
        ranks,
        calibration: Some(&calibration()),
    };
    quantize(&source, scheme, bits)
}

fn digest(bytes: impl Iterator<Item = u8>) -> Value {
    let hash = Sha256::digest(bytes.collect::<Vec<u8>>());
    let digits: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat().into()
}

/// What a matrix became, as golden.py tells it.
fn told(made: &Quantized) -> Value {
    let codes = made.codes().iter().map(|code| *code as u8);
    let zeros = made.zeros();
    let zeros = zeros.map(|zeros| digest(zeros.into_iter().flat_map(i32::to_le_bytes)));
    let worth = made.values().into_iter();
    json!({
        "codes": digest(codes),
        "scales": digest(made.scales().flat_map(f16::to_le_bytes)),
        "zeros": zeros.unwrap_or(Value::Null),
        "values": digest(worth.flat_map(|value| f16::from_f32(value).to_le_bytes())),
    })
}

/// Whole matrices, and such as ranks share.
#[test]
fn every_scheme_gives_the_bits_of_numpy() {
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let mut left = golden.as_object().unwrap().clone();
    for (name, values) in matrices() {
        for bits in [Bits::Four, Bits::Eight] {
            for (scheme, ranks) in
                Scheme::all().flat_map(|scheme| RANKS.map(|ranks| (scheme, ranks)))
            {
                let made = match made(&values, scheme, bits, ranks) {
                    Ok(made) => made,
                    Err(QuantizeError::Calibration { .. }) => {
                        assert_eq!(scheme.rule, Rule::Gptq, "{scheme}");
                        continue;
                    }
                    Err(error) => {
                        assert!(error.to_string().contains("divide by groups"), "{error}");
                        continue;
                    }
                };
                let ranks = match ranks {
                    1 => String::new(),
                    several => format!("/{several} ranks"),
                };
                let key = format!("{name}/{}/{scheme}{ranks}", bits.count());
                let expected = left.remove(&key).unwrap_or_else(|| panic!("{key}"));
                assert_eq!(told(&made), expected, "{key}");
            }
        }
    }
    assert!(left.is_empty(), "not asked for: {left:?}");
}
