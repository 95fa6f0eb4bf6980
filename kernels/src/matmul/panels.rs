//! Matrices laid out as the innermost loops read them: the right one as panels of columns, one row of a
//! panel after the other, the left one as tiles of rows, one column of a tile after the other.

use super::Matrix;
use super::tile::{DEPTH, Left, Tiles};
use crate::Buffer;
use rayon::prelude::*;
use std::ops::Range;

/// Columns and rows that are transposed at a time.
const SQUARE: usize = 8;

/// Rows of a matrix that are fetched ahead because they begin so few values apart.
const NEAR: usize = 128;

/// The inner dimension in pieces of at most [`DEPTH`].
pub(super) fn depths(k: usize) -> impl Iterator<Item = Range<usize>> {
    (0..k).step_by(DEPTH).map(move |k0| k0..(k0 + DEPTH).min(k))
}

/// A part of the right matrix: some rows, and the columns of one panel.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) depth: Range<usize>,
    pub(super) columns: Range<usize>,
    /// Width of the panel, at least the number of columns.
    pub(super) width: usize,
}

impl Part {
    /// All panels of `n` columns.
    pub(super) fn all(depth: Range<usize>, n: usize, tiles: &Tiles) -> impl Iterator<Item = Self> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let width = (from < n).then(|| tiles.width(n - from))?;
            let columns = from..(from + width).min(n);
            from += width;
            Some(Self {
                depth: depth.clone(),
                columns,
                width,
            })
        })
    }

    /// Number of values in a panel's layout.
    pub(super) fn len(&self) -> usize {
        self.depth.len() * self.width
    }

    /// Whether the innermost loops can read this part of the matrix where it lies, and fast: rows of the panel
    /// must be whole and adjacent in memory, and must not evict each other from the first-level cache.
    pub(super) fn lies_well(&self, matrix: &Matrix) -> bool {
        matrix.column_stride == 1
            && self.columns.len() == self.width
            && !evict(self.depth.len(), self.width, matrix.row_stride)
    }

    /// Lays the part out; columns beyond the matrix become 0.
    pub(super) fn lay_out(&self, panel: &mut [f32], matrix: &Matrix) {
        let (k0, j0) = (self.depth.start, self.columns.start);
        let from = &matrix.values[k0 * matrix.row_stride + j0 * matrix.column_stride..];
        if matrix.column_stride == 1 {
            for (k, out) in panel.chunks_exact_mut(self.width).enumerate() {
                let (out, padding) = out.split_at_mut(self.columns.len());
                let row = &from[k * matrix.row_stride..][..out.len()];
                // Known lengths are copied in place.
                let (blocks, rest) = out.as_chunks_mut::<SQUARE>();
                let (row_blocks, row_rest) = row.as_chunks::<SQUARE>();
                for (out, row) in blocks.iter_mut().zip(row_blocks) {
                    *out = *row;
                }
                rest.copy_from_slice(row_rest);
                padding.fill(0.0);
            }
        } else {
            transpose(
                panel,
                self.width,
                from,
                matrix.column_stride,
                self.columns.len(),
            );
        }
    }
}

/// Whether rows of a panel, `stride` values apart, compete for lines of a first-level cache: 64 sets of
/// 64 bytes, of which a panel may take six ways. Rows that lie near are fetched ahead anyway.
fn evict(rows: usize, width: usize, stride: usize) -> bool {
    const SETS: usize = 64;
    const LINE: usize = 16;
    if stride <= NEAR || !stride.is_multiple_of(LINE) {
        return false;
    }
    // Rows begin in every `step`-th set.
    let step = 1 << (stride / LINE).trailing_zeros().min(SETS.trailing_zeros());
    let lines = width.div_ceil(LINE);
    rows * lines > 6 * SETS / step * lines.min(step)
}

/// All parts of a right matrix, for products of several left matrices with it.
#[derive(Debug)]
pub(super) struct Panels(Buffer);

impl Panels {
    /// Lays out a matrix.
    pub(super) fn new(matrix: &Matrix, tiles: &Tiles) -> Self {
        let parts: Vec<Part> = depths(matrix.rows)
            .flat_map(|depth| Part::all(depth, matrix.columns, tiles))
            .collect();
        let mut values = Buffer::new(parts.iter().map(Part::len).sum());
        let mut rest = &mut *values;
        let panels = parts
            .iter()
            .filter_map(|part| rest.split_off_mut(..part.len()));
        let jobs: Vec<_> = parts.iter().zip(panels).collect();
        jobs.into_par_iter()
            .with_min_len(8)
            .for_each(|(part, panel)| part.lay_out(panel, matrix));
        Self(values)
    }

    /// The panels from the first on.
    pub(super) fn values(&self) -> &[f32] {
        &self.0
    }
}

impl<'a> Left<'a> {
    /// From a matrix that begins at the first element; copied to `scratch` where that pays: where the
    /// elements of a column are adjacent but columns far apart, and many panels use them.
    pub(super) fn new(
        matrix: &Matrix<'a>,
        depth: Range<usize>,
        panels: usize,
        tiles: &Tiles,
        scratch: &'a mut Vec<f32>,
    ) -> Self {
        /// Panels that make up for a copy.
        const MANY: usize = 6;
        let height = tiles.height;
        let values = &matrix.values[depth.start * matrix.column_stride..];
        if matrix.row_stride != 1 || matrix.column_stride <= NEAR || panels < MANY {
            return Self {
                values,
                tile: height * matrix.row_stride,
                row: matrix.row_stride,
                column: matrix.column_stride,
            };
        }
        let tile = height * depth.len();
        scratch.resize(matrix.rows.div_ceil(height) * tile, 0.0);
        for (t, out) in scratch.chunks_exact_mut(tile).enumerate() {
            (tiles.lay_out)(out, &values[t * height..], matrix.column_stride);
        }
        Self {
            values: scratch,
            tile,
            row: 1,
            column: height,
        }
    }
}

/// From columns `stride` apart to rows of `width`; the first `columns` of each are filled, the others
/// become 0.
fn transpose(panel: &mut [f32], width: usize, from: &[f32], stride: usize, columns: usize) {
    let depth = panel.len() / width;
    let whole = |n: usize| n / SQUARE * SQUARE;
    let (squares, deep) = (whole(columns), whole(depth));
    for k in (0..deep).step_by(SQUARE) {
        for j in (0..squares).step_by(SQUARE) {
            transpose_square(
                &from[j * stride + k..],
                stride,
                &mut panel[k * width + j..],
                width,
            );
        }
    }
    for (k, row) in panel.chunks_exact_mut(width).enumerate() {
        let done = if k < deep { squares } else { 0 };
        for (j, out) in row.iter_mut().enumerate().skip(done) {
            *out = if j < columns {
                from[j * stride + k]
            } else {
                0.0
            };
        }
    }
}

/// Transposes 8 rows of 8 values, `stride` apart, to rows `width` apart.
fn transpose_square(from: &[f32], stride: usize, to: &mut [f32], width: usize) {
    let last = SQUARE - 1;
    assert!(last * stride + SQUARE <= from.len() && last * width + SQUARE <= to.len());
    #[cfg(target_arch = "x86_64")]
    if crate::simd::has_wide() {
        // SAFETY: the CPU has AVX2, and the last row of either side lies inside its slice.
        #[expect(unsafe_code, reason = "shuffles that the language has no word for")]
        return unsafe { transpose_registers(from.as_ptr(), stride, to.as_mut_ptr(), width) };
    }
    for (k, row) in to.chunks_mut(width).take(SQUARE).enumerate() {
        for (j, out) in row[..SQUARE].iter_mut().enumerate() {
            *out = from[j * stride + k];
        }
    }
}

/// [`transpose_square`] in three rounds of shuffles: of single values, of pairs, of halves.
///
/// # Safety
/// Both sides have 8 rows of 8 values.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "loads and stores by pointer")]
unsafe fn transpose_registers(from: *const f32, stride: usize, to: *mut f32, width: usize) {
    use std::arch::x86_64::{
        _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };
    // SAFETY: rows 0 to 7, as the caller says.
    let rows: [_; SQUARE] =
        std::array::from_fn(|j| unsafe { _mm256_loadu_ps(from.add(j * stride)) });
    let values = |pair: usize| {
        let (a, b) = (rows[2 * pair], rows[2 * pair + 1]);
        [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)]
    };
    let pairs = |half: usize| {
        let ([a, b], [c, d]) = (values(2 * half), values(2 * half + 1));
        [
            _mm256_shuffle_ps::<0b01_00_01_00>(a, c),
            _mm256_shuffle_ps::<0b11_10_11_10>(a, c),
            _mm256_shuffle_ps::<0b01_00_01_00>(b, d),
            _mm256_shuffle_ps::<0b11_10_11_10>(b, d),
        ]
    };
    let (low, high) = (pairs(0), pairs(1));
    for k in 0..SQUARE / 2 {
        let (a, b) = (low[k], high[k]);
        // SAFETY: rows 0 to 7, as the caller says.
        unsafe {
            _mm256_storeu_ps(to.add(k * width), _mm256_permute2f128_ps::<0x20>(a, b));
            _mm256_storeu_ps(
                to.add((k + 4) * width),
                _mm256_permute2f128_ps::<0x31>(a, b),
            );
        }
    }
}
