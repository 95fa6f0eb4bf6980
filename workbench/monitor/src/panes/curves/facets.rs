//! Facets: a chart for every value of a key.

use sweeps::card::{named, number, same};

use crate::shared::Shared;

use toml::Value;

/// The key whose values have a chart each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Faceted {
    /// The third axis of the card, which neither colours nor shades tell; none where it has two.
    #[default]
    ByShape,
    By(String),
    None,
}

/// The runs of one chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Facet {
    /// All of them.
    All,
    /// Those with this value of a key, or without any.
    Value(String, Option<Value>),
}

impl Facet {
    /// The value with its key, for the heading.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Value(key, Some(value)) => Some(named(key, value)),
            Self::Value(key, None) => Some(format!("no {key}")),
        }
    }

    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Value(key, _) => Some(key),
        }
    }

    pub(super) fn has(&self, shared: &Shared, run: usize) -> bool {
        match self {
            Self::All => true,
            Self::Value(key, value) => match (shared.field(run, key), value) {
                (Some(own), Some(value)) => same(&own, value),
                (own, value) => own.is_none() && value.is_none(),
            },
        }
    }
}

impl Faceted {
    /// The facets of the runs that are drawn, at least one: numbers ascending, words in the order of the runs.
    pub(super) fn facets(&self, shared: &Shared) -> Vec<Facet> {
        let Some(key) = self.key(shared) else {
            return vec![Facet::All];
        };
        let mut values: Vec<Option<Value>> = Vec::new();
        for run in shared.runs().filter(|run| shared.is_selected(*run)) {
            let own = shared.field(run, &key);
            let known = values.iter().any(|value| match (value, &own) {
                (Some(value), Some(own)) => same(value, own),
                (value, own) => value.is_none() && own.is_none(),
            });
            if !known {
                values.push(own);
            }
        }
        let numbers = |value: &Option<Value>| value.as_ref().and_then(number);
        if values.iter().all(|value| numbers(value).is_some()) {
            let at = |value: &Option<Value>| numbers(value).unwrap_or(f64::NAN);
            values.sort_by(|a, b| at(a).total_cmp(&at(b)));
        }
        if values.is_empty() {
            return vec![Facet::All];
        }
        let facet = |value| Facet::Value(key.clone(), value);
        values.into_iter().map(facet).collect()
    }

    fn key(&self, shared: &Shared) -> Option<String> {
        match self {
            Self::ByShape => Some(shared.groups.looks.axes.get(2)?.key.clone()),
            Self::By(key) => Some(key.clone()),
            Self::None => None,
        }
    }

    /// The next axis of the card; behind the last one, none.
    pub(super) fn next(&self, shared: &Shared) -> Self {
        let axes = &shared.groups.arms.axes;
        let here = self.key(shared);
        let here = here.map(|key| axes.iter().position(|axis| axis.key == key));
        let next = match here {
            None => 0,
            Some(here) => here.map_or(axes.len(), |here| here + 1),
        };
        axes.get(next)
            .map_or(Self::None, |axis| Self::By(axis.key.clone()))
    }
}
