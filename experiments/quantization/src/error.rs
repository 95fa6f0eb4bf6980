//! Why a matrix cannot be quantized.

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
