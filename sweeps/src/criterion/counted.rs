//! What Fisher's test and McNemar's share: both count the event in two arms, the one of runs that are
//! independent, the other of pairs that share a seed. Both are computed; the card says which decides.

use super::settled::Settled;
use super::test::{
    Against, Arms, Beside, Compared, Count, Detail, Direction, Effect, Expect, Fields, Finding,
    LEVEL, MORE, Needed, Pair, Quantity, Runs, SeedUse, Seeds, Side, SimulatedRuns, Size,
    StatisticalTest, TooFew, word, wrong_way,
};
use crate::Event;
use crate::card::matches;
use crate::stats::{PairCounts, Proportion, mean_difference, risk_difference};
use crate::wording::{event_words, p_value, p_words, percent, points};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What either test is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The arms.
    #[serde(flatten)]
    pub arms: Pair,
    /// What counts as the event.
    pub event: Vec<Event>,
    /// The way the difference must go.
    pub direction: Direction,
}

/// Whether the two runs of a seed show the event, treatment first; `None` where that is not known.
pub(super) type Seen = [Option<bool>; 2];

/// The runs of the two arms, counted.
pub(super) struct Counts {
    sides: [Side; 2],
    /// Treatment and control.
    pub(super) arms: [Count; 2],
    /// The pairs.
    pub(super) seen: Vec<Seen>,
    /// The pairs of which it is known of both runs.
    pub(super) table: PairCounts,
}

impl Counts {
    /// Runs with the event, of those of which that is known.
    pub(super) fn proportions(&self) -> [Proportion; 2] {
        self.arms.each_ref().map(|count| count.proportion)
    }
}

/// What the test that decides says.
pub(super) struct Decision {
    pub(super) settled: Settled,
    pub(super) p: f64,
    pub(super) as_stated: bool,
    /// Fewest pairs that it takes.
    pub(super) least_pairs: usize,
    /// The other test.
    pub(super) beside: Beside,
    /// Both in words: of the own p value with its level, the number of pairs, and the other p value.
    pub(super) words: fn(&str, &str, &str) -> String,
}

/// What is left to a test of counts: everything else is [`Counted`]'s, for both.
pub(super) trait CountedTest {
    /// What it is, in words.
    const METHOD: &str;
    /// How runs of the same seed belong together.
    const SEED_USE: SeedUse;

    /// Of what it is told.
    fn new(told: Counted) -> Self;

    /// What it is told.
    fn counted(&self) -> &Counted;

    /// Why the runs cannot make it hold, whatever they show; `None` where they can.
    fn too_few(seeds: &Seeds, alpha: f64) -> Option<TooFew>;

    /// What it says of the counts.
    fn decide(counts: &Counts, direction: Direction, alpha: f64) -> Decision;
}

impl<T: CountedTest> StatisticalTest for T {
    fn method() -> &'static str {
        T::METHOD
    }

    fn keys() -> &'static [&'static str] {
        &[
            "treatment",
            "control",
            "direction",
            "event",
            "pool",
            "failed",
        ]
    }

    fn read(fields: &mut Fields<'_>) -> Self {
        T::new(Counted {
            arms: fields.pair(),
            event: fields.event(),
            direction: fields.direction(MORE),
        })
    }

    fn arms(&self) -> Arms<'_> {
        Arms::Pair(&self.counted().arms, None)
    }

    fn compares(&self) -> Compared<'_> {
        let told = self.counted();
        Compared::Shares(&told.event, told.direction)
    }

    fn seed_use(&self) -> SeedUse {
        T::SEED_USE
    }

    fn too_few(&self, seeds: &Seeds, alpha: f64) -> Option<TooFew> {
        T::too_few(seeds, alpha)
    }

    fn needed(&self, expect: &Expect) -> Vec<Needed> {
        vec![
            Needed::share("treatment", expect.treatment),
            Needed::share("control", expect.control),
        ]
    }

    fn against(&self, expect: &Expect) -> Option<Against> {
        let (treatment, control) = (expect.treatment?, expect.control?);
        let name = format!("`control` = {control}");
        Some(Against {
            key: "treatment",
            message: wrong_way(self.counted().direction, treatment, control, &name)?,
            hint: "turn `direction` round, or exchange the two".to_owned(),
        })
    }

    fn expected(&self, expect: &Expect) -> String {
        format!(
            "the event in {} of treatment and {} of control runs",
            word(expect.treatment),
            word(expect.control)
        )
    }

    fn limits(&self, size: Size) -> String {
        let none = Proportion::new(0, size.seeds as u64).clopper_pearson(LEVEL);
        format!(
            "no event in {} runs still allows a share of {:.0} %",
            size.seeds,
            100.0 * none.high
        )
    }

    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng) {
        let told = self.counted();
        let (treatment, control) = (runs.expect.treatment, runs.expect.control);
        let shares = runs.by_arm(|arm| {
            let treated = matches(&arm.settings, &told.arms.treatment);
            if treated { treatment } else { control }.unwrap_or(0.0)
        });
        runs.outcomes(&told.event, |place| shares[place], generator);
    }

    fn find(&self, runs: &Runs<'_>, finding: &mut Finding) {
        let told = self.counted();
        let counts = told.count(runs);
        let decision = T::decide(&counts, told.direction, finding.alpha);
        told.note(runs, counts, decision, finding);
    }
}

impl Counted {
    /// Counts the runs.
    fn count(&self, runs: &Runs<'_>) -> Counts {
        let arms = [&self.arms.treatment, &self.arms.control];
        let sides = arms.map(|at| runs.side(at, &self.arms.pool));
        let seen = pairs(runs, &sides, &self.event);
        Counts {
            arms: sides.each_ref().map(|side| count(runs, side, &self.event)),
            table: table(&seen),
            sides,
            seen,
        }
    }

    /// Writes down what was counted and decided.
    fn note(&self, runs: &Runs<'_>, counts: Counts, decision: Decision, finding: &mut Finding) {
        let p = decision.p;
        finding.p_value = Some(p);
        finding.as_stated = decision.as_stated;
        finding.status = decision.settled.status();
        finding.open = decision.settled.open();
        finding.note_unknown(runs, &self.event);
        finding.need_pairs(counts.seen.len(), decision.least_pairs);
        finding.pairs = Some(counts.table);
        if runs.detail == Detail::Full {
            finding.effects = effects(runs, &counts, p, finding.alpha);
            finding.sentence = self.sentence(&counts, &decision, finding);
            finding.counts = counts.arms.into();
        }
        finding.beside = Some(decision.beside);
    }

    fn sentence(&self, counts: &Counts, decision: &Decision, finding: &Finding) -> String {
        let [a, b] = counts.proportions();
        let pairs = match counts.table.pairs() {
            1 => "1 pair".to_owned(),
            pairs => format!("{pairs} pairs"),
        };
        format!(
            "{} in {} of {} runs with `{}` and {} of {} with `{}`{}; {}{}{}",
            event_words(&self.event),
            a.events,
            a.n,
            counts.sides[0].label,
            b.events,
            b.n,
            counts.sides[1].label,
            pooled(&self.arms.pool),
            (decision.words)(
                &p_words(decision.p, finding.alpha),
                &pairs,
                &p_value(decision.beside.p_value)
            ),
            self.ending(finding, &counts.arms[0]),
            finding.unknown_words()
        )
    }

    /// The effect, or that it goes the other way.
    fn ending(&self, finding: &Finding, treatment: &Count) -> String {
        if finding.is_opposite() {
            let often = if self.direction.is_up() {
                "more"
            } else {
                "less"
            };
            let does = if self.event == [Event::Spiked] {
                "spikes"
            } else {
                "fails"
            };
            return format!(
                ", but in the direction opposite to the claim that `{}` {does} {often} often",
                treatment.arm
            );
        }
        match finding.effects.first().and_then(|e| Some((e, e.interval?))) {
            Some((effect, ends))
                if treatment.proportion.n > 0 && effect.what == Quantity::ShareDifference =>
            {
                format!(
                    "; difference {} points, {} % interval {} to {}",
                    points(effect.value),
                    percent(effect.level),
                    points(ends.low),
                    points(ends.high)
                )
            }
            _ => String::new(),
        }
    }
}

/// The difference of shares, and that of the metric.
///
/// The interval of the first is at the level of the test, of which it knows nothing; so it is widened
/// until it holds 0 where the test does not rule that out.
fn effects(runs: &Runs<'_>, counts: &Counts, p: f64, alpha: f64) -> Vec<Effect> {
    let [a, b] = counts.proportions();
    let mut effects = Vec::new();
    if a.n > 0 && b.n > 0 {
        let level = 1.0 - alpha;
        let ends = risk_difference(a, b, level);
        let widened = p > alpha && !ends.holds(0.0);
        effects.push(Effect {
            what: Quantity::ShareDifference,
            value: a.share() - b.share(),
            interval: Some(if widened { ends.with(0.0) } else { ends }),
            level,
            method: if widened {
                "square-and-add on Clopper–Pearson limits (Newcombe 1998), widened to hold 0, which \
                 the test does not rule out"
                    .to_owned()
            } else {
                "square-and-add on Clopper–Pearson limits (Newcombe 1998)".to_owned()
            },
        });
    }
    let values = counts.sides.each_ref().map(|side| -> Vec<f64> {
        let values = side.arms.iter().flat_map(|arm| runs.values(arm));
        values.map(|(_, value)| value).collect()
    });
    if let Some(difference) = mean_difference(&values[0], &values[1], LEVEL) {
        let with_value = values[0].len() + values[1].len();
        let finished = (a.n + b.n) as usize;
        let of = if with_value < finished {
            format!(" over the {with_value} of {finished} runs with a finite value")
        } else {
            String::new()
        };
        effects.push(Effect {
            what: Quantity::MeanDifference(format!(
                "{}, treatment − control{of}",
                runs.metric_label()
            )),
            value: difference.mean,
            interval: difference.interval,
            level: LEVEL,
            method: "Welch's t interval; beside the test, not part of it".to_owned(),
        });
    }
    effects
}

/// Over which axes the runs are pooled, in words; empty where they are not.
fn pooled(pool: &[String]) -> String {
    if pool.is_empty() {
        return String::new();
    }
    let axes: Vec<String> = pool.iter().map(|key| format!("`{key}`")).collect();
    format!(", pooled over {}", axes.join(" and "))
}

fn count(runs: &Runs<'_>, side: &Side, event: &[Event]) -> Count {
    let known: Vec<bool> = runs
        .of_side(side)
        .filter_map(|(_, run)| runs.shows(run, event))
        .collect();
    let events = known.iter().filter(|is| **is).count();
    let proportion = Proportion::new(events as u64, known.len() as u64);
    Count {
        arm: side.label.clone(),
        interval: proportion.clopper_pearson(LEVEL),
        missing: (runs.of_side(side).count() - known.len()) as u64,
        proportion,
    }
}

/// The seeds that both arms have.
fn pairs(runs: &Runs<'_>, [treatment, control]: &[Side; 2], event: &[Event]) -> Vec<Seen> {
    let paired = runs.of_side(treatment).filter_map(|run| {
        let other = runs.twin(control, run)?;
        Some([runs.shows(run.1, event), runs.shows(other, event)])
    });
    paired.collect()
}

/// The pairs of which it is known of both runs.
fn table(seen: &[Seen]) -> PairCounts {
    let mut table = PairCounts::default();
    for pair in seen {
        if let [Some(treatment), Some(control)] = pair {
            table.add(*treatment, *control);
        }
    }
    table
}
