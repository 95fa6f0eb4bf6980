//! The matrices of files as dots: how wide their weights are, and what 4 bits cost them.

use super::labels;
use crate::failure::Failure;
use experiments_quantization::{Kind, MatrixSurvey, Scheme, Survey};
use workbench_report::{WeightsPanel, WeightsRow, weights_svg};

/// What is read of a matrix.
type Value<'a> = &'a dyn Fn(&MatrixSurvey) -> f64;

pub(super) fn draw(surveys: &[Survey]) -> Result<String, Failure> {
    let labels = labels(surveys);
    let mut panels = vec![
        panel(
            surveys,
            ("kurtosis", "How long the tails of the weights are"),
            "excess kurtosis + 3; a normal distribution has 3",
            &|matrix| matrix.weights.excess_kurtosis + 3.0,
        ),
        panel(
            surveys,
            ("peak", "Largest weight of a row over its root mean square"),
            "mean over the rows",
            &|matrix| matrix.weights.absmax_over_rms,
        ),
    ];
    let first = surveys.iter().flat_map(|survey| &survey.matrices).next();
    let errors = first.map_or(&[][..], |matrix| &matrix.errors);
    // The published scheme where it was measured; of 4 bits, which lose more.
    let shown = errors.iter().enumerate().min_by_key(|(at, error)| {
        let method = error.method;
        let is_other = method.scheme != Scheme::PUBLISHED;
        (is_other, method.bits.count(), *at)
    });
    if let Some((at, error)) = shown {
        let title = format!("What {} costs", error.method);
        panels.push(panel(
            surveys,
            ("error", &title),
            "error over weights, %",
            &|matrix| {
                let error = matrix.errors.get(at).and_then(|error| error.relative);
                100.0 * error.unwrap_or(f64::NAN)
            },
        ));
    }
    let title = format!("Weights of {}", labels.join(", "));
    Ok(weights_svg(&title, &labels, &panels)?)
}

/// The kinds in the order of a layer, of each every file.
fn panel(
    surveys: &[Survey],
    (what, title): (&str, &str),
    axis: &str,
    value: Value,
) -> WeightsPanel {
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        for (file, survey) in surveys.iter().enumerate() {
            let own = survey.matrices.iter().filter(|matrix| matrix.kind == kind);
            let matrices: Vec<(String, f64)> = own
                .map(|matrix| (matrix.name.clone(), value(matrix)))
                .collect();
            if !matrices.is_empty() {
                rows.push(WeightsRow {
                    kind: kind.to_string(),
                    file,
                    matrices,
                });
            }
        }
    }
    WeightsPanel {
        what: what.to_owned(),
        title: title.to_owned(),
        axis: axis.to_owned(),
        rows,
    }
}
