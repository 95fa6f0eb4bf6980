//! Why a matrix cannot be quantized, or a file not be measured.

use std::path::PathBuf;

/// Errors of quantization; each names what is wrong and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// No such scheme.
    #[error("no scheme is called `{name}`: {problem}")]
    Scheme {
        /// What was asked for.
        name: String,
        /// What is wrong and what there is.
        problem: String,
    },
    /// Bits that are not 4 or 8.
    #[error("weights of {0} bits are not known; there are 4 and 8")]
    Bits(u8),
    /// A value that FP16 cannot hold.
    #[error("`{matrix}`, row {row}, column {column} is {value}, which FP16 cannot hold")]
    Value {
        /// The matrix.
        matrix: String,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: String,
    },
    /// A shape that the scheme cannot divide.
    #[error("`{matrix}` is {rows} × {columns}: {problem}")]
    Shape {
        /// The matrix.
        matrix: String,
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// What does not divide, and what would.
        problem: String,
    },
    /// A calibrated rule without the inputs that it is calibrated on.
    #[error("`{matrix}`: {problem}")]
    Calibration {
        /// The matrix.
        matrix: String,
        /// What is missing or wrong.
        problem: String,
    },
}

impl QuantizeError {
    /// A shape, rows and columns, that cannot be divided as was asked.
    pub(crate) fn shape(
        matrix: &str,
        [rows, columns]: [usize; 2],
        problem: impl Into<String>,
    ) -> Self {
        Self::Shape {
            matrix: matrix.to_owned(),
            rows,
            columns,
            problem: problem.into(),
        }
    }
}

/// Why the weights of a file cannot be measured; each error names the file and, where there is one, the tensor.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file could not be read.
    #[error("cannot read {}`{}`", of(.tensor.as_deref()), .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The tensor that was being read.
        tensor: Option<String>,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("`{}` is no safetensors file: {problem}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// It has not the length that its header tells of.
    #[error("`{}` has {length} bytes, its header tells of {expected}{}", .path.display(), cut(.tensor.as_deref()))]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes there are.
        length: u64,
        /// Bytes there should be.
        expected: u64,
        /// The first tensor that is not there as a whole.
        tensor: Option<String>,
    },
    /// There is nothing to measure.
    #[error("`{}` holds no matrix: expected a tensor of two dimensions in F32, F16 or BF16; {there}", .path.display())]
    NoMatrix {
        /// The file.
        path: PathBuf,
        /// What there is.
        there: String,
    },
    /// Rows that are all zero, which no trained map has.
    #[error(
        "`{}`, `{tensor}`: row {row} is all zero, the first of {}; expected trained weights",
        .path.display(),
        words::counted(*.count, "such row")
    )]
    EmptyRows {
        /// The file.
        path: PathBuf,
        /// The matrix.
        tensor: String,
        /// The first such row, from 0.
        row: usize,
        /// How many there are.
        count: u64,
    },
    /// A matrix cannot be quantized in the way that was asked for.
    #[error("`{}`: {problem}", .path.display())]
    Matrix {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        problem: QuantizeError,
    },
}

/// The tensor of an error, before the file.
fn of(tensor: Option<&str>) -> String {
    tensor.map_or_else(String::new, |tensor| format!("`{tensor}` of "))
}

/// Where a file is cut off.
fn cut(tensor: Option<&str>) -> String {
    tensor.map_or_else(
        || ": expected none behind its tensors".to_owned(),
        |tensor| format!(": it is cut off in or before `{tensor}`"),
    )
}
