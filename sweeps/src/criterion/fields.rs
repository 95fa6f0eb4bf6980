//! The keys of a criterion, as its test asks for them.

use super::arms::Pair;
use super::bound::{self, Bound};
use super::direction::{Direction, Directions, HIGHER, MORE, TREND};
use super::wire::WireCriterion;
use crate::Event;
use crate::card::{Settings, complain, flatten};
use experiments_config::Complaint;
use toml::Table;
use words::did_you_mean;

/// What a criterion of a card says. A test takes what it needs; what is missing or wrong becomes a
/// complaint, and something stands in for it that is never used.
pub(crate) struct Fields<'a> {
    wire: WireCriterion,
    /// The word for the test.
    test: &'static str,
    /// Where the criterion stands in the card.
    section: &'a str,
    complaints: &'a mut Vec<Complaint>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(
        wire: WireCriterion,
        test: &'static str,
        section: &'a str,
        complaints: &'a mut Vec<Complaint>,
    ) -> Self {
        Self {
            wire,
            test,
            section,
            complaints,
        }
    }

    fn complain(&mut self, key: &str, message: impl Into<String>, hint: Option<String>) {
        let place = format!("{}.{key}", self.section);
        complain(self.complaints, &place, message, hint);
    }

    fn is_missing(&mut self, key: &str) {
        let message = format!("is missing; the test `{}` needs it", self.test);
        self.complain(key, message, None);
    }

    fn needed(&mut self, key: &str, table: Option<Table>) -> Settings {
        if table.is_none() {
            self.is_missing(key);
        }
        flatten(&table.unwrap_or_default())
    }

    /// `treatment`, `control` and `pool`.
    pub(super) fn pair(&mut self) -> Pair {
        let (treatment, control) = (self.wire.treatment.take(), self.wire.control.take());
        Pair {
            treatment: self.needed("treatment", treatment),
            control: self.needed("control", control),
            pool: self.wire.pool.take().unwrap_or_default(),
        }
    }

    /// `minus`, pooled as the other pair.
    pub(super) fn minus(&mut self, pool: &[String]) -> Option<Pair> {
        self.wire.minus.take().map(|pair| Pair {
            treatment: flatten(&pair.treatment),
            control: flatten(&pair.control),
            pool: pool.to_vec(),
        })
    }

    /// `at`; all arms without it.
    pub(super) fn at(&mut self) -> Settings {
        flatten(&self.wire.at.take().unwrap_or_default())
    }

    /// `at`, which must be there.
    pub(super) fn needed_at(&mut self) -> Settings {
        let at = self.wire.at.take();
        self.needed("at", at)
    }

    /// `along`.
    pub(super) fn along(&mut self) -> String {
        let along = self.wire.along.take().unwrap_or_default();
        if along.is_empty() {
            self.is_missing("along");
        }
        along
    }

    /// `margin`; `zero_too` where none is allowed.
    pub(super) fn margin(&mut self, default: f64, zero_too: bool) -> f64 {
        let value = self.wire.margin.take().unwrap_or(default);
        if !value.is_finite() || value < 0.0 || (value == 0.0 && !zero_too) {
            let least = if zero_too {
                "that is not negative"
            } else {
                "above 0"
            };
            let message = format!("is {value}, must be a finite number {least}");
            self.complain("margin", message, None);
        }
        value
    }

    /// The one bound; of `what` it is asked, for which `unfit` has no meaning.
    pub(super) fn bound(&mut self, what: &str, unfit: &str) -> Bound {
        bound::of(&mut self.wire, what, unfit, self.section, self.complaints)
    }

    /// `event`.
    pub(super) fn event(&mut self) -> Vec<Event> {
        let Some(words) = self.wire.event.take() else {
            return Event::FAILURES.to_vec();
        };
        if words.is_empty() {
            let message = "is empty; name at least one outcome, or `spiked`";
            self.complain("event", message, None);
        }
        let mut event = Vec::new();
        for word in words {
            match Event::from_name(&word) {
                Some(known) if event.contains(&known) => {
                    self.complain("event", format!("has `{word}` twice"), None);
                }
                Some(known) => event.push(known),
                None => {
                    let names: Vec<&str> = Event::all().map(Event::name).collect();
                    let message = format!("has `{word}`; events are {}", names.join(", "));
                    let hint = did_you_mean(&word, names);
                    self.complain("event", message, hint);
                }
            }
        }
        event
    }

    /// `direction`, one of two.
    pub(super) fn direction(&mut self, [up, down]: Directions) -> Direction {
        let expected = format!("expected `{}` or `{}`", up.name(), down.name());
        let Some(word) = self.wire.direction.take() else {
            self.complain("direction", format!("is missing; {expected}"), None);
            return up;
        };
        if let Some(found) = [up, down].into_iter().find(|known| known.name() == word) {
            return found;
        }
        // A word of another test says which way is meant.
        let mut others = [MORE, HIGHER, TREND].into_iter().flatten();
        let near = match others.find(|known| known.name() == word) {
            Some(meant) if meant.is_up() => Some(up.name()),
            Some(_) => Some(down.name()),
            None => words::closest(&word, [up.name(), down.name()]),
        };
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        self.complain("direction", format!("is `{word}`; {expected}"), hint);
        up
    }

    /// What no test has taken.
    #[cfg(test)]
    pub(super) fn rest(self) -> WireCriterion {
        self.wire
    }
}
