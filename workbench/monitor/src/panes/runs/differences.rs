//! In what the configuration of a run differs from that of another one.

use std::collections::BTreeSet;

use sweeps::card::{label, same};
use toml::{Table, Value};

use crate::document::{TextRow, Tone};
use crate::files::flat;
use crate::shared::{Label, Shared};

/// Two runs, and the keys in which they differ.
pub(super) struct Differences {
    here: Label,
    /// None where there is no other run.
    there: Option<Label>,
    is_control: bool,
    keys: Result<Vec<Difference>, String>,
}

/// A dotted key with its values as people write them; none where a run does not have it.
#[derive(Debug, PartialEq)]
struct Difference {
    key: String,
    here: Option<String>,
    there: Option<String>,
}

impl Differences {
    /// Of a run against another one, or against the nearest.
    pub(super) fn of(shared: &Shared, run: usize, against: Option<usize>) -> Self {
        let nearest = shared.opposite(run);
        let there = against.or(nearest);
        let keys = match there {
            None => Err("there is no other run to compare with".to_owned()),
            Some(there) => shared
                .configuration(run)
                .and_then(|here| Ok(differing(&here, &shared.configuration(there)?))),
        };
        Self {
            here: shared.label(run),
            there: there.map(|there| shared.label(there)),
            is_control: there.is_some() && shared.control(run) == there,
            keys,
        }
    }

    /// `· against pre s1, its control `.
    pub(super) fn title(&self) -> Vec<(String, Tone)> {
        let Some(there) = &self.there else {
            return Vec::new();
        };
        let role = if self.is_control {
            ", its control "
        } else {
            " "
        };
        vec![
            ("· against ".to_owned(), Tone::Dim),
            (there.text.clone(), Tone::Of(there.ink)),
            (role.to_owned(), Tone::Dim),
        ]
    }

    /// A key a row, with the values of both runs in their colours, in a place of this width.
    pub(super) fn rows(&self, width: u16) -> Vec<TextRow> {
        let keys = match &self.keys {
            Ok(keys) if keys.is_empty() => {
                return vec![TextRow::of("the configurations are the same", Tone::Dim)];
            }
            Ok(keys) => keys,
            Err(why) => return vec![TextRow::of(why.as_str(), Tone::Dim)],
        };
        let longest = keys.iter().map(|difference| difference.key.len()).max();
        let name = (longest.unwrap_or(0) as u16).min(width / 2);
        let value = width.saturating_sub(name + 5) / 2;
        let places = [name + 3, name + value + 4];
        let row = |difference: &Difference| {
            let labels = [Some(&self.here), self.there.as_ref()];
            let values = [&difference.here, &difference.there];
            let cells = places.into_iter().zip(labels).zip(values);
            let first = TextRow::of(difference.key.as_str(), Tone::Dim);
            cells.fold(first, |row, ((x, label), value)| match value {
                Some(value) => row.and(
                    x,
                    value.as_str(),
                    label.map_or(Tone::Plain, |label| Tone::Of(label.ink)),
                ),
                None => row.and(x, "–", Tone::Faint),
            })
        };
        keys.iter().map(row).collect()
    }
}

/// The keys whose values differ, in alphabetical order.
fn differing(here: &Table, there: &Table) -> Vec<Difference> {
    let (here, there) = (flat(here), flat(there));
    let keys: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let differ = |key: &&String| match (here.get(*key), there.get(*key)) {
        (Some(here), Some(there)) => !same(here, there),
        _ => true,
    };
    let shown = |value: &Value| words::printable_line(&label(value)).into_owned();
    let difference = |key: &String| Difference {
        key: words::printable_line(key).into_owned(),
        here: here.get(key).map(shown),
        there: there.get(key).map(shown),
    };
    keys.into_iter().filter(differ).map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_keys_lists_of_tables_and_keys_of_one_run_alone_are_found() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let here = table(
            "steps = 10\n[model]\nnorm = 'post'\ndropout = 0\n[[schedule]]\nat = 1\n[[schedule]]\nat = 5",
        );
        let there = table("steps = 10\n[model]\nnorm = 'pre'\ndropout = 0.0\n[[schedule]]\nat = 2");
        let found: Vec<_> = differing(&here, &there)
            .into_iter()
            .map(|it| {
                (
                    it.key,
                    it.here.unwrap_or_default(),
                    it.there.unwrap_or_default(),
                )
            })
            .collect();
        let expected = [
            ("model.norm", "post", "pre"),
            ("schedule[0].at", "1", "2"),
            ("schedule[1].at", "5", ""),
        ];
        assert_eq!(
            found,
            expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))
        );
    }
}
