//! Surveys as one long table.

use super::Survey;
use std::fmt::Write as _;

/// Columns, in the order of [`survey_csv`].
const COLUMNS: [&str; 13] = [
    "file",
    "matrix",
    "kind",
    "dtype",
    "outputs",
    "inputs",
    "excess_kurtosis",
    "skewness",
    "outlier_share",
    "absmax_over_rms",
    "scheme",
    "bits",
    "relative_error",
];

/// A line for each matrix and method, under a line of headings. An error that a matrix does not have is empty.
#[must_use]
pub fn survey_csv(surveys: &[Survey]) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for survey in surveys {
        for matrix in &survey.matrices {
            let shape = &matrix.weights;
            let about = [
                quoted(&survey.file.display().to_string()),
                quoted(&matrix.name),
                quoted(matrix.kind.name()),
                matrix.dtype.clone(),
                matrix.shape[0].to_string(),
                matrix.shape[1].to_string(),
                number(Some(shape.excess_kurtosis)),
                number(Some(shape.skewness)),
                number(Some(shape.outlier_share)),
                number(Some(shape.absmax_over_rms)),
            ]
            .join(",");
            for error in &matrix.errors {
                let (scheme, bits) = (error.method.scheme, error.method.bits.count());
                let relative = number(error.relative);
                let _ = writeln!(text, "{about},{scheme},{bits},{relative}");
            }
        }
    }
    text
}

/// Nothing where there is no number.
fn number(value: Option<f64>) -> String {
    let finite = value.filter(|value| value.is_finite());
    finite.map_or_else(String::new, |value| value.to_string())
}

/// As RFC 4180 has a field that holds a comma, a quote or the end of a line.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
