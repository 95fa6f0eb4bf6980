//! The innermost loops of a matrix product.
//!
//! A tile of the output stays in registers while the inner dimension runs. The loops are compiled for
//! AVX-512, for AVX2 and for any CPU, with tiles as large as the registers of each. An element of the
//! output is the same chain of fused multiply-adds in a tile of any size, so all three give the same
//! bits.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

use super::lanes::Lanes;

/// Products that are summed in registers before they are added to the output. The sums of so many
/// terms each are part of the result's definition: another depth gives other bits.
pub(super) const DEPTH: usize = 256;

/// Values in a line of the cache.
const LINE: usize = 16;

/// Depth up to which lines of the output are not asked for early.
const SHALLOW: usize = 32;

/// Width of the widest panel.
const WIDEST: usize = 32;

/// The rows of a left matrix and one piece of the inner dimension, as the innermost loops take them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    /// Element `(i, k)` of tile `t` is `values[t · tile + i · row + k · column]`.
    pub(super) values: &'a [f32],
    pub(super) tile: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Part of a product: all rows, a few columns and at most [`DEPTH`] of the inner dimension.
pub(super) struct Panel<'a> {
    pub(super) left: Left<'a>,
    /// Element `(k, j)` of the right matrix is `right[k · right_row + j]`; there are as many columns as
    /// the panel is wide, also where the output has fewer.
    pub(super) right: &'a [f32],
    pub(super) right_row: usize,
    /// Element `(i, j)` of the output is `out[i · out_row + j]`.
    pub(super) out: &'a mut [f32],
    pub(super) out_row: usize,
    pub(super) rows: usize,
    pub(super) depth: usize,
    /// Columns of the output, at most the panel's width.
    pub(super) columns: usize,
    /// Whether the output keeps what it has.
    pub(super) add: bool,
}

/// The loops compiled for one kind of CPU.
#[derive(Debug)]
pub(super) struct Tiles {
    /// Widths of narrow and wide panels: one register and two.
    pub(super) widths: [usize; 2],
    /// Rows of a tile, except the last.
    pub(super) height: usize,
    /// Copies the elements of a tile to where they are adjacent: as many columns as the output has room for,
    /// `stride` apart. Rows that the matrix lacks at the end of its last column are left as they are.
    pub(super) lay_out: fn(out: &mut [f32], columns: &[f32], stride: usize),
    /// Whether the CPU at hand can run them.
    runs: fn() -> bool,
    narrow: unsafe fn(Panel),
    wide: unsafe fn(Panel),
}

impl Tiles {
    /// The fastest that the CPU at hand can run.
    pub(super) fn of_this_cpu() -> &'static Self {
        Self::all().next().unwrap_or(&ANY)
    }

    /// All that the CPU at hand can run, the fastest first.
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        ALL.iter().copied().filter(|tiles| (tiles.runs)())
    }

    /// Width of the panel that begins where `columns` are left.
    pub(super) fn width(&self, columns: usize) -> usize {
        let [narrow, wide] = self.widths;
        if columns > narrow { wide } else { narrow }
    }

    /// Computes a panel of `width`, one of [`Self::widths`].
    pub(super) fn compute(&self, width: usize, panel: Panel) {
        let compute = if width == self.widths[1] {
            self.wide
        } else {
            self.narrow
        };
        // SAFETY: nobody outside gets loops whose instructions the CPU lacks.
        #[expect(unsafe_code, reason = "a function for a CPU found at run time")]
        unsafe {
            compute(panel);
        }
    }
}

/// Compiles the loops for one kind of register and tiles of at most so many rows.
macro_rules! tiles {
    ($name:ident, $module:ident, $(#[$features:meta])? $register:ty, [$($height:literal)*], $runs:expr) => {
        mod $module {
            use super::{Lanes, Panel, tile};

            pub(super) const ROWS: usize = [$($height),*].len();

            $(#[$features])?
            pub(super) fn narrow(panel: Panel) {
                every_tile::<1>(panel);
            }

            $(#[$features])?
            pub(super) fn wide(panel: Panel) {
                every_tile::<2>(panel);
            }

            #[inline(always)]
            fn every_tile<const REGISTERS: usize>(mut panel: Panel) {
                for (t, row) in (0..panel.rows).step_by(ROWS).enumerate() {
                    let left = t * panel.left.tile;
                    match ROWS.min(panel.rows - row) {
                        $($height => tile::<$register, $height, REGISTERS>(&mut panel, left, row),)*
                        _ => unreachable!("heights up to {ROWS}"),
                    }
                }
            }

            pub(super) fn lay_out(out: &mut [f32], columns: &[f32], stride: usize) {
                let (out, _) = out.as_chunks_mut::<ROWS>();
                for (out, column) in out.iter_mut().zip(columns.chunks(stride)) {
                    if let Some(column) = column.first_chunk::<ROWS>() {
                        *out = *column;
                    } else {
                        lay_out_end(out, column);
                    }
                }
            }

            // Out of line: merged with the copy above, a copy of unknown length would come of it.
            #[cold]
            fn lay_out_end(out: &mut [f32], column: &[f32]) {
                out[..column.len()].copy_from_slice(column);
            }

            pub(super) const WIDTHS: [usize; 2] =
                [<$register as Lanes>::COUNT, 2 * <$register as Lanes>::COUNT];
        }

        static $name: Tiles = Tiles {
            widths: $module::WIDTHS,
            height: $module::ROWS,
            lay_out: $module::lay_out,
            runs: $runs,
            narrow: $module::narrow,
            wide: $module::wide,
        };
    };
}

// 12 × 2 of 32 registers, and 6 × 2 of 16, hold the output; two more hold the right matrix.
#[cfg(target_arch = "x86_64")]
tiles!(
    AVX512,
    avx512,
    #[target_feature(enable = "avx512f,avx2,fma")]
    std::arch::x86_64::__m512,
    [1 2 3 4 5 6 7 8 9 10 11 12],
    crate::simd::has_widest
);
#[cfg(target_arch = "x86_64")]
tiles!(
    AVX2,
    avx2,
    #[target_feature(enable = "avx2,fma")]
    std::arch::x86_64::__m256,
    [1 2 3 4 5 6],
    crate::simd::has_wide
);
tiles!(ANY, any, [f32; 8], [1 2 3 4 5 6], || true);

#[cfg(target_arch = "x86_64")]
static ALL: [&Tiles; 3] = [&AVX512, &AVX2, &ANY];
#[cfg(not(target_arch = "x86_64"))]
static ALL: [&Tiles; 1] = [&ANY];

/// `M` rows of a panel of `R` registers, from `row` on; those of the left matrix begin at `left`.
#[inline(always)]
#[expect(
    unsafe_code,
    reason = "a comparison per element would cost a third of the time"
)]
fn tile<L: Lanes, const M: usize, const R: usize>(panel: &mut Panel, left: usize, row: usize) {
    let depth = panel.depth;
    let Left {
        values,
        row: left_row,
        column: left_column,
        ..
    } = panel.left;
    let left = &values[left..];
    let reach = (M - 1) * left_row + (depth - 1) * left_column;
    assert!(reach < left.len(), "left matrix");
    let reach = (depth - 1) * panel.right_row + R * L::COUNT;
    assert!(reach <= panel.right.len(), "right matrix");
    let out = &mut panel.out[row * panel.out_row..];
    const { assert!(R * L::COUNT <= WIDEST) };
    let reach = (M - 1) * panel.out_row + panel.columns;
    assert!((1..=R * L::COUNT).contains(&panel.columns), "columns");
    assert!(reach <= out.len(), "output");

    // SAFETY: no pointer goes further than the reach of its slice. `L` is a register of the CPU, as these
    // loops run.
    unsafe {
        // Every line that the output's rows touch, also where they begin within one. Little depth is done
        // before a line could come.
        if depth > SHALLOW {
            for m in 0..M {
                let row = out.as_ptr().add(m * panel.out_row);
                for start in (0..panel.columns).step_by(LINE) {
                    L::fetch(row.add(start));
                }
                L::fetch(row.add(panel.columns - 1));
            }
        }
        let mut sums = [[L::of(0.0); R]; M];
        let (mut a, mut b) = (left.as_ptr(), panel.right.as_ptr());
        for k in 0..depth {
            let mut right = [L::of(0.0); R];
            for (r, right) in right.iter_mut().enumerate() {
                *right = L::load(b.add(r * L::COUNT));
            }
            for (m, sums) in sums.iter_mut().enumerate() {
                let x = L::of(*a.add(m * left_row));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = sum.plus_product(x, right);
                }
            }
            if k + 1 < depth {
                a = a.add(left_column);
                b = b.add(panel.right_row);
            }
        }
        let one = L::of(1.0);
        for (m, sums) in sums.into_iter().enumerate() {
            let mut row = [0.0; WIDEST];
            let own = out.as_mut_ptr().add(m * panel.out_row);
            let whole = panel.columns == R * L::COUNT;
            let to = if whole { own } else { row.as_mut_ptr() };
            if !whole && panel.add {
                own.copy_to_nonoverlapping(to, panel.columns);
            }
            for (r, sum) in sums.into_iter().enumerate() {
                let to = to.add(r * L::COUNT);
                let sum = if panel.add {
                    L::load(to).plus_product(one, sum)
                } else {
                    sum
                };
                sum.store(to);
            }
            if !whole {
                to.copy_to_nonoverlapping(own, panel.columns);
            }
        }
    }
}
