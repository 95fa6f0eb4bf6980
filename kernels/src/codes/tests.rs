use super::*;
use proptest::prelude::*;

/// A weight with everything it needs, drawn.
#[derive(Debug, Clone)]
struct Drawn {
    bits: CodeBits,
    shape: [usize; 2],
    grid: [usize; 2],
    packed: Vec<u8>,
    scales: Vec<f32>,
    zeros: Option<Vec<f32>>,
    x: Vec<f32>,
}

impl Drawn {
    fn codes(&self) -> Codes<'_> {
        Codes {
            bits: self.bits,
            shape: self.shape,
            packed: &self.packed,
            grid: self.grid,
            scales: &self.scales,
            zeros: self.zeros.as_deref(),
        }
    }

    /// The definition, in FP64: the value, and the sum of its terms' magnitudes.
    fn reference(&self, row: usize, output: usize) -> [f64; 2] {
        let ([outputs, inputs], [down, across]) = (self.shape, self.grid);
        let terms = (0..inputs).map(|input| {
            let at = output * inputs + input;
            let code = match self.bits {
                CodeBits::Eight => self.packed[at] as i8,
                CodeBits::Four if at.is_multiple_of(2) => self.packed[at / 2] as i8 >> 4,
                CodeBits::Four => (self.packed[at / 2] << 4) as i8 >> 4,
            };
            let block = output / (outputs / down) * across + input / (inputs / across);
            let zero = self.zeros.as_ref().map_or(0.0, |zeros| zeros[block]);
            let weight = (f64::from(code) + f64::from(zero)) * f64::from(self.scales[block]);
            let x = f64::from(self.x[row * inputs + input]);
            [
                weight * x,
                (f64::from(code).abs() + f64::from(zero.abs()))
                    * f64::from(self.scales[block])
                    * x.abs(),
            ]
        });
        terms.fold([0.0, 0.0], |sum, term| [sum[0] + term[0], sum[1] + term[1]])
    }
}

/// How many outputs and inputs there are, and how they share scales.
fn sizes() -> impl Strategy<Value = ([usize; 2], [usize; 2], CodeBits)> {
    let bits = prop_oneof![Just(CodeBits::Four), Just(CodeBits::Eight)];
    // Of 4 to 256 inputs a piece has several blocks, or a block several pieces, without a rest.
    let width = prop_oneof![1_usize..70, (2_u32..9).prop_map(|power| 1 << power)];
    (1_usize..11, 1_usize..9, width, 0_usize..4, bits).prop_map(
        |(outputs, across, width, sharing, bits)| {
            let width = width.next_multiple_of(bits.per_byte());
            let inputs = across * width;
            let grid = match sharing {
                0 => [outputs, 1],
                1 => [outputs, across],
                2 => [1, inputs],
                _ => [1, 1],
            };
            ([outputs, inputs], grid, bits)
        },
    )
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (sizes(), 1_usize..20, any::<bool>()).prop_flat_map(|((shape, grid, bits), m, shifted)| {
        let (bytes, blocks) = (shape[0] * shape[1] / bits.per_byte(), grid[0] * grid[1]);
        let zeros = prop::collection::vec(-20_i8..20, if shifted { blocks } else { 0 });
        (
            prop::collection::vec(any::<u8>(), bytes),
            prop::collection::vec(0.0_f32..0.1, blocks),
            zeros,
            prop::collection::vec(-2.0_f32..2.0, m * shape[1]),
        )
            .prop_map(move |(packed, scales, zeros, x)| Drawn {
                bits,
                shape,
                grid,
                packed,
                scales,
                zeros: shifted.then(|| zeros.into_iter().map(f32::from).collect()),
                x,
            })
    })
}

proptest! {
    /// Of few rows and of many, with scales of rows, groups, columns and the whole, odd sizes and zero points.
    #[test]
    fn prop_a_product_is_that_of_the_decoded_weight(drawn in drawn()) {
        let [outputs, inputs] = drawn.shape;
        let m = drawn.x.len() / inputs;
        let mut out = vec![f32::NAN; m * outputs];
        codes_product(&mut out, &drawn.x, &drawn.codes());
        for (at, found) in out.iter().enumerate() {
            let [expected, magnitude] = drawn.reference(at / outputs, at % outputs);
            let allowed = magnitude * f64::from(f32::EPSILON) * (8.0 + (inputs as f64).sqrt());
            prop_assert!((f64::from(*found) - expected).abs() <= allowed + 1e-30, "{at}: {found} for {expected}");
        }
    }

    /// The registers of this CPU, and what any CPU has.
    #[test]
    fn prop_every_cpu_gives_the_same_bits(drawn in drawn()) {
        let [outputs, inputs] = drawn.shape;
        let codes = drawn.codes();
        let rows = Rows::all(&drawn.x[..inputs * 5.min(drawn.x.len() / inputs)], &codes);
        let found = [LOOPS, dot::LOOPS_OF_ANY].map(|loops| {
            let mut out = vec![f32::NAN; rows[0].count * outputs];
            dots(loops, &mut out, &rows[0], &codes, 0);
            out.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        });
        prop_assert_eq!(&found[0], &found[1]);
    }

    /// A row gives the same bits alone and beside others.
    #[test]
    fn prop_a_row_does_not_depend_on_those_beside_it(drawn in drawn()) {
        let [outputs, inputs] = drawn.shape;
        let rows = drawn.x.len() / inputs;
        let mut all = vec![0.0; rows * outputs];
        codes_product(&mut all, &drawn.x, &drawn.codes());
        for (x, found) in drawn.x.chunks_exact(inputs).zip(all.chunks_exact(outputs)) {
            let mut one = vec![0.0; outputs];
            codes_product(&mut one, x, &drawn.codes());
            prop_assert_eq!(found, &one[..]);
        }
    }
}

/// Many parts, the last one short, by either way.
#[test]
fn outputs_beyond_a_part_have_their_places() {
    let [outputs, inputs] = [4 * PART + 5, 32];
    for (bits, m) in [
        (CodeBits::Four, 3),
        (CodeBits::Four, 20),
        (CodeBits::Eight, 1),
        (CodeBits::Eight, 9),
    ] {
        let drawn = Drawn {
            bits,
            shape: [outputs, inputs],
            grid: [outputs, 1],
            packed: (0..outputs * inputs / bits.per_byte())
                .map(|i| (i * 37 + i / 64) as u8)
                .collect(),
            scales: (0..outputs)
                .map(|i| 0.01 + (i % 7) as f32 * 0.001)
                .collect(),
            zeros: None,
            x: (0..m * inputs).map(|i| (i as f32).sin()).collect(),
        };
        let mut out = vec![f32::NAN; m * outputs];
        codes_product(&mut out, &drawn.x, &drawn.codes());
        for (at, found) in out.iter().enumerate() {
            let [expected, magnitude] = drawn.reference(at / outputs, at % outputs);
            assert!(
                (f64::from(*found) - expected).abs() <= 1e-5 * magnitude,
                "{at}"
            );
        }
    }
}

#[test]
fn a_byte_has_the_even_input_in_its_upper_half() {
    assert_eq!(pair(0x79), [7.0, -7.0]);
    assert_eq!(pair(0x8f), [-8.0, -1.0]);
}

#[test]
fn nothing_is_multiplied_where_there_is_nothing() {
    let codes = Codes {
        bits: CodeBits::Eight,
        shape: [2, 3],
        packed: &[1; 6],
        grid: [2, 1],
        scales: &[1.0, 2.0],
        zeros: None,
    };
    codes_product(&mut [], &[], &codes);
    let mut out = [0.0; 2];
    codes_product(&mut out, &[1.0, 2.0, 3.0], &codes);
    assert_eq!(out, [6.0, 12.0]);
}
