//! The test without statistics, for exact predictions.

use super::test::{
    Against, Arms, Bound, Compared, Expect, Fields, Finding, Needed, Runs, SeedUse, Seeds,
    SimulatedRuns, Size, StatisticalTest, TooFew, VerdictStatus,
};
use crate::card::Settings;
use crate::wording::{number, place};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Every run of the arms has a metric within a bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exact {
    /// Axis values of the arms.
    pub at: Settings,
    /// Where the metric must lie.
    pub bound: Bound,
}

impl StatisticalTest for Exact {
    fn method() -> &'static str {
        "an exact bound; no statistics"
    }

    fn keys() -> &'static [&'static str] {
        &["at", "bound"]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            at: fields.needed_at(),
            bound: fields.bound("values", "contains"),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Each(&self.at)
    }

    fn compares(&self) -> Compared<'_> {
        Compared::Values
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Independent
    }

    fn too_few(&self, _seeds: &Seeds, _alpha: f64) -> Option<TooFew> {
        None
    }

    fn needed(&self, _expect: &Expect) -> Vec<Needed> {
        Vec::new()
    }

    fn against(&self, _expect: &Expect) -> Option<Against> {
        None
    }

    fn expected(&self, _expect: &Expect) -> String {
        "the bound in every run".to_owned()
    }

    fn limits(&self, size: Size) -> String {
        let runs = size.runs;
        format!("no statistics: one of {runs} runs outside the bound refutes it")
    }

    /// Nothing is left to chance.
    fn draw(&self, _runs: &mut SimulatedRuns<'_>, _generator: &mut ChaCha8Rng) {}

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let labels = finding.arms.clone();
        let finished: Vec<f64> = labels
            .iter()
            .flat_map(|label| runs.of_arm(label))
            .filter(|run| run.outcome().is_some())
            .map(|run| runs.number(run).unwrap_or(f64::NAN))
            .collect();
        let within = finished
            .iter()
            .filter(|value| self.bound.holds(**value))
            .count();
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
            "{} {} is {found}: {} in {within} of {} runs{without}",
            runs.metric_label(),
            place(&self.at),
            self.bound,
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
}
