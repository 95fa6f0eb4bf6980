//! The test without statistics.

use super::Finding;
use super::measured::place;
use super::runs::Runs;
use crate::VerdictStatus;
use crate::card::{Bound, Settings};
use crate::verdict::text::number;

pub(super) fn exact(runs: &Runs<'_>, at: &Settings, bound: Bound, finding: &mut Finding) {
    let labels = finding.arms.clone();
    let finished: Vec<f64> = labels
        .iter()
        .flat_map(|label| runs.of_arm(label))
        .filter(|run| run.outcome().is_some())
        .map(|run| runs.number(run).unwrap_or(f64::NAN))
        .collect();
    let within = finished.iter().filter(|value| bound.holds(**value)).count();
    let low = finished.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finished.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let found = match finished.len() {
        0 => "nothing yet".to_owned(),
        _ if low > high => "no number".to_owned(),
        _ if low == high => number(low),
        _ => format!("{} to {}", number(low), number(high)),
    };
    let without = finished.iter().filter(|value| value.is_nan()).count();
    let without = match without {
        0 => String::new(),
        1 => "; 1 run without a number".to_owned(),
        more => format!("; {more} runs without a number"),
    };
    finding.as_stated = within == finished.len();
    finding.sentence = format!(
        "{} {} is {found}: {bound} in {within} of {} runs{without}",
        runs.metric_label(),
        place(at),
        finished.len()
    );
    if finished.is_empty() {
        return;
    }
    // One run outside the bound refutes, whatever the others will show.
    if finding.as_stated {
        finding.decide(true);
    } else {
        finding.status = VerdictStatus::NotReproduced;
    }
}
