//! Matrix products on plain slices, for programs whose matrices are too large to be tensors of an
//! autodiff graph.

use gemm::Parallelism;

/// A matrix somewhere in a slice; rows and columns may be strided, so a transpose costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    ///
    /// # Panics
    /// If the slice has another length than `rows · columns`.
    #[must_use]
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// A row-major matrix whose rows begin `row_stride` apart.
    ///
    /// # Panics
    /// If the slice does not hold the last row whole.
    #[must_use]
    pub fn strided(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        let needed = rows.saturating_sub(1) * row_stride + columns;
        assert!(
            rows > 0 && columns > 0 && columns <= row_stride && needed <= values.len(),
            "{rows} × {columns} with row stride {row_stride} in {} values",
            values.len()
        );
        Self {
            values,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// The transpose.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = a b`, row-major, accumulated in FP32 and spread over rayon's threads. Which thread computes
/// what does not change the order of any sum.
///
/// # Shapes
/// - a: `[m, k]`, b: `[k, n]`
/// - out: `[m, n]`
///
/// # Panics
/// If the shapes do not fit.
pub fn matmul(out: &mut [f32], a: Matrix, b: Matrix) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions");
    assert_eq!(out.len(), m * n, "output of {m} × {n}");
    // SAFETY: `Matrix` is only made where its last element lies inside its slice, `out` holds m · n
    // values and is not shared, and every stride is that of a slice in memory.
    #[expect(unsafe_code, reason = "gemm works on pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(len: usize, seed: u32) -> Vec<f32> {
        (0..len)
            .map(|i| ((i as u32 * 7 + seed) as f32).sin())
            .collect()
    }

    proptest! {
        #[test]
        fn prop_products_and_transposes_agree_with_plain_sums(m in 1_usize..20, n in 1_usize..20, k in 1_usize..20, gap in 0_usize..3) {
            let (a, b) = (values(m * (k + gap), 1), values(n * k, 2));
            let mut out = vec![f32::NAN; m * n];
            // b is stored [n, k], as weights are.
            matmul(&mut out, Matrix::strided(&a, m, k, k + gap), Matrix::new(&b, n, k).transposed());
            for i in 0..m {
                for j in 0..n {
                    let terms = (0..k).map(|l| f64::from(a[i * (k + gap) + l]) * f64::from(b[j * k + l]));
                    let expected: f64 = terms.sum();
                    prop_assert!((f64::from(out[i * n + j]) - expected).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (m, n, k) = (200, 300, 250);
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let product = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let mut out = vec![0.0; m * n];
            pool.build().unwrap().install(|| {
                matmul(&mut out, Matrix::new(&a, m, k), Matrix::new(&b, k, n));
            });
            out
        };
        assert_eq!(product(1), product(2));
    }
}
