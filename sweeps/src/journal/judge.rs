//! Whether the proxy behaves as the journal says: the rule.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Smallest difference of two losses that counts, nats per token: the margin of the cards' equivalence tests.
pub const MARGIN: f64 = 0.02;

/// What an entry of a journal says, as a question that two runs can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The run was interrupted and continued: the steps that it took again have the same bits.
    Exact,
    /// What was done brought trouble: a spike or a loss that is not finite comes with it, and not without.
    Trouble,
    /// What was done helped: trouble comes without it, and not with it.
    Cure,
    /// What was done lowered the loss.
    Lower,
    /// The trouble went by itself, and left the loss higher than without it.
    Shift,
    /// What was done cost nothing: no trouble, and no higher loss.
    Harmless,
}

/// One of the two runs of an entry, in the steps that are looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// First step of a spike of the loss, or of a loss that is not finite.
    pub trouble: Option<u64>,
    /// Whether the loss was back from it before the end; true where there was none.
    pub recovered: bool,
    /// Mean loss of the last 16 steps, nats per token.
    pub loss: Option<f64>,
}

/// What was measured for an entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// The run that did it, and the one that did not.
    Both {
        /// With what was done.
        with: Finding,
        /// Without it.
        without: Finding,
    },
    /// An interruption: steps that were taken twice, and those of them with other bits.
    Again {
        /// The step that was recorded last before the kill.
        killed: u64,
        /// Steps recorded by both attempts.
        steps: u64,
        /// Those that differ in any signal but timings.
        differing: u64,
    },
}

/// What the rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// The proxy behaves as the journal says.
    Same,
    /// It does not.
    Other,
    /// What was measured does not tell.
    CannotTell,
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "same",
            Self::Other => "other",
            Self::CannotTell => "cannot tell",
        })
    }
}

/// Compares the sides of an entry; with the reason.
#[must_use]
pub fn judge(rule: Rule, sides: &Sides) -> (Behaviour, String) {
    match sides {
        Sides::Again {
            steps, differing, ..
        } => again(*steps, *differing),
        Sides::Both { with, without } => {
            let (behaviour, why) = both(rule, with, without);
            (behaviour, why.to_owned())
        }
    }
}

fn again(steps: u64, differing: u64) -> (Behaviour, String) {
    match (steps, differing) {
        (0, _) => (Behaviour::CannotTell, "no step was taken twice".to_owned()),
        (steps, 0) => (
            Behaviour::Same,
            format!(
                "{} taken again, all with the same bits",
                words::counted(steps, "step")
            ),
        ),
        (steps, differing) => (
            Behaviour::Other,
            format!("{differing} of {steps} steps taken again have other bits"),
        ),
    }
}

fn both(rule: Rule, with: &Finding, without: &Finding) -> (Behaviour, &'static str) {
    use Behaviour::{CannotTell, Other, Same};
    let rise = with
        .loss
        .zip(without.loss)
        .map(|(with, without)| with - without);
    let calm = with.trouble.is_none() && without.trouble.is_none();
    match rule {
        Rule::Exact => (CannotTell, "the run was not interrupted"),
        Rule::Trouble => match (with.trouble, without.trouble) {
            (Some(_), None) => (Same, "trouble comes with it and not without"),
            (None, _) => (Other, "no trouble comes with it"),
            (Some(_), Some(_)) => (CannotTell, "trouble comes without it as well"),
        },
        Rule::Cure => match (with.trouble, without.trouble) {
            (None, Some(_)) => (Same, "trouble comes without it and not with it"),
            (Some(_), Some(_)) => (Other, "trouble comes all the same"),
            (Some(_), None) => (Other, "trouble comes only with it"),
            (None, None) => (
                CannotTell,
                "there is no trouble that it could have prevented",
            ),
        },
        Rule::Lower => match rise {
            Some(rise) if calm && rise <= -MARGIN => (Same, "the loss is lower with it"),
            Some(rise) if calm && rise >= MARGIN => (Other, "the loss is higher with it"),
            Some(_) if calm => (CannotTell, "the losses differ by less than 0.02 nats"),
            Some(_) | None => (CannotTell, "trouble hides what it does to the loss"),
        },
        Rule::Shift => match (without.trouble, rise) {
            (None, _) => (CannotTell, "there is no trouble that could go by itself"),
            (Some(_), _) if !without.recovered => (Other, "the trouble does not go by itself"),
            (Some(_), Some(rise)) if rise <= -MARGIN => (
                Same,
                "the trouble goes by itself and leaves the loss higher",
            ),
            (Some(_), Some(_)) => (
                Other,
                "the trouble goes by itself and leaves the loss as it was",
            ),
            (Some(_), None) => (CannotTell, "the last losses are not finite"),
        },
        Rule::Harmless => match rise {
            _ if without.trouble.is_some() => (CannotTell, "trouble comes without it as well"),
            _ if with.trouble.is_some() => (Other, "trouble comes with it"),
            Some(rise) if rise < MARGIN => {
                (Same, "no trouble, and the loss is not higher by 0.02 nats")
            }
            Some(_) => (Other, "the loss is higher with it"),
            None => (CannotTell, "there are no losses to compare"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Behaviour::{CannotTell, Other, Same};

    fn side(trouble: Option<u64>, recovered: bool, loss: f64) -> Finding {
        Finding {
            trouble,
            recovered,
            loss: Some(loss),
        }
    }

    #[test]
    fn the_truth_table() {
        let calm = |loss| side(None, true, loss);
        let hit = |recovered, loss| side(Some(9), recovered, loss);
        let rows = [
            (Rule::Trouble, hit(true, 5.0), calm(5.0), Same),
            (Rule::Trouble, calm(5.0), calm(5.0), Other),
            (Rule::Trouble, hit(true, 5.0), hit(true, 5.0), CannotTell),
            (Rule::Cure, calm(5.0), hit(false, 5.0), Same),
            (Rule::Cure, hit(true, 5.0), hit(true, 5.0), Other),
            (Rule::Cure, hit(true, 5.0), calm(5.0), Other),
            (Rule::Cure, calm(5.0), calm(5.0), CannotTell),
            (Rule::Lower, calm(4.97), calm(5.0), Same),
            (Rule::Lower, calm(5.03), calm(5.0), Other),
            (Rule::Lower, calm(4.99), calm(5.0), CannotTell),
            (Rule::Lower, calm(4.0), hit(true, 5.0), CannotTell),
            (Rule::Shift, calm(5.0), hit(true, 5.1), Same),
            (Rule::Shift, calm(5.0), hit(true, 5.01), Other),
            (Rule::Shift, calm(5.0), hit(false, 7.0), Other),
            (Rule::Shift, calm(5.0), calm(5.0), CannotTell),
            (Rule::Harmless, calm(5.01), calm(5.0), Same),
            (Rule::Harmless, calm(5.03), calm(5.0), Other),
            (Rule::Harmless, hit(true, 5.0), calm(5.0), Other),
            (Rule::Harmless, calm(5.0), hit(true, 5.0), CannotTell),
        ];
        for (rule, with, without, expected) in rows {
            let sides = Sides::Both { with, without };
            let (found, why) = judge(rule, &sides);
            assert_eq!(found, expected, "{rule:?} {sides:?}: {why}");
        }
    }

    #[test]
    fn an_interruption_is_judged_by_the_steps_taken_again() {
        let again = |steps, differing| {
            let killed = 12;
            judge(
                Rule::Exact,
                &Sides::Again {
                    killed,
                    steps,
                    differing,
                },
            )
            .0
        };
        assert_eq!(
            [again(7, 0), again(7, 1), again(0, 0)],
            [Same, Other, CannotTell]
        );
    }

    #[test]
    fn losses_that_are_not_finite_are_never_better() {
        let lost = Finding {
            trouble: Some(3),
            recovered: false,
            loss: None,
        };
        let sides = Sides::Both {
            with: lost,
            without: side(None, true, 5.0),
        };
        assert_eq!(judge(Rule::Lower, &sides).0, CannotTell);
        assert_eq!(judge(Rule::Harmless, &sides).0, Other);
    }
}
