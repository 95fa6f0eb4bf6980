//! From facts to an answer: the rule, fixed before it was held against any run.

use serde::{Deserialize, Serialize};

/// How many of some runs show an incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Those that do.
    pub have: usize,
    /// Those that can be judged.
    pub of: usize,
}

impl Share {
    /// Whether at least half of them do; none of no runs.
    #[must_use]
    pub fn most(self) -> Option<bool> {
        (self.of > 0).then_some(2 * self.have >= self.of)
    }
}

/// What is known of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Facts {
    /// Whether it is over at the next step: what is seen of a batch before its update.
    pub one_step: bool,
    /// Whether an attempt began shortly before it.
    pub restored: bool,
    /// Whether an earlier attempt, which had not just begun, showed it at the same steps; none where there is no such attempt.
    pub earlier: Option<bool>,
    /// Runs of the same size that read the same batches.
    pub same_size: Share,
    /// Runs of other sizes that read the same batches.
    pub other_size: Share,
    /// Runs that read other batches: how often it shows at these steps anyway.
    pub others: Share,
}

/// What an incident is put down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The batch, whatever model reads it.
    Data,
    /// The batch together with this model, or with what it had learned.
    DataAndModel,
    /// The batch; by itself or with this model cannot be told.
    Batch,
    /// What an attempt began with.
    Restore,
    /// Not the batches alone: where the run had got to, its number format or its optimiser.
    NotDataAlone,
    /// It cannot be said.
    Unclear,
}

impl Answer {
    /// Its name, as tables have it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::DataAndModel => "data × model",
            Self::Batch => "data or data × model",
            Self::Restore => "restore suspected",
            Self::NotDataAlone => "not the data alone",
            Self::Unclear => "cannot be said",
        }
    }
}

/// The answer; the rule is in the [module above](super).
#[must_use]
pub fn answer(facts: &Facts) -> Answer {
    let (same, other) = (facts.same_size, facts.other_size);
    let shows = Share {
        have: same.have + other.have,
        of: same.of + other.of,
    };
    // A time at which as many runs show it that read other batches is no matter of the batch.
    let by_batch = shows.have * facts.others.of > facts.others.have * shows.of
        || (shows.have > 0 && facts.others.of == 0);
    if by_batch {
        match (same.most(), other.most()) {
            (Some(true) | None, Some(true)) | (Some(true), None) => return Answer::Data,
            (Some(false), Some(true)) | (Some(true), Some(false)) => return Answer::DataAndModel,
            (Some(false) | None, Some(false) | None) => {}
        }
    }
    if facts.restored && facts.earlier != Some(true) {
        return Answer::Restore;
    }
    if facts.one_step {
        return match shows.of {
            0 => Answer::Batch,
            _ => Answer::DataAndModel,
        };
    }
    if shows.have > 0 && by_batch {
        return Answer::DataAndModel;
    }
    if shows.of > 0 || facts.earlier == Some(false) {
        Answer::NotDataAlone
    } else {
        Answer::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(have: usize, of: usize) -> Share {
        Share { have, of }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn the_truth_table() {
        use Answer::{Batch, Data, DataAndModel, NotDataAlone, Restore, Unclear};
        let none = share(0, 0);
        let alone = Facts {
            one_step: false,
            restored: false,
            earlier: None,
            same_size: none,
            other_size: none,
            others: none,
        };
        let kin = |same_size, other_size| Facts {
            same_size,
            other_size,
            ..alone
        };
        let one = |facts| Facts {
            one_step: true,
            ..facts
        };
        let restored = |facts, earlier| Facts {
            restored: true,
            earlier,
            ..facts
        };
        let rows = [
            (alone, Unclear, "nothing is known"),
            (one(alone), Batch, "over at the next step"),
            (restored(alone, None), Restore, "behind an attempt's start"),
            (restored(alone, Some(false)), Restore, "and not before it"),
            (
                restored(alone, Some(true)),
                Unclear,
                "the attempt before had it",
            ),
            (
                Facts {
                    earlier: Some(false),
                    ..alone
                },
                NotDataAlone,
                "the same steps without it",
            ),
            (kin(share(2, 3), none), Data, "most of the same size"),
            (kin(none, share(1, 2)), Data, "half of other sizes"),
            (
                kin(share(2, 2), share(0, 3)),
                DataAndModel,
                "only in this size",
            ),
            (
                kin(share(0, 2), share(2, 2)),
                DataAndModel,
                "not in this size",
            ),
            (kin(share(0, 2), share(0, 2)), NotDataAlone, "in none"),
            (kin(none, share(1, 3)), DataAndModel, "in one of three"),
            (
                one(kin(none, share(0, 3))),
                DataAndModel,
                "one step, here only",
            ),
            (one(kin(none, share(2, 3))), Data, "one step, and elsewhere"),
            (
                restored(kin(none, share(0, 3)), None),
                Restore,
                "an attempt, and in no sibling",
            ),
            (
                restored(kin(none, share(3, 3)), None),
                Data,
                "an attempt, and in every sibling",
            ),
            (
                Facts {
                    others: share(5, 9),
                    ..kin(none, share(1, 2))
                },
                NotDataAlone,
                "runs with other batches show it as often",
            ),
            (
                Facts {
                    others: share(1, 9),
                    ..kin(none, share(1, 2))
                },
                Data,
                "runs with other batches show it less often",
            ),
        ];
        for (facts, expected, why) in rows {
            assert_eq!(answer(&facts), expected, "{why}");
        }
    }
}
