//! What fewer bits would cost the matrices of a file, one by one and by kind. There is no model, so nothing is said of what it
//! would lose.

mod table;

pub use table::survey_csv;

use crate::bits::Bits;
use crate::error::{QuantizeError, WeightsError};
use crate::kind::Kind;
use crate::loss::{Loss, Shape};
use crate::quantized::{Source, quantize};
use crate::scheme::Scheme;
use crate::weights_file::{LeftOut, ListedMatrix, WeightsFile};
use half::f16;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};

/// A way to quantize a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// How a scale is chosen, and what shares one.
    pub scheme: Scheme,
    /// Bits of a code.
    pub bits: Bits,
}

impl Method {
    /// Every scheme that needs no text, with 4 and with 8 bits.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let schemes = Scheme::all().filter(|scheme| !scheme.rule.is_calibrated());
        let both =
            schemes.flat_map(|scheme| [Bits::Four, Bits::Eight].map(|bits| Self { scheme, bits }));
        both.collect()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}-int{}", self.scheme, self.bits.count())
    }
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// Where it lies.
    #[serde(serialize_with = "as_shown")]
    pub file: PathBuf,
    /// The kinds of matrix that it has, in the order of a layer.
    pub kinds: Vec<KindSurvey>,
    /// Every matrix, in the order of the file.
    pub matrices: Vec<MatrixSurvey>,
    /// Tensors that are no matrices in full precision.
    pub left_out: Vec<LeftOut>,
}

/// A matrix, rounded to FP16.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatrixSurvey {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// How the file holds a value.
    pub dtype: String,
    /// Outputs and inputs.
    pub shape: [usize; 2],
    /// Whether the file has inputs before outputs.
    pub is_transposed: bool,
    /// Rows that are all zero: of an embedding, vectors of tokens that were never seen.
    pub empty_rows: u64,
    /// How its weights are distributed.
    #[serde(flatten)]
    pub weights: Shape,
    /// What it lost, for each method.
    #[serde(serialize_with = "by_method")]
    pub errors: Vec<MethodError>,
}

/// What a matrix lost by a method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MethodError {
    /// The method.
    pub method: Method,
    /// Root of the sum of squared errors over that of squared weights; none where the scheme does not divide the matrix.
    pub relative: Option<f64>,
}

/// The matrices of a kind: means over them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindSurvey {
    /// What they do.
    pub kind: Kind,
    /// How many they are.
    pub matrices: usize,
    /// How many weights they have together.
    pub weights: u64,
    /// See [`Shape`].
    pub excess_kurtosis: Option<f64>,
    /// See [`Shape`].
    pub skewness: Option<f64>,
    /// See [`Shape`].
    pub outlier_share: Option<f64>,
    /// See [`Shape`].
    pub absmax_over_rms: Option<f64>,
    /// The matrix with the highest kurtosis.
    pub longest_tails: Option<String>,
    /// Mean error of those that a method divides, for each method.
    #[serde(serialize_with = "by_method")]
    pub errors: Vec<MethodError>,
}

/// Measures every matrix of a file in every way. `on_done` is told how many are done.
pub fn survey(
    file: &mut WeightsFile,
    methods: &[Method],
    on_done: &mut dyn FnMut(usize),
) -> Result<Survey, WeightsError> {
    let mut matrices = Vec::new();
    let mut refused = None;
    for listed in file.matrices().to_vec() {
        let values = file.values(&listed)?;
        matrices.push(of_matrix(file, &listed, &values, methods, &mut refused)?);
        on_done(matrices.len());
    }
    let errors = matrices.iter().flat_map(|matrix| &matrix.errors);
    let is_measured = errors.clone().any(|error| error.relative.is_some());
    if let (false, Some(problem)) = (is_measured, refused) {
        return Err(failed(file, problem));
    }
    let kinds = Kind::ALL
        .into_iter()
        .filter_map(|kind| of_kind(kind, &matrices));
    Ok(Survey {
        file: file.path().to_owned(),
        kinds: kinds.collect(),
        left_out: file.left_out().to_vec(),
        matrices,
    })
}

fn failed(file: &WeightsFile, problem: QuantizeError) -> WeightsError {
    WeightsError::Matrix {
        path: file.path().to_owned(),
        problem,
    }
}

/// One matrix. `refused` becomes why a method does not divide it.
fn of_matrix(
    file: &WeightsFile,
    listed: &ListedMatrix,
    values: &[f32],
    methods: &[Method],
    refused: &mut Option<QuantizeError>,
) -> Result<MatrixSurvey, WeightsError> {
    let columns = listed.shape[1];
    let source = Source {
        name: &listed.name,
        shape: listed.shape,
        values,
        ranks: 1,
        calibration: None,
    };
    if let Some(problem) = source.value_out_of_range() {
        return Err(failed(file, problem));
    }
    let half: Vec<f32> = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
    let empty_rows = empty_rows(file, listed, &half)?;
    let mut errors = Vec::new();
    for method in methods {
        let relative = match quantize(&source, method.scheme, method.bits) {
            Ok(made) => Some(Loss::between(&half, &made.values()).relative),
            // A matrix of another width may divide.
            Err(problem @ QuantizeError::Shape { .. }) => {
                refused.get_or_insert(problem);
                None
            }
            Err(problem) => return Err(failed(file, problem)),
        };
        errors.push(MethodError {
            method: *method,
            relative,
        });
    }
    Ok(MatrixSurvey {
        name: listed.name.clone(),
        kind: listed.kind,
        dtype: listed.dtype.to_string(),
        shape: listed.shape,
        is_transposed: listed.is_transposed,
        empty_rows,
        weights: Shape::of(&half, columns),
        errors,
    })
}

/// How many rows are all zero. A map has none: such a file was cut, or never trained. Of an embedding they are the vectors
/// of tokens that no text has.
fn empty_rows(
    file: &WeightsFile,
    listed: &ListedMatrix,
    values: &[f32],
) -> Result<u64, WeightsError> {
    let rows = values.chunks_exact(listed.shape[1]);
    let mut empty = (0..)
        .zip(rows)
        .filter(|(_, row)| row.iter().all(|v| *v == 0.0));
    let Some((row, _)) = empty.next() else {
        return Ok(0);
    };
    let count = 1 + empty.count() as u64;
    if listed.kind == Kind::Embedding && count < listed.shape[0] as u64 {
        return Ok(count);
    }
    Err(WeightsError::EmptyRows {
        path: file.path().to_owned(),
        tensor: listed.name.clone(),
        row,
        count,
    })
}

/// The matrices of a kind, if there are any.
fn of_kind(kind: Kind, all: &[MatrixSurvey]) -> Option<KindSurvey> {
    let own: Vec<&MatrixSurvey> = all.iter().filter(|matrix| matrix.kind == kind).collect();
    let first = own.first()?;
    let of = |value: fn(&Shape) -> f64| mean(own.iter().map(|matrix| value(&matrix.weights)));
    let wide = own
        .iter()
        .filter(|matrix| matrix.weights.excess_kurtosis.is_finite());
    let longest_tails = wide.max_by(|a, b| {
        let kurtosis = |matrix: &MatrixSurvey| matrix.weights.excess_kurtosis;
        kurtosis(a).total_cmp(&kurtosis(b))
    });
    // Every matrix has the methods in the same order.
    let errors = first
        .errors
        .iter()
        .enumerate()
        .map(|(at, error)| MethodError {
            relative: mean(own.iter().filter_map(|matrix| matrix.errors[at].relative)),
            ..*error
        });
    Some(KindSurvey {
        kind,
        matrices: own.len(),
        weights: own
            .iter()
            .map(|matrix| matrix.shape.iter().product::<usize>() as u64)
            .sum(),
        excess_kurtosis: of(|shape| shape.excess_kurtosis),
        skewness: of(|shape| shape.skewness),
        outlier_share: of(|shape| shape.outlier_share),
        absmax_over_rms: of(|shape| shape.absmax_over_rms),
        longest_tails: longest_tails.map(|matrix| matrix.name.clone()),
        errors: errors.collect(),
    })
}

/// Of the values that are numbers, if there are any: all weights the same have no kurtosis.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64)
}

/// A path as people read it: JSON has no other bytes.
fn as_shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Errors by the names of their methods.
fn by_method<S: Serializer>(errors: &[MethodError], serializer: S) -> Result<S::Ok, S::Error> {
    let named = errors
        .iter()
        .map(|error| (error.method.to_string(), error.relative));
    serializer.collect_map(named)
}
