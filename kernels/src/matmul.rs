//! Matrix products on plain slices, for programs whose matrices are too large to be tensors of an
//! autodiff graph.

use gemm::Parallelism;

/// Whether a matrix lies inside a slice of `len` values.
fn check(len: usize, rows: usize, columns: usize, row_stride: usize) {
    let needed = rows.saturating_sub(1) * row_stride + columns;
    assert!(
        rows > 0 && columns > 0 && columns <= row_stride && needed <= len,
        "{rows} × {columns} with row stride {row_stride} in {len} values"
    );
}

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
        check(values.len(), rows, columns, row_stride);
        Self {
            values,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
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

/// Where a product goes: a row-major matrix whose rows may lie apart.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    values: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// A row-major matrix.
    ///
    /// # Panics
    /// If the slice has another length than `rows · columns`.
    #[must_use]
    pub fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "{rows} × {columns}");
        Self::strided(values, rows, columns, columns)
    }

    /// A row-major matrix whose rows begin `row_stride` apart.
    ///
    /// # Panics
    /// If the slice does not hold the last row whole.
    #[must_use]
    pub fn strided(values: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(values.len(), rows, columns, row_stride);
        Self {
            values,
            rows,
            columns,
            row_stride,
        }
    }
}

/// What becomes of the values that a product finds in its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onto {
    /// They are overwritten, whatever they are.
    Nothing,
    /// The product is added to them.
    Sum,
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
    let out = MatrixMut::new(out, a.rows, b.columns);
    multiply(out, a, b, Onto::Nothing, Parallelism::Rayon(0));
}

/// `out = a b` or `out += a b` on the calling thread, for programs that spread their own work.
///
/// # Shapes
/// - a: `[m, k]`, b: `[k, n]`
/// - out: `[m, n]`
///
/// # Panics
/// If the shapes do not fit.
pub fn matmul_here(out: MatrixMut, a: Matrix, b: Matrix, onto: Onto) {
    multiply(out, a, b, onto, Parallelism::None);
}

fn multiply(out: MatrixMut, a: Matrix, b: Matrix, onto: Onto, threads: Parallelism) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let MatrixMut {
        values,
        rows,
        columns,
        row_stride,
    } = out;
    assert_eq!(k, b.rows, "inner dimensions");
    assert_eq!((rows, columns), (m, n), "output of {m} × {n}");
    let (add, factor) = match onto {
        Onto::Nothing => (false, 0.0),
        Onto::Sum => (true, 1.0),
    };
    // SAFETY: `Matrix` and `MatrixMut` are only made where their last element lies inside their slice,
    // `out` is borrowed alone, and every stride is that of a slice in memory.
    #[expect(unsafe_code, reason = "gemm works on pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            values.as_mut_ptr(),
            1,
            row_stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            factor,
            1.0,
            false,
            false,
            false,
            threads,
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
    fn a_sum_keeps_what_was_there_and_leaves_the_gaps_alone() {
        let (a, b) = (values(6, 1), values(6, 2));
        let mut fresh = vec![0.0; 4];
        matmul(&mut fresh, Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2));
        let mut out = vec![1.0; 7];
        let place = MatrixMut::strided(&mut out, 2, 2, 5);
        matmul_here(
            place,
            Matrix::new(&a, 2, 3),
            Matrix::new(&b, 3, 2),
            Onto::Sum,
        );
        for (i, expected) in [(0, fresh[0]), (1, fresh[1]), (5, fresh[2]), (6, fresh[3])] {
            assert!((out[i] - 1.0 - expected).abs() < 1e-6);
        }
        assert_eq!(out[2..5], [1.0; 3]);
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
