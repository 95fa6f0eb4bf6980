//! What people read: for each file the kinds of matrix, then what every scheme costs them.

use experiments_quantization::{Bits, KindSurvey, Method, Survey};
use std::fmt::Write as _;
use words::{Table, approximate};

pub(super) fn of(surveys: &[Survey], methods: &[Method]) -> String {
    let mut text = String::new();
    for (at, survey) in surveys.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        let file = words::printable_path(&survey.file);
        let matrices = counted(survey.matrices.len());
        let _ = writeln!(text, "{file}: {matrices}{}", beside(survey));
        text += "\nweights, means over the matrices of a kind\n";
        text += &kinds(&survey.kinds);
        for bits in [Bits::Four, Bits::Eight] {
            if methods.iter().any(|method| method.bits == bits) {
                let _ = writeln!(text, "\nerror with {} bits", bits.count());
                text += &errors(&survey.kinds, bits);
            }
        }
    }
    text
}

/// What was not measured, in words.
fn beside(survey: &Survey) -> String {
    let left_out = survey.left_out.iter();
    let (matrices, other): (Vec<_>, Vec<_>) = left_out.partition(|tensor| tensor.shape.len() == 2);
    let mut parts = Vec::new();
    if !other.is_empty() {
        parts.push(words::counted(other.len() as u64, "tensor") + " of other dimensions");
    }
    if let [first, ..] = matrices.as_slice() {
        let count = counted(matrices.len());
        let (name, dtype) = (&first.name, &first.dtype);
        parts.push(format!(
            "{count} empty or in other types (`{name}`: {dtype})"
        ));
    }
    if parts.is_empty() {
        return String::new();
    }
    format!("; left out: {}", parts.join(", "))
}

fn counted(matrices: usize) -> String {
    match matrices {
        1 => "1 matrix".to_owned(),
        count => format!("{count} matrices"),
    }
}

fn kinds(kinds: &[KindSurvey]) -> String {
    let headings = [
        "kind",
        "matrices",
        "weights",
        "kurtosis",
        "skew",
        "beyond 6σ",
        "peak",
        "longest tails",
    ];
    let mut table = Table::of_numbers(&headings, &[7]);
    let number = |value: Option<f64>| two(value, "");
    for kind in kinds {
        let share = kind.outlier_share;
        table.row([
            kind.kind.to_string(),
            kind.matrices.to_string(),
            approximate(kind.weights),
            number(kind.excess_kurtosis),
            number(kind.skewness),
            share.map_or_else(dash, |share| format!("{:.4} %", 100.0 * share)),
            number(kind.absmax_over_rms),
            kind.longest_tails.clone().unwrap_or_else(dash),
        ]);
    }
    table.render(2)
}

/// A row for each scheme, a column for each kind.
fn errors(kinds: &[KindSurvey], bits: Bits) -> String {
    let headings = std::iter::once("scheme").chain(kinds.iter().map(|kind| kind.kind.name()));
    let mut table = Table::of_numbers(&headings.collect::<Vec<_>>(), &[]);
    let first = kinds.first().map_or(&[][..], |kind| &kind.errors);
    for (at, error) in first.iter().enumerate() {
        if error.method.bits != bits {
            continue;
        }
        let own = kinds.iter().map(|kind| {
            let error = kind.errors.get(at).and_then(|error| error.relative);
            two(error.map(|error| 100.0 * error), " %")
        });
        let scheme = error.method.scheme.to_string();
        table.row(std::iter::once(scheme).chain(own));
    }
    table.render(2)
}

/// With two decimals.
fn two(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(dash, |value| format!("{value:.2}{unit}"))
}

fn dash() -> String {
    "-".to_owned()
}
