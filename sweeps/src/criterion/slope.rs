//! The exponent of a power law along an axis.

use super::bound::Asked;
use super::test::{
    Against, Arms, Bound, Compared, Detail, Effect, Expect, Fields, Finding, Needed, Open, Runs,
    SeedUse, Seeds, SimulatedRuns, Size, StatisticalTest, TooFew, WANTED, normal, smallest_found,
    word,
};
use crate::card::Settings;
use crate::stats::{SlopePoint, log_log_slope, mean_interval_power, tost_power};
use crate::wording::{number, percent, place};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Slope of ln metric on ln axis; decided by its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// The axis.
    pub along: String,
    /// The other axis values of the arms.
    pub at: Settings,
    /// Where the interval must lie.
    pub bound: Bound,
}

impl StatisticalTest for Slope {
    fn method() -> &'static str {
        "least squares on logarithms within each seed, t interval over seeds"
    }

    fn keys() -> &'static [&'static str] {
        &["along", "at", "bound", "failed"]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            along: fields.along(),
            at: fields.at(),
            // An interval of measured values is never a single point.
            bound: fields.bound("an interval", "equals"),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Along {
            along: &self.along,
            at: &self.at,
            logarithmic: true,
        }
    }

    fn compares(&self) -> Compared<'_> {
        Compared::Means
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Within
    }

    fn too_few(&self, seeds: &Seeds, _alpha: f64) -> Option<TooFew> {
        let fewest = seeds.arms.iter().min().copied().unwrap_or(0);
        TooFew::for_interval(fewest, "slope")
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        let difference = match self.bound.of_interval() {
            // What is to contain a value lies there.
            Asked::Value(_) => expect.difference.or(Some(0.0)),
            Asked::Between(..) | Asked::Side => expect.difference,
        };
        Needed::difference(difference, expect.sd)
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        let (bound, distance) = (self.bound, expect.difference.unwrap_or(0.0));
        let room = match bound.of_interval() {
            Asked::Value(value) => return contained(value, distance),
            Asked::Between(low, high) => (high - low) / 2.0,
            Asked::Side => f64::INFINITY,
        };
        let message = if distance < 0.0 {
            format!("is {distance}: the slope expected lies outside the bound, {bound}")
        } else if distance > room * (1.0 + 1e-9) {
            format!(
                "is {distance}, farther from the nearest end than the middle of the bound, {bound}"
            )
        } else {
            return None;
        };
        let hint = "it is the distance to the nearest end of the bound, on its inner side";
        Some(Against::difference(message, hint))
    }

    fn expected(&self, expect: &Expect) -> String {
        let (difference, sd) = (word(expect.difference), word(expect.sd));
        match self.bound.of_interval() {
            Asked::Value(slope) => {
                format!("a slope of {slope}, standard deviation {sd} over seeds")
            }
            Asked::Between(..) | Asked::Side => format!(
                "a slope {difference} from the nearest end of the bound, standard deviation {sd} over seeds"
            ),
        }
    }

    fn limits(&self, Size { seeds, alpha, .. }: Size) -> String {
        match self.bound.of_interval() {
            Asked::Between(low, high) => widest_inside(high - low, seeds, alpha),
            Asked::Value(_) => {
                "a wide interval contains everything, so that it does shows little".to_owned()
            }
            Asked::Side => smallest_found(
                |effect| mean_interval_power(effect, seeds, 1.0 - alpha) >= WANTED,
                "standard deviations from the bound",
            ),
        }
    }

    /// Power laws whose exponents have the mean and standard deviation over seeds.
    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        let (distance, sd) = runs.mean_and_sd();
        let mean = expected_slope(self.bound, distance);
        let places = runs.along(&self.along);
        let exponents = runs.by_seed(|| mean + sd * normal(generator));
        runs.set(|arm, seed| places[arm].powf(exponents.get(&seed).copied().unwrap_or(mean)));
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let Self { along, at, bound } = self;
        let points: Vec<SlopePoint> = runs
            .along(along, at)
            .iter()
            .flat_map(|(x, arm)| {
                let values = runs.values(&arm.label).into_iter();
                values.map(|(seed, y)| SlopePoint { seed, x: *x, y })
            })
            .collect();
        let level = 1.0 - finding.alpha;
        let what = format!("exponent of {} in {along}", runs.metric_label());
        let fitted = log_log_slope(&points, level);
        let Some((found, ends)) = fitted.and_then(|found| Some((found, found.interval?))) else {
            let why = match points.iter().find(|point| point.y <= 0.0) {
                Some(point) => format!(": {} has no logarithm", number(point.y)),
                None => ": it takes two seeds with two arms each".to_owned(),
            };
            if points.iter().any(|point| point.y <= 0.0) {
                finding.leave_open(Open::NoLogarithm);
            } else {
                finding.need_pairs(slope_seeds(&points), 2);
            }
            finding.sentence = format!(
                "the {what} cannot be fitted{why}{}",
                finding.without_words(runs)
            );
            finding.decide(false);
            return;
        };
        finding.as_stated = bound.holds_for(ends.low, ends.high);
        finding.decide(finding.as_stated);
        if runs.detail == Detail::Decision {
            return;
        }
        finding.sentence = format!(
            "{what} {}: {} ({} % interval over {} seeds {} to {}); expected {bound}{}",
            place(at),
            number(found.slope),
            percent(level),
            found.seeds,
            number(ends.low),
            number(ends.high),
            finding.without_words(runs)
        );
        finding.effects.push(Effect {
            what: what.into(),
            value: found.slope,
            interval: Some(ends),
            level,
            method: "least squares on logarithms within each seed, t interval over seeds"
                .to_owned(),
        });
    }
}

/// Seeds with two arms, within which alone there is a slope.
fn slope_seeds(points: &[SlopePoint]) -> usize {
    let mut arms: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for point in points {
        arms.entry(point.seed).or_default().push(point.x);
    }
    arms.values().filter(|arms| arms.len() > 1).count()
}

/// More seeds make an interval narrower: it is sure to leave out a value that is not the slope.
fn contained(value: f64, distance: f64) -> Option<Against> {
    (distance != 0.0).then(|| {
        let message = format!(
            "is {distance}: a slope of {} is not what the interval must contain, {value}",
            value + distance
        );
        Against::difference(
            message,
            "leave it out, or expect another value with `contains`",
        )
    })
}

/// The slope that lies `distance` within the bound from its nearest end; of an interval that is to
/// contain a value, this value: cards have no distance beside it.
fn expected_slope(bound: Bound, distance: f64) -> f64 {
    match bound {
        Bound::Above(end) | Bound::AtLeast(end) | Bound::Inside([end, _]) => end + distance,
        Bound::Below(end) | Bound::AtMost(end) => end - distance,
        Bound::Contains(value) | Bound::Equals(value) => value + distance,
    }
}

/// Of an interval that must lie between two ends: how much slopes may scatter.
fn widest_inside(width: f64, seeds: usize, alpha: f64) -> String {
    // The interval lies inside when both one-sided tests at half of alpha say so.
    let found = |sd: f64| tost_power(0.0, sd, width / 2.0, seeds, alpha / 2.0) >= WANTED;
    let shares = (1..=200).rev().map(|step| 0.005 * f64::from(step));
    let widest = shares.map(|share| share * width).find(|sd| found(*sd));
    match widest {
        Some(sd) => format!(
            "finds a slope in the middle of the bound with power {WANTED} up to a standard \
             deviation of {}",
            number(sd)
        ),
        None => format!("finds no slope within the bound with power {WANTED}"),
    }
}
