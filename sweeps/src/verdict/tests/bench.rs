//! A test bench of the whole path from records to verdict: sweeps made up so that the truth is known,
//! hundreds of each, from fixed seeds. A claim that is false may be found in at most 0.055 of them at
//! α = 0.05, and an interval must hold the truth in at least 0.93 of them at 95 %.

mod claims;
mod failures;
mod means;
mod shapes;

use crate::plan::PlannedRun;
use crate::reader::{RunState, State};
use crate::verdict::{Verdict, VerdictStatus, decide, judge};
use crate::{Card, Plan, Sweep};
use logs::Record;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::path::Path;
use tempfile::TempDir;

/// Largest share of sweeps in which a false claim may be found at α = 0.05.
const SIZE: f64 = 0.055;
/// Smallest share of intervals at 95 % that hold the truth.
const COVERAGE: f64 = 0.93;
/// Sweeps simulated where nothing else is said: the standard error of a share of 0.05 is 0.007.
const SWEEPS: usize = 1_000;
/// Level of token frequencies, nats: a run that ends above it is stuck.
const ENTROPY: f64 = 5.0;
/// Steps of a made-up run.
const STEPS: u64 = 20;

/// Two arms.
const NORMS: &str = "\"model.norm\" = [\"post\", \"deepnorm_glm\"]";
/// Three groups in order.
const DEPTHS: &str = "\"model.layers\" = [2, 4, 8]";

/// The two arms compared by a test; more keys follow.
fn compare(test: &str, more: &str) -> String {
    format!(
        "[[criterion]]\ntest = \"{test}\"\ntreatment = {{ \"model.norm\" = \"post\" }}\n\
         control = {{ \"model.norm\" = \"deepnorm_glm\" }}\n{more}\n"
    )
}

/// A made-up run.
#[derive(Clone, Copy)]
struct Run {
    /// Whether it is in the arm `post`.
    treated: bool,
    /// Layers, for cards with that axis.
    layers: f64,
    /// A standard normal number that all runs of its seed share.
    shared: f64,
}

/// How a run ended.
#[derive(Clone, Copy)]
enum End {
    /// With this held-out loss, below [`ENTROPY`].
    Loss(f64),
    Stuck,
    Nonfinite,
    /// It has not ended.
    Missing,
}

struct Bench {
    _directory: TempDir,
    sweep: Sweep,
    runs: Vec<PlannedRun>,
}

impl Bench {
    fn new(axes: &[&str], seeds: usize, criteria: &str) -> Self {
        let text = format!(
            "name = \"bench\"\ntitle = \"Bench\"\nhypothesis = \"What was put in is found.\"\n\
             kind = \"mechanism\"\nbase = \"t0\"\nseeds = {seeds}\n[fixed]\nsteps = {STEPS}\n\
             [axes]\n{}\n{criteria}",
            axes.join("\n")
        );
        let card = Card::parse(&text, "bench", Path::new("."));
        let mut plan = Plan::expand(&card.unwrap_or_else(|error| panic!("{error}")), &[]).unwrap();
        // A sweep without run directories.
        let runs = std::mem::take(&mut plan.runs);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sweep");
        let sweep = Sweep::create_or_open(&path, &plan, &text, &[]).unwrap();
        Self {
            _directory: directory,
            sweep,
            runs,
        }
    }

    /// The verdicts of this many sweeps whose runs end as `end` says.
    fn verdicts(&self, sweeps: usize, end: impl Fn(&mut ChaCha8Rng, Run) -> End) -> Vec<Verdict> {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let mut one = |index: usize| {
            let states = self.states(&mut generator, &end);
            let verdict = judge(&self.sweep, &states).unwrap();
            if index < 20 {
                self.is_decided_as_planned(&states, &verdict);
            }
            verdict
        };
        (0..sweeps).map(&mut one).collect()
    }

    /// Power is simulated by deciding without words and intervals: that must decide alike.
    fn is_decided_as_planned(&self, states: &[RunState], verdict: &Verdict) {
        let card = &self.sweep.plan().card;
        let arms = card.arms();
        for (criterion, finding) in card.criteria.iter().zip(&verdict.findings) {
            let status = decide(card, &arms, criterion, states);
            assert_eq!(status, finding.status, "{}", finding.sentence);
        }
    }

    fn states(
        &self,
        generator: &mut ChaCha8Rng,
        end: &impl Fn(&mut ChaCha8Rng, Run) -> End,
    ) -> Vec<RunState> {
        let seeds = self.runs.iter().map(|run| run.seed).max().unwrap_or(0);
        let shared: Vec<f64> = (0..=seeds).map(|_| normal(generator)).collect();
        let card = &self.sweep.plan().card;
        let ended = self.runs.iter().map(|planned| {
            let mut state = RunState::new(planned);
            let setting = |key: &str| planned.settings.get(key);
            let end = end(
                generator,
                Run {
                    treated: setting("model.norm").and_then(|v| v.as_str()) == Some("post"),
                    layers: setting("model.layers").map_or(0.0, |v| v.as_integer().unwrap() as f64),
                    shared: shared[planned.seed as usize],
                },
            );
            if let Some(records) = records(end) {
                state.state = State::Finished;
                state.conclude(card, &records, ENTROPY);
            }
            state
        });
        ended.collect()
    }
}

/// What such a run would have written.
fn records(end: End) -> Option<Vec<Record>> {
    let (loss, held_out) = match end {
        End::Loss(loss) => (loss, loss),
        End::Stuck => (ENTROPY, ENTROPY),
        End::Nonfinite => (f64::NAN, f64::NAN),
        End::Missing => return None,
    };
    let mut records: Vec<Record> = (1..=STEPS).map(Record::new).collect();
    for record in &mut records {
        record.set_named("loss", if record.step < STEPS { 4.0 } else { loss });
        record.set_named("grad_norm", loss);
    }
    if let Some(last) = records.last_mut() {
        last.set_named("held_out_loss", held_out);
    }
    Some(records)
}

fn normal(generator: &mut ChaCha8Rng) -> f64 {
    generator.sample(StandardNormal)
}

/// Two normal numbers of one seed have this correlation when each is mixed with what they share.
fn correlated(generator: &mut ChaCha8Rng, shared: f64, correlation: f64) -> f64 {
    correlation.sqrt() * shared + (1.0 - correlation).sqrt() * normal(generator)
}

/// Share of sweeps.
fn share(verdicts: &[Verdict], of: impl Fn(&Verdict) -> bool) -> f64 {
    verdicts.iter().filter(|verdict| of(verdict)).count() as f64 / verdicts.len() as f64
}

/// Share of sweeps with this verdict.
fn status(verdicts: &[Verdict], status: VerdictStatus) -> f64 {
    share(verdicts, |verdict| verdict.status == status)
}

fn reproduced(verdicts: &[Verdict]) -> f64 {
    status(verdicts, VerdictStatus::Reproduced)
}

/// Share of sweeps whose first criterion has p ≤ 0.05, whichever way it points.
fn small_p(verdicts: &[Verdict]) -> f64 {
    share(verdicts, |verdict| {
        verdict.findings[0].p_value.is_some_and(|p| p <= 0.05)
    })
}

/// Share of sweeps in which the interval of the first criterion's effect at this place holds
/// `truth`.
fn coverage(verdicts: &[Verdict], place: usize, truth: f64) -> f64 {
    share(verdicts, |verdict| {
        let effect = &verdict.findings[0].effects[place];
        effect.interval.is_some_and(|ends| ends.holds(truth))
    })
}

/// No interval of an effect excludes `null` beside a p value that does not.
#[track_caller]
fn never_contradicts(verdicts: &[Verdict], null: f64) {
    for verdict in verdicts {
        let finding = &verdict.findings[0];
        let excluded = finding
            .effects
            .first()
            .and_then(|effect| effect.interval)
            .is_some_and(|ends| !ends.holds(null));
        let rejected = finding.p_value.is_some_and(|p| p <= finding.alpha);
        assert!(rejected || !excluded, "{}", finding.sentence);
    }
}

#[track_caller]
fn at_most(found: f64, most: f64) {
    assert!(found <= most, "{found} is more than {most}");
}

#[track_caller]
fn at_least(found: f64, least: f64) {
    assert!(found >= least, "{found} is less than {least}");
}
