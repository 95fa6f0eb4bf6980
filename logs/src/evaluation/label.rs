//! The rule that labels runs, fixed before any detector was held against it.
//!
//! A step is *above* where the loss is not finite, or at least [`HEIGHT`] nats over the level of its surroundings: the median
//! of the [`SIDE`] finite losses before it, or midway between that and the median of the [`SIDE`] after it where the later one is
//! lower. (Of a falling loss that is the level at the step itself; where the loss stays up, it is the level it left.)
//! A loss that is not finite always is, another one not before [`LEAST`] finite ones. An *event* begins at the first step above after [`CALM`] losses that are
//! not, and ends at the last one before as many: what follows a spike closely is no new event, or whatever rings after
//! the first would seem to warn of the second.
//!
//! No detector uses this: it needs the losses after a step, and a height in nats instead of deviations.

use super::{AFTER, BEFORE, Event, Span};
use crate::Record;

/// Nats per token over the surroundings.
pub const HEIGHT: f64 = 0.7;
/// Losses on either side that are the surroundings.
pub const SIDE: usize = 32;
/// Finite losses that the median of a side needs.
pub const LEAST: usize = 16;
/// Losses in a row, not above, that part two events: room for the aftermath of one and the warnings of the next.
pub const CALM: usize = (BEFORE + AFTER) as usize;

/// A run of steps above the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excursion {
    /// Its first step.
    pub first: u64,
    /// Its last step above.
    pub last: u64,
}

/// A cause that was planted in a run on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// What it is, in one word.
    pub kind: String,
    /// First and last step with it.
    pub span: Span,
}

/// What of a run deserved an alarm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// In order; the steps from `from` to `end` of two events never meet.
    pub events: Vec<Event>,
    /// Where alarms count neither way.
    pub neutral: Vec<Span>,
    /// Causes planted on purpose, whether or not the loss followed.
    pub planted: Vec<Planted>,
}

impl Truth {
    /// By the rule of this module, and with the causes known to be planted. Before a planted cause nothing can warn of
    /// it, so an alarm counts for an event only from the last cause before it on.
    #[must_use]
    pub fn of(records: &[Record], planted: Vec<Planted>) -> Self {
        let mut events: Vec<Event> = Vec::new();
        let begin = records.first().map_or(0, |record| record.step);
        for excursion in excursions(records) {
            let first = excursion.first;
            let cause = planted.iter().map(|planted| planted.span.from);
            let cause = cause.filter(|step| *step <= first).max().unwrap_or(0);
            let free = events.last().map_or(0, |event| event.end.saturating_add(1));
            events.push(Event {
                first,
                from: first
                    .saturating_sub(BEFORE)
                    .max(cause)
                    .max(free)
                    .max(begin)
                    .min(first),
                to: first.saturating_add(AFTER),
                end: excursion.last.saturating_add(AFTER),
            });
        }
        let neutral = planted.iter().map(Planted::alarmed).collect();
        Self {
            events,
            neutral,
            planted,
        }
    }
}

impl Planted {
    /// Where an alarm finds it.
    #[must_use]
    pub fn alarmed(&self) -> Span {
        Span {
            from: self.span.from,
            to: self.span.to.saturating_add(AFTER),
        }
    }
}

/// The events of the loss, by the rule of this module; none without a loss.
#[must_use]
pub fn excursions(records: &[Record]) -> Vec<Excursion> {
    let losses: Vec<(u64, f64)> = records
        .iter()
        .filter_map(|record| Some((record.step, record.scalar("loss")?)))
        .collect();
    let finite: Vec<f64> = losses
        .iter()
        .map(|(_, loss)| *loss)
        .filter(|loss| loss.is_finite())
        .collect();
    let mut found: Vec<Excursion> = Vec::new();
    let (mut seen, mut calm) = (0, CALM);
    for (step, loss) in losses {
        let above = !loss.is_finite() || is_above(loss, &finite, seen);
        seen += usize::from(loss.is_finite());
        if !above {
            calm += 1;
            continue;
        }
        match found.last_mut().filter(|_| calm < CALM) {
            Some(last) => last.last = step,
            None => found.push(Excursion {
                first: step,
                last: step,
            }),
        }
        calm = 0;
    }
    found
}

/// Whether the loss at place `at` of the finite ones is above.
fn is_above(loss: f64, finite: &[f64], at: usize) -> bool {
    let before = &finite[at.saturating_sub(SIDE)..at];
    let Some(before) = median(before) else {
        return false;
    };
    let after = (at + 1).min(finite.len())..(at + 1 + SIDE).min(finite.len());
    let level = match median(&finite[after]) {
        Some(after) if after < before => f64::midpoint(after, before),
        Some(_) | None => before,
    };
    loss - level >= HEIGHT
}

/// The median of at least [`LEAST`] finite values; the upper one of two.
fn median(values: &[f64]) -> Option<f64> {
    if values.len() < LEAST {
        return None;
    }
    let mut copy = [0.0; SIDE];
    let copy = copy.get_mut(..values.len())?;
    copy.copy_from_slice(values);
    let (_, median, _) = copy.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    Some(*median)
}
