//! In what the configuration of a run differs from that of another one.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::{buffer::Buffer, layout::Rect, style::Style, text::Span};
use sweeps::card::{label, same};
use toml::{Table, Value};

use crate::colour::Depth;
use crate::paint::{cut, hint, put, row};
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

    /// `· against pre s1, the control `.
    pub(super) fn title(&self, depth: Depth) -> Vec<Span<'static>> {
        let Some(there) = &self.there else {
            return Vec::new();
        };
        let role = if self.is_control {
            ", its control "
        } else {
            " "
        };
        let dim = |text: &'static str| Span::styled(text, depth.dim());
        vec![dim("· against "), there.span(depth), dim(role)]
    }

    /// A key a row, with the values of both runs in their colours.
    pub(super) fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let keys = match &self.keys {
            Ok(keys) if keys.is_empty() => {
                return hint(buffer, area, "the configurations are the same", depth);
            }
            Ok(keys) => keys,
            Err(why) => return hint(buffer, area, why, depth),
        };
        let longest = keys.iter().map(|difference| difference.key.len()).max();
        let name = (longest.unwrap_or(0) as u16).min(area.width / 2);
        let value = area.width.saturating_sub(name + 5) / 2;
        let (here, there) = (area.x + name + 3, area.x + name + value + 4);
        let room = usize::from(area.height);
        let shown = if keys.len() > room {
            room.saturating_sub(1)
        } else {
            room
        };
        let inks = [Some(&self.here), self.there.as_ref()]
            .map(|label| label.map_or_else(Style::new, |label| depth.arm(label.ink)));
        for (line, difference) in area.rows().zip(keys.iter().take(shown)) {
            put(
                buffer,
                line,
                line.x + 1,
                &cut(&difference.key, name),
                depth.dim(),
            );
            let values = [
                (here, &difference.here, inks[0]),
                (there, &difference.there, inks[1]),
            ];
            for (x, text, style) in values {
                let (text, style) = match text {
                    Some(text) => (text.as_str(), style),
                    None => ("–", depth.faint()),
                };
                put(buffer, line, x, &cut(text, value), style);
            }
        }
        if shown < keys.len() {
            let more = format!("and {} more", keys.len() - shown);
            let last = row(area, area.bottom().saturating_sub(1));
            put(buffer, last, area.x + 1, &more, depth.dim());
        }
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

/// Values by dotted key, `schedule[0].to` in lists of tables.
fn flat(table: &Table) -> BTreeMap<String, Value> {
    fn walk(key: String, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    walk(format!("{key}.{name}"), value, into);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for (place, item) in items.iter().enumerate() {
                    walk(format!("{key}[{place}]"), item, into);
                }
            }
            value => {
                into.insert(key, value.clone());
            }
        }
    }
    let mut into = BTreeMap::new();
    for (key, value) in table {
        walk(key.clone(), value, &mut into);
    }
    into
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
