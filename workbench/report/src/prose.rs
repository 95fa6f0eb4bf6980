//! Numbers and sentences as a reader of the report wants them.

/// Stands where there is no number.
pub(crate) const NONE: &str = "–";

/// A loss in nats, four decimals; NaN and infinities by name.
pub(crate) fn loss(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => (if value > 0.0 { "∞" } else { "−∞" }).to_owned(),
        value => minus(&format!("{value:.4}")),
    }
}

/// [`loss`], or a dash.
pub(crate) fn loss_or_dash(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), loss)
}

/// An interval of losses.
pub(crate) fn interval(low: f64, high: f64) -> String {
    format!("{} to {}", loss(low), loss(high))
}

/// An interval of shares as `36–99.6 %`. Without decimals, but never rounded to a certainty.
pub(crate) fn shares(low: f64, high: f64) -> String {
    let percent = |share: f64| match share * 100.0 {
        p if (p > 0.0 && p < 0.5) || (p > 99.5 && p < 100.0) => format!("{p:.1}"),
        p => format!("{p:.0}"),
    };
    format!("{}–{} %", percent(low), percent(high))
}

/// A difference of shares, `83 percentage points`.
pub(crate) fn point(share: f64) -> String {
    format!("{} percentage points", whole(share))
}

/// An interval of differences of shares, in percentage points.
pub(crate) fn points(low: f64, high: f64) -> String {
    format!("{} to {}", whole(low), whole(high))
}

/// A p value: three digits that matter, and a bound where it is tiny.
pub(crate) fn p_value(p: f64) -> String {
    if p < 1e-4 {
        "below 0.0001".to_owned()
    } else {
        significant(p, 2)
    }
}

/// `digits` significant digits without trailing zeros.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let rounded = format!("{value:.*e}", digits.saturating_sub(1))
        .parse()
        .unwrap_or(value);
    crate::plot::axis::number(rounded)
}

/// The CSS class of a verdict, or of what a criterion found.
pub(crate) fn verdict_class(status: sweeps::VerdictStatus) -> &'static str {
    match status {
        sweeps::VerdictStatus::Reproduced => "reproduced",
        sweeps::VerdictStatus::NotReproduced => "not-reproduced",
        sweeps::VerdictStatus::Inconclusive => "inconclusive",
        sweeps::VerdictStatus::Exploration => "exploration",
    }
}

/// With a capital letter at its beginning, unless it begins with the name of a signal.
pub(crate) fn capitalised(sentence: &str) -> String {
    let first = sentence.split_whitespace().next().unwrap_or("");
    if first.contains('_') {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// Whole percentage points; adding zero turns −0 into 0.
fn whole(share: f64) -> String {
    minus(&format!("{}", (share * 100.0).round() + 0.0))
}

fn minus(number: &str) -> String {
    number.replace('-', "−")
}

/// Of how many of the finished runs a mean is, where some have no finite value.
pub(crate) fn of_finite(finite: usize, finished: usize) -> String {
    if finite < finished {
        format!(" over the {finite} with a finite value")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(loss(3.256_78), "3.2568");
        assert_eq!(loss(f64::NAN), "NaN");
        assert_eq!(interval(-0.2, 0.3), "−0.2000 to 0.3000");
        assert_eq!(shares(0.0, 0.459), "0–46 %");
        assert_eq!(shares(0.358_8, 0.995_8), "36–99.6 %");
        assert_eq!(p_value(0.015_151_5), "0.015");
        assert_eq!(p_value(1e-9), "below 0.0001");
        assert_eq!(of_finite(7, 24), " over the 7 with a finite value");
        assert_eq!(of_finite(24, 24), "");
        assert_eq!(p_value(1.0), "1");
    }
}
