//! Matrix products on plain slices.
//!
//! An element of a product is a chain of fused multiply-adds in the order of the inner dimension, whose
//! sums over [`DEPTH`] terms each are added up. Neither the CPU's instructions nor the number of
//! threads changes a bit of it; products that are large in all three sizes are the exception, see
//! [`LARGE`].

mod lanes;
mod matrix;
mod panels;
mod tile;

use gemm::Parallelism;
pub use matrix::{Matrix, MatrixMut};
use panels::{Panels, Part, depths};
use rayon::prelude::*;
use std::cell::RefCell;
use tile::{DEPTH, Left, Panel, Tiles};

/// Where rows, columns and inner dimension are all at least this, the `gemm` crate is faster, because
/// it blocks for the second- and third-level cache. Its order of sums depends on the cache.
const LARGE: usize = 1024;

/// Rows of the left matrix that are multiplied while they lie in the second-level cache.
const ROWS: usize = 240;

/// Rows that a thread takes at a time when a product is spread.
const SHARE: usize = 48;

/// What becomes of the values that a product finds in its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onto {
    /// They are overwritten, whatever they are.
    Nothing,
    /// The product is added to them.
    Sum,
}

/// `out = a b`, row-major, accumulated in FP32 and spread over rayon's threads.
///
/// # Shapes
/// - a: `[m, k]`, b: `[k, n]`
/// - out: `[m, n]`
///
/// # Panics
/// If the shapes do not fit.
pub fn matmul(out: &mut [f32], a: Matrix, b: Matrix) {
    if large(&a, &b) {
        let out = MatrixMut::new(out, a.rows, b.columns);
        multiply_large(out, a, b, Onto::Nothing, Parallelism::Rayon(0));
    } else {
        Prepared::new(b).matmul(out, a);
    }
}

/// `out = a b` or `out += a b` on the calling thread, for programs that spread their own work.
///
/// # Shapes
/// - a: `[m, k]`, b: `[k, n]`
/// - out: `[m, n]`
///
/// # Panics
/// If the shapes do not fit.
pub fn matmul_here(mut out: MatrixMut, a: Matrix, b: Matrix, onto: Onto) {
    if large(&a, &b) {
        multiply_large(out, a, b, onto, Parallelism::None);
    } else {
        // Every block of rows would lay out what does not lie well.
        let b = if a.rows > ROWS {
            Prepared::new(b)
        } else {
            Prepared::as_it_is(b)
        };
        multiply(&mut out, a, &b, onto);
    }
}

fn large(a: &Matrix, b: &Matrix) -> bool {
    a.rows.min(a.columns).min(b.columns) >= LARGE
}

/// A right matrix that several products share: what they would all do to it first is done once.
#[derive(Debug)]
pub struct Prepared<'a> {
    matrix: Matrix<'a>,
    panels: Option<Panels>,
    tiles: &'static Tiles,
}

impl<'a> Prepared<'a> {
    /// Lays the matrix out for products, unless it lies well already.
    #[must_use]
    pub fn new(matrix: Matrix<'a>) -> Self {
        let plain = Self::as_it_is(matrix);
        let mut parts =
            depths(matrix.rows).flat_map(|depth| Part::all(depth, matrix.columns, plain.tiles));
        let lies_well = parts.all(|part| part.lies_well(&matrix));
        Self {
            panels: (!lies_well).then(|| Panels::new(&matrix, plain.tiles)),
            ..plain
        }
    }

    fn as_it_is(matrix: Matrix<'a>) -> Self {
        Self {
            matrix,
            panels: None,
            tiles: Tiles::of_this_cpu(),
        }
    }

    /// `out = a b` with this as b, spread over rayon's threads.
    ///
    /// # Shapes
    /// - a: `[m, k]`, out: `[m, n]`
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn matmul(&self, out: &mut [f32], a: Matrix) {
        let n = self.matrix.columns;
        assert_eq!(out.len(), a.rows * n, "output of {} × {n}", a.rows);
        out.par_chunks_mut(SHARE * n)
            .enumerate()
            .for_each(|(share, out)| {
                let rows = out.len() / n;
                self.matmul_here(out, a.rows_from(share * SHARE, rows));
            });
    }

    /// `out = a b` with this as b, on the calling thread.
    ///
    /// # Shapes
    /// - a: `[m, k]`, out: `[m, n]`
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn matmul_here(&self, out: &mut [f32], a: Matrix) {
        let mut out = MatrixMut::new(out, a.rows, self.matrix.columns);
        multiply(&mut out, a, self, Onto::Nothing);
    }
}

/// What one thread lays out for itself.
#[derive(Debug, Default)]
struct Scratch {
    /// One panel of a right matrix that was not prepared.
    panel: Vec<f32>,
    /// Tiles of a left matrix.
    left: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn multiply(out: &mut MatrixMut, a: Matrix, b: &Prepared, onto: Onto) {
    let (m, n, k) = (a.rows, b.matrix.columns, a.columns);
    assert_eq!(k, b.matrix.rows, "inner dimensions");
    assert_eq!((out.rows, out.columns), (m, n), "output of {m} × {n}");
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.panel.resize(DEPTH * b.tiles.widths[1], 0.0);
        // Blocks of nearly the same height, not a full one and a remnant.
        let height = m
            .div_ceil(m.div_ceil(ROWS))
            .next_multiple_of(b.tiles.height);
        for row in (0..m).step_by(height) {
            let rows = height.min(m - row);
            let part = &mut out.values[row * out.row_stride..];
            multiply_block(
                part,
                out.row_stride,
                a.rows_from(row, rows),
                b,
                onto,
                scratch,
            );
        }
    });
}

/// Some rows of a product.
fn multiply_block(
    out: &mut [f32],
    out_row: usize,
    a: Matrix,
    b: &Prepared,
    onto: Onto,
    scratch: &mut Scratch,
) {
    let Prepared {
        matrix,
        panels,
        tiles,
    } = b;
    let mut laid_out = panels.as_ref().map(Panels::values);
    let count = matrix.columns.div_ceil(tiles.widths[1]);
    for depth in depths(matrix.rows) {
        let k = depth.start;
        let left = Left::new(&a, depth.clone(), count, tiles, &mut scratch.left);
        for part in Part::all(depth, matrix.columns, tiles) {
            let j = part.columns.start;
            let (right, right_row) = if let Some(panels) = &mut laid_out {
                let (panel, rest) = panels.split_at(part.len());
                *panels = rest;
                (panel, part.width)
            } else if part.lies_well(matrix) {
                (
                    &matrix.values[k * matrix.row_stride + j..],
                    matrix.row_stride,
                )
            } else {
                let panel = &mut scratch.panel[..part.len()];
                part.lay_out(panel, matrix);
                (&*panel, part.width)
            };
            let panel = Panel {
                left,
                right,
                right_row,
                out: &mut out[j..],
                out_row,
                rows: a.rows,
                depth: part.depth.len(),
                columns: part.columns.len(),
                add: onto == Onto::Sum || k > 0,
            };
            tiles.compute(part.width, panel);
        }
    }
}

fn multiply_large(out: MatrixMut, a: Matrix, b: Matrix, onto: Onto, threads: Parallelism) {
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

    /// The definition: a chain of fused multiply-adds per [`DEPTH`] terms, and the sum of chains.
    fn reference(a: &Matrix, b: &Matrix, before: Option<f32>, i: usize, j: usize) -> f32 {
        let a_ik = |k| a.values[i * a.row_stride + k * a.column_stride];
        let b_kj = |k| b.values[k * b.row_stride + j * b.column_stride];
        let chains = depths(a.columns)
            .map(|depth| depth.fold(0.0, |sum: f32, k| f32::mul_add(a_ik(k), b_kj(k), sum)));
        let sum = |sum: Option<f32>, chain| Some(sum.map_or(chain, |sum| sum + chain));
        chains.fold(before, sum).unwrap_or_default()
    }

    /// A matrix of the given size, stored row by row or column by column with gaps.
    fn stored(values: &[f32], [rows, columns]: [usize; 2], by_row: bool, gap: usize) -> Matrix<'_> {
        if by_row {
            Matrix::strided(values, rows, columns, columns + gap)
        } else {
            Matrix::strided(values, columns, rows, rows + gap).transposed()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn prop_every_cpu_gives_the_bits_of_the_definition(
            [m, n] in [1_usize..60, 1_usize..110],
            k in prop_oneof![1_usize..40, 250_usize..530],
            by_row in any::<[bool; 2]>(),
            gaps in [0_usize..3, 0_usize..3, 0_usize..3],
            sum in any::<bool>(),
        ) {
            let a = values(m.max(k) * (m.min(k) + 3) + m.max(k), 1);
            let b = values(n.max(k) * (n.min(k) + 3) + n.max(k), 2);
            let a = stored(&a, [m, k], by_row[0], gaps[0]);
            let b = stored(&b, [k, n], by_row[1], gaps[1]);
            let before = values(m * (n + gaps[2]), 3);
            let onto = if sum { Onto::Sum } else { Onto::Nothing };
            for tiles in Tiles::all() {
                for panels in [None, Some(Panels::new(&b, tiles))] {
                    let mut out = before.clone();
                    let mut place = MatrixMut::strided(&mut out, m, n, n + gaps[2]);
                    multiply(&mut place, a, &Prepared { matrix: b, panels, tiles }, onto);
                    for (index, (out, before)) in out.iter().zip(&before).enumerate() {
                        let (i, j) = (index / (n + gaps[2]), index % (n + gaps[2]));
                        let expected = if j < n {
                            reference(&a, &b, sum.then_some(*before), i, j)
                        } else {
                            *before
                        };
                        prop_assert_eq!(out.to_bits(), expected.to_bits(), "{}, {}: {} for {}", i, j, out, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn many_panels_and_a_left_matrix_stored_by_columns_far_apart() {
        let (m, n, k) = (500, 210, 300);
        let (a, b) = (values(k * m, 1), values(k * n, 2));
        let (a, b) = (Matrix::new(&a, k, m).transposed(), Matrix::new(&b, k, n));
        let mut out = vec![f32::NAN; m * n];
        matmul_here(MatrixMut::new(&mut out, m, n), a, b, Onto::Nothing);
        for i in 0..m {
            for j in 0..n {
                assert_eq!(out[i * n + j], reference(&a, &b, None, i, j), "{i}, {j}");
            }
        }
    }

    #[test]
    fn large_products_agree_with_plain_sums() {
        let size = LARGE;
        let (a, b) = (values(size * size, 1), values(size * size, 2));
        let (a, b) = (
            Matrix::new(&a, size, size),
            Matrix::new(&b, size, size).transposed(),
        );
        let mut out = vec![f32::NAN; size * size];
        matmul(&mut out, a, b);
        for index in (0..size * size).step_by(9_973) {
            let expected = reference(&a, &b, None, index / size, index % size);
            assert!((out[index] - expected).abs() < 1e-3, "{index}");
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
