//! The blocks of a matrix whose elements share a scale.

use crate::bits::Bits;
use crate::error::QuantizeError;

/// Which elements share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// An output row, as published.
    Row,
    /// An input column.
    Column,
    /// The whole matrix.
    Tensor,
    /// So many neighbouring elements of a row.
    Group(usize),
}

/// A grid of equal blocks over a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// Columns of the matrix.
    pub(crate) columns: usize,
    /// Rows of a block.
    pub(crate) height: usize,
    /// Columns of a block.
    pub(crate) width: usize,
    /// Blocks along the rows, and along the columns.
    pub(crate) grid: [usize; 2],
}

impl Blocks {
    /// The blocks of `matrix`, whose columns lie on so many ranks, or why it has none.
    pub(crate) fn new(
        matrix: &str,
        [rows, columns]: [usize; 2],
        sharing: Sharing,
        ranks: usize,
        bits: Bits,
    ) -> Result<Self, QuantizeError> {
        let refuse = |problem: String| Err(QuantizeError::shape(matrix, [rows, columns], problem));
        if rows == 0 || columns == 0 {
            return refuse("expected at least one element".to_owned());
        }
        if ranks == 0 || !columns.is_multiple_of(ranks) {
            let problem = format!("its columns do not divide by {ranks} tensor-parallel ranks");
            return refuse(problem);
        }
        let own = columns / ranks;
        let per_byte = bits.codes_per_byte();
        if !own.is_multiple_of(per_byte) {
            let problem =
                format!("{own} columns on a rank do not divide by the {per_byte} codes of a byte");
            return refuse(problem);
        }
        let [height, width] = match sharing {
            Sharing::Row => [1, own],
            Sharing::Column => [rows, 1],
            Sharing::Tensor => [rows, own],
            Sharing::Group(size) => [1, size],
        };
        if width == 0 || !own.is_multiple_of(width) {
            let problem = format!("{own} columns on a rank do not divide by groups of {width}");
            return refuse(problem);
        }
        Ok(Self {
            columns,
            height,
            width,
            grid: [rows / height, columns / width],
        })
    }

    /// So many blocks along the rows and along the columns of `matrix`.
    pub(crate) fn of_grid(
        matrix: &str,
        [rows, columns]: [usize; 2],
        grid: [usize; 2],
    ) -> Result<Self, QuantizeError> {
        let divides = |count: usize, blocks: usize| {
            (count > 0 && blocks > 0 && count.is_multiple_of(blocks)).then(|| count / blocks)
        };
        let size = divides(rows, grid[0]).zip(divides(columns, grid[1]));
        let (height, width) = size.ok_or_else(|| {
            let problem = format!("does not divide into {} × {} blocks", grid[0], grid[1]);
            QuantizeError::shape(matrix, [rows, columns], problem)
        })?;
        Ok(Self {
            columns,
            height,
            width,
            grid,
        })
    }

    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// The block of an element.
    pub(crate) fn of(self, row: usize, column: usize) -> usize {
        row / self.height * self.grid[1] + column / self.width
    }

    /// Indices of the elements of a block in the matrix, row by row.
    pub(crate) fn elements(self, block: usize) -> impl Iterator<Item = usize> {
        let (down, across) = (block / self.grid[1], block % self.grid[1]);
        let rows = down * self.height..(down + 1) * self.height;
        rows.flat_map(move |row| {
            let first = row * self.columns + across * self.width;
            first..first + self.width
        })
    }
}
