//! Jonckheere and Terpstra's test for a trend along an axis.

use super::test::{
    Against, Arms, Compared, Detail, Direction, Effect, Expect, Fields, Finding, LEVEL, Needed,
    Open, Runs, SeedUse, Seeds, SimulatedRuns, Size, StatisticalTest, TREND, TooFew, WANTED,
    normal, smallest_found, word,
};
use crate::card::Settings;
use crate::stats::{jonckheere as trend, mean_interval, trend_power};
use crate::wording::{number, p_words, place};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Jonckheere and Terpstra's test for a trend of the metric along an axis, one-sided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Jonckheere {
    /// The axis.
    pub along: String,
    /// The other axis values of the arms.
    pub at: Settings,
    /// The way the trend must go.
    pub direction: Direction,
}

impl StatisticalTest for Jonckheere {
    fn method() -> &'static str {
        "Jonckheere and Terpstra's test for a trend, one-sided"
    }

    fn keys() -> &'static [&'static str] {
        &["along", "at", "direction", "failed", "worst"]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            along: fields.along(),
            at: fields.at(),
            direction: fields.direction(TREND),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Along {
            along: &self.along,
            at: &self.at,
            logarithmic: false,
        }
    }

    fn compares(&self) -> Compared<'_> {
        Compared::Ranks
    }

    fn seed_use(&self) -> SeedUse {
        SeedUse::Independent
    }

    fn too_few(&self, seeds: &Seeds, alpha: f64) -> Option<TooFew> {
        let groups = seeds.arms.iter().enumerate();
        let groups = groups.map(|(group, runs)| {
            let distinct = (0..*runs).map(|index| (group * 100_000 + index) as f64);
            distinct.collect()
        });
        let p = trend(&groups.collect::<Vec<Vec<f64>>>()).p_increasing;
        (p > alpha).then(|| TooFew {
            message: format!("cannot reach p ≤ {alpha}: runs in perfect order give p = {p:.3}"),
            hint: Some("more seeds can".to_owned()),
        })
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        Needed::difference(expect.difference, expect.sd)
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        let difference = expect.difference.unwrap_or(0.0);
        // Of a falling trend the step may be given as a size or with its sign.
        let is_up = self.direction.is_up();
        let size = if is_up { difference } else { difference.abs() };
        (size <= 0.0).then(|| {
            let word = self.direction.name();
            let message = format!(
                "is {difference}, against the criterion's direction: with `{word}` groups must differ, \
                 and that way"
            );
            Against::difference(message, "turn `direction` or the sign round")
        })
    }

    fn expected(&self, expect: &Expect) -> String {
        let (difference, sd) = (word(expect.difference), word(expect.sd));
        format!("steps of {difference} between neighbouring groups, standard deviation {sd}")
    }

    fn limits(&self, size: Size) -> String {
        smallest_found(
            |effect| trend_power(effect, size.arms, size.seeds, size.alpha) >= WANTED,
            "standard deviations per step",
        )
    }

    /// Groups whose means rise or fall by the step from each value of the axis to the next.
    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        let (step, sd) = runs.mean_and_sd();
        let is_up = self.direction.is_up();
        let step = if is_up { step.abs() } else { -step.abs() };
        let places = runs.along(&self.along);
        let rank = |place: f64| places.iter().filter(|other| **other < place).count() as f64;
        let means: Vec<f64> = places.iter().map(|place| step * rank(*place)).collect();
        runs.set(|arm, _| means[arm] + sd * normal(generator));
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let (along, at, direction) = (&self.along, &self.at, self.direction);
        let arms = runs.along(along, at);
        let groups: Vec<Vec<f64>> = arms
            .iter()
            .map(|(_, arm)| runs.ranked(&arm.label))
            .collect();
        let found = trend(&groups);
        let (p, other) = if direction.is_up() {
            (found.p_increasing, found.p_decreasing)
        } else {
            (found.p_decreasing, found.p_increasing)
        };
        finding.p_value = Some(p);
        finding.as_stated = p < other;
        let ranked = || groups.iter().flatten();
        let all_failed = ranked().next().is_some() && ranked().all(|value| value.is_infinite());
        if finding.missing == 0 && all_failed {
            finding.leave_open(Open::EveryRunFailed);
        }
        finding.decide(finding.as_stated && p <= finding.alpha);
        if runs.detail == Detail::Decision {
            return;
        }
        let means: Vec<String> = arms
            .iter()
            .map(|(x, arm)| group_words(runs, &arm.label, *x))
            .collect();
        let way = if direction.is_up() {
            "rising"
        } else {
            "falling"
        };
        finding.sentence = format!(
            "mean {} {}: {}; Jonckheere's test for a {way} trend in {along}, one-sided {}{}",
            runs.metric_label(),
            place(at),
            means.join(", "),
            p_words(p, finding.alpha),
            finding.without_words(runs)
        );
        finding.effects.push(Effect {
            what: format!(
                "standardised Jonckheere statistic of {} in {along}",
                runs.metric_label()
            )
            .into(),
            value: found.z,
            interval: None,
            level: LEVEL,
            method: "Jonckheere–Terpstra, variance corrected for ties; p over all arrangements"
                .to_owned(),
        });
    }
}

/// `3.58 at 0.001`, and how many runs the mean is without.
fn group_words(runs: &Runs<'_>, arm: &str, x: f64) -> String {
    let values: Vec<f64> = runs.values(arm).into_iter().map(|(_, y)| y).collect();
    let finished = runs.count(arm, |_| true);
    let failed = match finished - values.len() {
        0 => String::new(),
        failed => format!(" ({failed} of {finished} without)"),
    };
    match mean_interval(&values, LEVEL) {
        Some(estimate) => format!("{} at {}{failed}", number(estimate.mean), number(x)),
        None => format!("no value at {}{failed}", number(x)),
    }
}
