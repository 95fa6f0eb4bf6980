//! Facets: a chart for every value of a key, or of several keys together.

use sweeps::card::{named, number, same};

use crate::shared::Shared;

use toml::Value;

/// Curves of more arms than this in one chart are not told apart: the report has as many.
pub(super) const MOST_ARMS: usize = 8;

/// The key whose values have a chart each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Faceted {
    /// What neither colours nor shades tell and, where a chart would have too many arms, what the colours tell: as in the report.
    #[default]
    ByShape,
    By(String),
    None,
}

/// The runs of one chart: all of them, or those with these values of some keys; none where they lack the key.
pub(super) type Facet = Vec<(String, Option<Value>)>;

/// The values with their keys, for the heading.
pub(super) fn name(facet: &[(String, Option<Value>)]) -> Option<String> {
    let part = |(key, value): &(String, Option<Value>)| {
        let value = value.as_ref().map(|value| named(key, value));
        value.unwrap_or_else(|| format!("no {key}"))
    };
    let parts: Vec<String> = facet.iter().map(part).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The facets, and which of them every drawn run is in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facets {
    /// Never none; by values, numbers ascending, words in the order of the runs.
    pub(super) all: Vec<Facet>,
    /// Runs that are drawn, ascending, and the number of the facet of each.
    pub(super) runs: Vec<(usize, usize)>,
}

impl Facets {
    /// One of all runs that are drawn.
    pub(super) fn one(shared: &Shared) -> Self {
        let drawn = shared.runs().filter(|run| shared.is_selected(*run));
        Self {
            all: vec![Facet::new()],
            runs: drawn.map(|run| (run, 0)).collect(),
        }
    }

    fn of(keys: &[String], shared: &Shared) -> Self {
        let one = Self::one(shared);
        let values: Vec<Vec<Option<Value>>> = keys
            .iter()
            .map(|key| {
                let runs = one.runs.iter();
                runs.map(|(run, _)| shared.field(*run, key)).collect()
            })
            .collect();
        let distinct: Vec<Vec<Option<Value>>> = values.iter().map(|of| distinct(of)).collect();
        let place = |index: usize| -> Vec<usize> {
            let keys = values.iter().zip(&distinct);
            let place = |(of, known): (&Vec<Option<Value>>, &Vec<Option<Value>>)| {
                let own = of[index].as_ref();
                let place = known.iter().position(|known| alike(known.as_ref(), own));
                place.unwrap_or(0)
            };
            keys.map(place).collect()
        };
        let places: Vec<Vec<usize>> = (0..one.runs.len()).map(place).collect();
        let mut taken = places.clone();
        taken.sort_unstable();
        taken.dedup();
        if taken.is_empty() {
            return one;
        }
        let facet = |place: &Vec<usize>| {
            let values = place.iter().zip(&distinct).map(|(at, of)| of[*at].clone());
            keys.iter().cloned().zip(values).collect()
        };
        let number = |place: &Vec<usize>| taken.binary_search(place).unwrap_or(0);
        Self {
            all: taken.iter().map(facet).collect(),
            runs: one
                .runs
                .iter()
                .zip(&places)
                .map(|((run, _), place)| (*run, number(place)))
                .collect(),
        }
    }

    /// The facet of a run that is drawn.
    pub(super) fn of_run(&self, run: usize) -> Option<usize> {
        let at = self.runs.binary_search_by_key(&run, |(run, _)| *run).ok()?;
        Some(self.runs[at].1)
    }

    /// The runs of a facet.
    pub(super) fn runs_of(&self, facet: usize) -> Vec<usize> {
        let own = self.runs.iter().filter(|(_, of)| *of == facet);
        own.map(|(run, _)| *run).collect()
    }
}

/// The values that there are, numbers ascending where all are numbers.
fn distinct(values: &[Option<Value>]) -> Vec<Option<Value>> {
    let mut distinct: Vec<Option<Value>> = Vec::new();
    for value in values {
        if !distinct
            .iter()
            .any(|known| alike(known.as_ref(), value.as_ref()))
        {
            distinct.push(value.clone());
        }
    }
    let numbers = |value: &Option<Value>| value.as_ref().and_then(number);
    if distinct.iter().all(|value| numbers(value).is_some()) {
        let at = |value: &Option<Value>| numbers(value).unwrap_or(f64::NAN);
        distinct.sort_by(|a, b| at(a).total_cmp(&at(b)));
    }
    distinct
}

fn alike(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

impl Faceted {
    /// The facets of the runs that are drawn.
    pub(super) fn facets(&self, shared: &Shared) -> Facets {
        Facets::of(&self.keys(shared), shared)
    }

    fn keys(&self, shared: &Shared) -> Vec<String> {
        match self {
            Self::ByShape => by_shape(shared),
            Self::By(key) => vec![key.clone()],
            Self::None => Vec::new(),
        }
    }

    /// The next axis of the card; behind the last one, none.
    pub(super) fn next(&self, shared: &Shared) -> Self {
        let axes = &shared.groups.arms.axes;
        let here = self.keys(shared);
        let here = here
            .first()
            .map(|key| axes.iter().position(|axis| axis.key == *key));
        let next = match here {
            None => 0,
            Some(here) => here.map_or(axes.len(), |here| here + 1),
        };
        axes.get(next)
            .map_or(Self::None, |axis| Self::By(axis.key.clone()))
    }
}

/// The keys that the card's shape asks for: a third axis always, since nothing else tells its values apart; else only where more
/// arms are drawn than one chart can show.
fn by_shape(shared: &Shared) -> Vec<String> {
    let looks = &shared.groups.looks;
    let drawn = shared.runs().filter(|run| shared.is_selected(*run));
    let mut arms: Vec<usize> = drawn.map(|run| shared.arm(run)).collect();
    arms.sort_unstable();
    arms.dedup();
    let apart = if arms.len() > MOST_ARMS {
        looks.apart(MOST_ARMS, false)
    } else {
        Vec::new()
    };
    if apart.is_empty() {
        let third = looks.axes.iter().skip(2).take(1);
        return third.map(|axis| axis.key.clone()).collect();
    }
    apart.into_iter().map(str::to_owned).collect()
}
