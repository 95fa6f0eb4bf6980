//! GPTQ: columns are rounded one after the other, and later columns make up for what each loses (arXiv 2210.17323,
//! algorithm 1, in the order in which the columns lie).
//!
//! The inputs of the matrix say how much an error of one column can be undone by another: H = Σ x xᵀ over the inputs x. With
//! the upper Cholesky factor U of H⁻¹ (H⁻¹ = Uᵀ U), rounding column i with the error `e = (w[i] − q[i]) / U[i, i]` takes
//! `e · U[i, j]` from every later column j.

use crate::bits::Bits;
use crate::blocks::Blocks;
use crate::error::QuantizeError;
use crate::rule::Rule;
use crate::scale::Scale;
use half::f16;
use rayon::prelude::*;

/// What is added to the diagonal of H, as a share of its mean (arXiv 2210.17323 §3.3).
const DAMPING: f64 = 0.01;

/// Inputs that a matrix has seen, summed up.
#[derive(Debug, Clone)]
pub struct Calibration {
    columns: usize,
    /// Σ x xᵀ.
    products: Vec<f64>,
    inputs: u64,
}

impl Calibration {
    /// For a matrix with so many columns; nothing seen yet.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self {
            columns,
            products: vec![0.0; columns * columns],
            inputs: 0,
        }
    }

    /// Takes inputs, row by row, each as wide as the matrix.
    ///
    /// # Panics
    ///
    /// Where they are not whole rows.
    pub fn see(&mut self, inputs: &[f32]) {
        assert_eq!(inputs.len() % self.columns, 0);
        let columns = self.columns;
        let rows = self.products.par_chunks_mut(columns).enumerate();
        rows.for_each(|(row, products)| {
            for input in inputs.chunks_exact(columns) {
                let own = f64::from(input[row]);
                for (product, other) in products.iter_mut().zip(input) {
                    *product += own * f64::from(*other);
                }
            }
        });
        self.inputs += (inputs.len() / columns) as u64;
    }

    /// How many were seen.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// The upper Cholesky factor of H⁻¹, or why there is none.
    fn factor(&self) -> Result<Square, &'static str> {
        let n = self.columns;
        let mean = (0..n).map(|i| self.products[i * n + i]).sum::<f64>() / n as f64;
        if !(mean.is_finite() && mean > 0.0) {
            return Err("its inputs are all 0, or not finite");
        }
        let mut damped = Square {
            n,
            values: self.products.clone(),
        };
        for i in 0..n {
            damped.values[i * n + i] += DAMPING * mean;
        }
        let lower = damped.cholesky();
        let inverse = lower.and_then(|lower| lower.inverse_of_product().cholesky());
        let singular = "the sum of products of its inputs is singular, even damped: expected more inputs, or other ones";
        Ok(inverse.ok_or(singular)?.transposed())
    }
}

/// Codes and scales of a matrix, row by row.
pub(crate) fn quantize(
    matrix: &str,
    values: &[f32],
    blocks: Blocks,
    rule: Rule,
    bits: Bits,
    calibration: &Calibration,
) -> Result<(Vec<i8>, Vec<Scale>), QuantizeError> {
    let columns = blocks.columns;
    let refuse = |problem: &str| QuantizeError::Calibration {
        matrix: matrix.to_owned(),
        problem: problem.to_owned(),
    };
    if calibration.columns != columns {
        return Err(refuse("its inputs have another width"));
    }
    if blocks.height != 1 {
        let problem = "GPTQ rounds row by row: expected gptq-row or gptq-group-N";
        return Err(refuse(problem));
    }
    let factor = calibration.factor().map_err(refuse)?;
    let made: Vec<(Vec<i8>, Vec<Scale>)> = values
        .par_chunks_exact(columns)
        .map(|row| round_row(row, blocks.width, &factor, |own| rule.fit(own, bits)))
        .collect();
    let (codes, scales): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    Ok((codes.concat(), scales.concat()))
}

/// Codes of a row, and a scale for every `width` of them, which fits what the columns before have left there.
fn round_row(
    weights: &[f32],
    width: usize,
    factor: &Square,
    fit: impl Fn(&[f32]) -> Scale,
) -> (Vec<i8>, Vec<Scale>) {
    let mut left: Vec<f64> = weights.iter().map(|weight| f64::from(*weight)).collect();
    let mut codes = Vec::with_capacity(left.len());
    let mut scales: Vec<Scale> = Vec::new();
    for i in 0..left.len() {
        if i % width == 0 {
            let own: Vec<f32> = left[i..i + width].iter().map(|v| in_fp16(*v)).collect();
            scales.push(fit(&own));
        }
        let scale = scales[i / width];
        let code = scale.code(in_fp16(left[i]));
        codes.push(code);
        let row = factor.row(i);
        let error = (left[i] - f64::from(scale.value(code))) / row[i];
        for (later, share) in left[i + 1..].iter_mut().zip(&row[i + 1..]) {
            *later -= error * share;
        }
    }
    (codes, scales)
}

/// In FP16, held within its range.
fn in_fp16(value: f64) -> f32 {
    let held = f16::from_f64(value).to_f32();
    held.clamp(f16::MIN.to_f32(), f16::MAX.to_f32())
}

/// A square matrix, row by row.
struct Square {
    n: usize,
    values: Vec<f64>,
}

impl Square {
    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n..(row + 1) * self.n]
    }

    /// The lower factor L with L Lᵀ = self; nothing where self is not positive definite.
    fn cholesky(&self) -> Option<Self> {
        let n = self.n;
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let known = dot(&lower[i * n..i * n + j], &lower[j * n..j * n + j]);
                let rest = self.values[i * n + j] - known;
                if i == j {
                    if rest.is_nan() || rest <= 0.0 {
                        return None;
                    }
                    lower[i * n + i] = rest.sqrt();
                } else {
                    lower[i * n + j] = rest / lower[j * n + j];
                }
            }
        }
        Some(Self { n, values: lower })
    }

    /// (L Lᵀ)⁻¹ of a lower factor L.
    fn inverse_of_product(&self) -> Self {
        let n = self.n;
        // Row j holds column j of L⁻¹.
        let columns: Vec<Vec<f64>> = (0..n).into_par_iter().map(|j| self.solve_unit(j)).collect();
        let rows = (0..n).into_par_iter().flat_map_iter(|i| {
            let columns = &columns;
            (0..n).map(move |j| dot(&columns[i], &columns[j]))
        });
        Self {
            n,
            values: rows.collect(),
        }
    }

    /// The column `unit` of L⁻¹.
    fn solve_unit(&self, unit: usize) -> Vec<f64> {
        let mut solved = vec![0.0; self.n];
        for i in unit..self.n {
            let known = dot(&self.row(i)[unit..i], &solved[unit..i]);
            let right = if i == unit { 1.0 } else { 0.0 };
            solved[i] = (right - known) / self.row(i)[i];
        }
        solved
    }

    fn transposed(&self) -> Self {
        let n = self.n;
        let values = (0..n * n).map(|at| self.values[at % n * n + at / n]);
        Self {
            n,
            values: values.collect(),
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_of_the_inverse() {
        let mut calibration = Calibration::new(3);
        calibration.see(&[
            1.0, 2.0, 0.5, -1.0, 0.25, 3.0, 0.0, 1.0, 1.0, 2.0, -2.0, 0.125,
        ]);
        let upper = calibration.factor().unwrap();
        let mean = (0..3).map(|i| calibration.products[i * 4]).sum::<f64>() / 3.0;
        for i in 0..3 {
            for j in 0..3 {
                // (Uᵀ U) H = 1.
                let of_inverse = |j: usize, k: usize| -> f64 {
                    (0..3).map(|l| upper.row(l)[j] * upper.row(l)[k]).sum()
                };
                let damped = |k: usize| {
                    calibration.products[k * 3 + i] + if i == k { DAMPING * mean } else { 0.0 }
                };
                let found: f64 = (0..3).map(|k| of_inverse(j, k) * damped(k)).sum();
                let expected = f64::from(u8::from(i == j));
                assert!((found - expected).abs() < 1e-9, "{i} {j}: {found}");
            }
        }
    }

    #[test]
    fn inputs_that_say_nothing_have_no_factor_and_are_told_apart() {
        let mut calibration = Calibration::new(2);
        let refused = |calibration: &Calibration| calibration.factor().err();
        calibration.see(&[0.0, 0.0]);
        assert_eq!(
            refused(&calibration),
            Some("its inputs are all 0, or not finite")
        );
        calibration.see(&[f32::NAN, 0.0]);
        assert!(refused(&calibration).is_some_and(|said| said.contains("not finite")));
        // What no inputs add up to: a sum that is not positive definite.
        let mut odd = Calibration::new(2);
        odd.products = vec![1.0, 2.0, 2.0, 1.0];
        assert!(refused(&odd).is_some_and(|said| said.contains("singular, even damped")));
        // Inputs of one direction are told apart by what is added.
        let mut lone = Calibration::new(2);
        lone.see(&[1.0, 0.0]);
        assert_eq!(refused(&lone), None);
    }
}
