//! What is asked of every statistical test, and what its file needs for the answers.

pub(super) use super::arms::{Arms, Pair};
pub(super) use super::bound::Bound;
pub(super) use super::direction::{Direction, HIGHER, MORE, TREND};
pub(super) use super::expect::{Against, Expect, Needed, word, wrong_way};
pub(super) use super::fields::Fields;
pub(super) use super::finding::{Beside, Count, Effect, Finding, LEVEL, Quantity};
pub(super) use super::open::Open;
pub(super) use super::runs::{Detail, Runs, Side};
pub(super) use super::simulated::{SimulatedRuns, normal};
pub(super) use super::status::VerdictStatus;
use crate::Event;
use rand_chacha::ChaCha8Rng;

/// A statistical test of a criterion. Nothing here has a default: what a test does not say does not
/// compile.
pub(crate) trait StatisticalTest {
    /// What it is, in words.
    fn method() -> &'static str
    where
        Self: Sized;

    /// Keys of `[criterion]` that it has beside those of every criterion; `bound` stands for one of
    /// [`super::BOUNDS`].
    fn keys() -> &'static [&'static str]
    where
        Self: Sized;

    /// The test as a criterion tells it. What is missing or wrong is a complaint.
    fn read(fields: &mut Fields<'_>) -> Self
    where
        Self: Sized;

    /// The arms it looks at.
    fn arms(&self) -> Arms<'_>;

    /// What it compares of their runs.
    fn compares(&self) -> Compared<'_>;

    /// Between which values of its effect, ends apart, what it claims is true; `None` of a test whose p value speaks for and
    /// against the claim alike, so that an unclear one excludes neither.
    fn claimed(&self) -> Option<(f64, f64)> {
        None
    }

    /// How runs of the same seed belong together.
    fn seed_use(&self) -> SeedUse;

    /// Why the runs cannot make it hold, whatever they show; `None` where they can.
    fn too_few(&self, seeds: &Seeds, alpha: f64) -> Option<TooFew>;

    /// What its power depends on.
    fn needed(&self, expect: &Expect) -> Vec<Needed>;

    /// Why it cannot hold if what is expected is the truth. All numbers that it needs are there and
    /// finite.
    fn against(&self, expect: &Expect) -> Option<Against>;

    /// What is expected, in words.
    fn expected(&self, expect: &Expect) -> String;

    /// What a design can and cannot show, in words.
    fn limits(&self, size: Size) -> String;

    /// Draws the runs of a sweep in which what is expected is the truth.
    fn draw(&self, runs: &mut SimulatedRuns<'_>, generator: &mut ChaCha8Rng);

    /// Decides, and says what was found.
    fn find(&self, runs: &Runs<'_>, finding: &mut Finding);
}

/// What a test compares of runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Compared<'a> {
    /// How many runs of two arms show the event.
    Shares(&'a [Event], Direction),
    /// At which value of an axis half of the runs show the event.
    Doses(&'a [Event]),
    /// Ranks or signs of the metric, to which a run without a finite value can be added as the worst.
    Ranks,
    /// Means of the metric, in which a run without a finite value has no place.
    Means,
    /// The metric of every run by itself, without chance. Outside a bound is also what has no value.
    Values,
}

impl<'a> Compared<'a> {
    /// What counts as the event, where one is counted.
    pub(crate) fn event(self) -> Option<&'a [Event]> {
        match self {
            Self::Shares(event, _) | Self::Doses(event) => Some(event),
            Self::Ranks | Self::Means | Self::Values => None,
        }
    }

    /// Whether a run without a finite value has a rank.
    pub(crate) fn ranks(self) -> bool {
        match self {
            Self::Ranks => true,
            Self::Shares(..) | Self::Doses(_) | Self::Means | Self::Values => false,
        }
    }

    /// Whether a run without a finite value must be ranked, or leaves the criterion open.
    pub(crate) fn needs_values(self) -> bool {
        match self {
            Self::Ranks | Self::Means => true,
            Self::Shares(..) | Self::Doses(_) | Self::Values => false,
        }
    }

    /// Whether chance is part of it.
    pub(crate) fn has_chance(self) -> bool {
        match self {
            Self::Shares(..) | Self::Doses(_) | Self::Ranks | Self::Means => true,
            Self::Values => false,
        }
    }
}

/// How runs of different arms and the same seed belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeedUse {
    /// Not at all.
    Independent,
    /// Only seeds that all arms have are compared.
    Paired,
    /// Within each seed, whatever arms have it.
    Within,
}

/// Seeds of the arms of a criterion.
#[derive(Debug)]
pub(crate) struct Seeds {
    /// Runs of each side.
    pub(crate) sides: Vec<usize>,
    /// Seeds that all sides have.
    pub(crate) pairs: usize,
    /// Seeds of every arm, in the order of the axis where the test has one.
    pub(crate) arms: Vec<usize>,
}

/// The size of a criterion's design.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Seeds that are compared, see [`crate::plan::Design::seeds`].
    pub(crate) seeds: usize,
    /// Arms.
    pub(crate) arms: usize,
    /// Runs of all arms.
    pub(crate) runs: usize,
    /// Largest p value that counts.
    pub(crate) alpha: f64,
}

/// Why seeds cannot decide.
#[derive(Debug)]
pub(crate) struct TooFew {
    /// What is said of the seeds.
    pub(crate) message: String,
    /// What would do.
    pub(crate) hint: Option<String>,
}

/// Most seeds that a hint suggests.
pub(super) const MOST_SEEDS: usize = 10_000;

impl TooFew {
    /// Of a test of pairs whose smallest p value is `least` of their number.
    pub(super) fn pairs(n: usize, alpha: f64, least: fn(usize) -> f64) -> Option<Self> {
        let p = least(n);
        let words = if p < 1e-3 {
            crate::wording::p_value(p)
        } else {
            format!("{p:.3}")
        };
        let enough = || (1..=MOST_SEEDS).find(|k| least(*k) <= alpha);
        (p > alpha).then(|| Self {
            message: format!("{n} pairs cannot reach p ≤ {alpha}: the smallest p is {words}"),
            hint: enough().map(|k| format!("{k} seeds can")),
        })
    }

    /// Of an interval over `n` seeds: one run has no spread.
    pub(super) fn for_interval(n: usize, test: &str) -> Option<Self> {
        (n < 2).then(|| Self {
            message: format!("are {n}, but `{test}` needs an interval over at least 2"),
            hint: None,
        })
    }
}

/// That the smallest effects are found from some size on: the first of 40 for which `finds` says so.
pub(super) fn smallest_found(finds: impl Fn(f64) -> bool, unit: &str) -> String {
    let wanted = WANTED;
    let mut sizes = (1..=40).map(|step| 0.25 * f64::from(step));
    sizes.find(|size| finds(*size)).map_or_else(
        || format!("finds no effect below 10 {unit} with power {wanted}"),
        |size| format!("finds effects from {size} {unit} on with power {wanted}"),
    )
}

/// Power that a design should have.
pub(crate) const WANTED: f64 = 0.8;
