//! How the arms of a sweep are told apart in tables and figures: names without what all arms share, a colour by one axis and a
//! shade by another. Monitor and report read the same answer.

use crate::card::{Settings, label, named, number, same};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// The keys that a reader wants to see as something; what is left open is chosen by the arms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The key that has the colours.
    pub colours: Option<&'a str>,
    /// The key that has the shades.
    pub shades: Option<&'a str>,
    /// The key whose values are apart, a panel for each.
    pub facets: Option<&'a str>,
}

impl<'a> Chosen<'a> {
    /// What was chosen, in the order colours, shades, facets.
    pub fn keys(self) -> impl Iterator<Item = &'a str> {
        [self.colours, self.shades, self.facets]
            .into_iter()
            .flatten()
    }
}

/// The looks of all arms.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looks {
    /// What the arms differ in: the axis of the colours, that of the shades where there is one, then those that no look shows.
    pub axes: Vec<LookAxis>,
    /// Whether the second of [`Looks::axes`] has the shades: it does not where it was chosen for the facets.
    pub shaded: bool,
    differing: BTreeSet<String>,
    /// One look an arm, in the order in which the arms were given.
    pub arms: Vec<Look>,
}

impl LookAxis {
    /// Number of the value of an arm, in [`LookAxis::values`].
    #[must_use]
    pub fn of_arm(&self, arm: usize) -> Option<usize> {
        self.of_arm.get(arm).copied()
    }
}

/// A key in which arms differ.
#[derive(Debug, Clone, PartialEq)]
pub struct LookAxis {
    /// Dotted configuration key.
    pub key: String,
    /// Its values as people write them: numbers ascending, words in the order of the arms.
    pub values: Vec<String>,
    numbers: bool,
    /// Number of the value of each arm, in [`LookAxis::values`].
    of_arm: Vec<usize>,
}

/// How one arm is called and drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// What sets it apart from the other arms: `post lr=0.01`.
    pub name: String,
    /// The same without keys, where the values alone are as unique: `post 0.01`.
    pub brief: String,
    /// Number of its value on the axis of the colours; its own number where arms have no axes.
    pub colour: usize,
    /// Number of its value on the axis of the shades.
    pub shade: usize,
    /// How many shades there are.
    pub shades: usize,
    /// Number of what it has on all further axes: arms that differ only in this look alike.
    pub facet: usize,
}

impl Looks {
    /// Of arms with their labels and axis values, which may be empty, with what was chosen: a key in which arms do not differ is
    /// passed over. Where nothing was, an axis of words goes before one of numbers, and of two of a kind the one with fewer
    /// values: shades are in order, as numbers are, and more of them can be told apart.
    #[must_use]
    pub fn of(arms: &[(&str, &Settings)], chosen: Chosen<'_>) -> Self {
        let mut axes = axes(arms, chosen);
        let is = |axis: &LookAxis, wanted: Option<&str>| wanted == Some(&*axis.key);
        axes.sort_by_key(|axis| {
            let place = match axis {
                axis if is(axis, chosen.colours) => 0,
                axis if is(axis, chosen.facets) => 3,
                axis if is(axis, chosen.shades) => 2,
                _ => 1,
            };
            (place, axis.numbers, axis.values.len())
        });
        // What has the shades is the second, whatever else could have been.
        let shades = axes.iter().position(|axis| is(axis, chosen.shades));
        if let Some(place) = shades.filter(|place| *place > 1) {
            axes[1..=place].rotate_right(1);
        }
        let shaded = axes.get(1).is_some_and(|axis| !is(axis, chosen.facets));
        let (names, briefs) = names(arms);
        let looks = names.into_iter().zip(briefs).enumerate();
        let place = |axis: Option<&LookAxis>, arm: usize| axis.map(|axis| axis.of_arm[arm]);
        let shades = axes.get(1).filter(|_| shaded);
        let further = &axes[axes.len().min(1 + usize::from(shaded))..];
        let look = |(arm, (name, brief))| Look {
            name,
            brief,
            colour: place(axes.first(), arm).unwrap_or(arm),
            shade: place(shades, arm).unwrap_or(0),
            shades: shades.map_or(1, |axis| axis.values.len()),
            facet: further.iter().fold(0, |facet, axis| {
                facet * axis.values.len() + axis.of_arm[arm]
            }),
        };
        Self {
            arms: looks.map(look).collect(),
            differing: differing(arms),
            shaded,
            axes,
        }
    }

    /// The keys whose values have a panel each where one panel would hold the curves of more than `most` arms, or where somebody
    /// chose what has panels (`faceted`): those that neither colour nor shade shows, and if their panels were too full still,
    /// that of the colours as well. The shades stay within a panel.
    #[must_use]
    pub fn apart(&self, most: usize, faceted: bool) -> Vec<&str> {
        let keys: Vec<&str> = self.axes.iter().map(|axis| &*axis.key).collect();
        // Behind the arms stand looks of other things, which have no place on the axes.
        let arms = self.axes.first().map_or(0, |axis| axis.of_arm.len());
        let fuller = |panel: &dyn Fn(&Look) -> usize| {
            let mut counts = BTreeMap::<usize, usize>::new();
            for look in self.arms.iter().take(arms) {
                *counts.entry(panel(look)).or_default() += 1;
            }
            counts.into_values().max().unwrap_or(0) > most
        };
        let shade = keys.get(1).filter(|_| self.shaded).copied();
        let further = &keys[keys.len().min(1 + usize::from(self.shaded))..];
        match keys.as_slice() {
            [only] if faceted => vec![only],
            [] | [_] => Vec::new(),
            _ if !faceted && !fuller(&|_| 0) => Vec::new(),
            _ if !further.is_empty() && !fuller(&|look| look.facet) => further.to_vec(),
            _ => {
                let others = keys.iter().copied();
                others.filter(|key| Some(*key) != shade).collect()
            }
        }
    }

    /// Whether arms differ in a key, or in one that moves together with others.
    #[must_use]
    pub fn differ(&self, key: &str) -> bool {
        self.differing.contains(key)
    }

    /// What [`Look::brief`] leaves out, as a heading: `norm lr`. Empty where arms have no axes.
    #[must_use]
    pub fn heading(&self) -> String {
        let mut keys: Vec<&str> = self.axes.iter().map(|axis| &*axis.key).collect();
        keys.sort_unstable();
        let last = keys.iter().map(|key| words::last_part(key));
        last.collect::<Vec<_>>().join(" ")
    }
}

/// All keys that have more than one value.
fn differing(arms: &[(&str, &Settings)]) -> BTreeSet<String> {
    let keys = arms.iter().flat_map(|(_, at)| at.keys());
    let keys = keys.filter(|key| axis(arms, key).values.len() > 1);
    keys.cloned().collect()
}

/// The keys in which arms differ. Of keys that move together the first stands for all, one that was chosen before all others.
fn axes(arms: &[(&str, &Settings)], chosen: Chosen<'_>) -> Vec<LookAxis> {
    let keys: BTreeSet<&str> = arms
        .iter()
        .flat_map(|(_, at)| at.keys().map(String::as_str))
        .collect();
    let first = chosen.keys().filter(|key| keys.contains(key));
    let keys = first.chain(
        keys.iter()
            .copied()
            .filter(|key| chosen.keys().all(|other| other != *key)),
    );
    let mut axes: Vec<LookAxis> = Vec::new();
    for axis in keys.map(|key| axis(arms, key)) {
        let known = |other: &LookAxis| alike(&other.of_arm, &axis.of_arm);
        if axis.values.len() > 1 && !axes.iter().any(known) {
            axes.push(axis);
        }
    }
    axes
}

fn axis(arms: &[(&str, &Settings)], key: &str) -> LookAxis {
    let of_arm: Vec<Option<&Value>> = arms.iter().map(|(_, at)| at.get(key)).collect();
    let mut values: Vec<Option<&Value>> = Vec::new();
    let equal = |a: Option<&Value>, b: Option<&Value>| match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    for value in &of_arm {
        if !values.iter().any(|known| equal(*known, *value)) {
            values.push(*value);
        }
    }
    let numbers = values.iter().all(|value| as_number(*value).is_some());
    if numbers {
        values.sort_by(|a, b| {
            as_number(*a)
                .partial_cmp(&as_number(*b))
                .unwrap_or(Ordering::Equal)
        });
    }
    let place = |value: Option<&Value>| values.iter().position(|known| equal(*known, value));
    LookAxis {
        key: key.to_owned(),
        of_arm: of_arm.iter().map(|v| place(*v).unwrap_or(0)).collect(),
        values: values
            .iter()
            .map(|v| v.map_or_else(|| "–".to_owned(), label))
            .collect(),
        numbers,
    }
}

fn as_number(value: Option<&Value>) -> Option<f64> {
    value.and_then(number)
}

/// Whether two axes change between the same arms.
fn alike(a: &[usize], b: &[usize]) -> bool {
    let pairs: BTreeSet<(usize, usize)> = a.iter().copied().zip(b.iter().copied()).collect();
    let distinct = |side: &[usize]| side.iter().collect::<BTreeSet<_>>().len();
    pairs.len() == distinct(a) && pairs.len() == distinct(b)
}

/// Names with keys, and without.
fn names(arms: &[(&str, &Settings)]) -> (Vec<String>, Vec<String>) {
    let shared = |key: &String, value: &Value| {
        let mut others = arms.iter();
        others.all(|(_, at)| at.get(key).is_some_and(|other| same(other, value)))
    };
    let join = |part: &dyn Fn(&str, &Value) -> String| -> Vec<String> {
        let name = |at: &Settings| {
            let differing = at.iter().filter(|(key, value)| !shared(key, value));
            differing
                .map(|(key, value)| part(key, value))
                .collect::<Vec<_>>()
                .join(" ")
        };
        arms.iter().map(|(_, at)| name(at)).collect()
    };
    let named = Some(join(&named)).filter(|names| unique(names));
    let labels = || arms.iter().map(|(label, _)| *label).collect::<Vec<_>>();
    let named = named.unwrap_or_else(|| without_shared(&labels(), &SEPARATORS));
    let brief = Some(join(&|_, value| label(value))).filter(|names| unique(names));
    (named.clone(), brief.unwrap_or(named))
}

/// Whether all have a name, and none the same.
fn unique(names: &[String]) -> bool {
    let distinct: BTreeSet<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    distinct.len() == names.len()
}

/// Labels without the words that all have: at their places where all have as many words, else at both ends. Where what is left
/// would not tell them apart, they stay whole.
#[must_use]
pub fn without_shared(labels: &[&str], separators: &[char]) -> Vec<String> {
    let core = |word: &str| word.trim_matches(separators).to_owned();
    let whole = || labels.iter().map(|label| (*label).to_owned()).collect();
    // Words, each with the separator behind it.
    let words = labels.iter().copied();
    let words: Vec<Vec<&str>> = words
        .map(|label| label.split_inclusive(separators).collect())
        .collect();
    let (Some(first), true) = (words.first(), labels.len() > 1) else {
        return whole();
    };
    let all = |at: &dyn Fn(&[&str]) -> Option<String>| {
        let wanted = at(first);
        wanted.is_some() && words.iter().all(|words| at(words) == wanted)
    };
    let least = words.iter().map(Vec::len).min().unwrap_or(0);
    let word = |words: &[&str], place: usize| words.get(place).map(|word| core(word));
    let back = |words: &[&str], place: usize| word(words, words.len().checked_sub(place + 1)?);
    let front = (0..least)
        .take_while(|place| all(&|words| word(words, *place)))
        .count();
    let end = (0..least - front)
        .take_while(|place| all(&|words| back(words, *place)))
        .count();
    let even = words.iter().all(|words| words.len() == least);
    let kept = |words: &Vec<&str>| {
        let inner =
            (front..words.len() - end).filter(|place| !even || !all(&|words| word(words, *place)));
        let text: String = inner.map(|place| words[place]).collect();
        core(&text)
    };
    let short: Vec<String> = words.iter().map(kept).collect();
    if unique(&short) { short } else { whole() }
}

const SEPARATORS: [char; 5] = [' ', '-', '_', '/', ','];

#[cfg(test)]
mod tests;
