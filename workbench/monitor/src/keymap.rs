//! Keys of the user's own in place of others. What is said of a key follows, since help, key bar and dispatch read the same rows.

use crate::keys::{Key, Row, Section, ctrl, named, written};

/// Keys that were moved.
#[derive(Debug, Default)]
pub(crate) struct Keymap {
    moved: Vec<Moved>,
}

#[derive(Debug)]
struct Moved {
    section: &'static str,
    /// Of the table.
    from: Key,
    /// Of the user.
    to: Key,
}

impl Keymap {
    /// Of sections as the tables have them, and of section, key and new key as the user wrote them.
    pub(crate) fn new(
        sections: &[Section],
        chosen: &[(String, String, String)],
    ) -> Result<Self, String> {
        let mut keymap = Self::default();
        for (section, from, to) in chosen {
            keymap.moved.push(moved(sections, section, from, to)?);
        }
        keymap.check(sections)?;
        Ok(keymap)
    }

    /// The key of the table that a key stands for in a section; none of one that was moved away.
    pub(crate) fn meant(&self, section: &str, key: Key) -> Option<Key> {
        let mut moved = self.moved.iter().filter(|moved| moved.section == section);
        if let Some(moved) = moved.clone().find(|moved| moved.to == key) {
            return Some(moved.from);
        }
        moved.all(|moved| moved.from != key).then_some(key)
    }

    /// The key that stands for one of the table.
    fn now(&self, section: &str, key: Key) -> Key {
        let mut moved = self.moved.iter();
        let found = moved.find(|moved| moved.section == section && moved.from == key);
        found.map_or(key, |moved| moved.to)
    }

    /// A row with the keys that the user presses for it.
    pub(crate) fn row(&self, section: &str, row: Row) -> Row {
        let keys: Vec<Key> = row.keys.iter().map(|key| self.now(section, *key)).collect();
        if keys == *row.keys {
            return row;
        }
        let word = |word: &str| {
            named(word).map_or_else(|| word.to_owned(), |key| written(self.now(section, key)))
        };
        let label: Vec<String> = row.label.split(' ').map(word).collect();
        // Rows live as long as the program, as those of the tables do; keys are moved once.
        Row {
            keys: Box::leak(keys.into_boxed_slice()),
            label: Box::leak(label.join(" ").into_boxed_str()),
            ..row
        }
    }

    /// No key may mean two things in one place: not in a section, nor in one and everywhere.
    fn check(&self, sections: &[Section]) -> Result<(), String> {
        let keys = |section: &Section| -> Vec<Key> {
            let keys = section.rows.iter().flat_map(|row| row.keys);
            keys.map(|key| self.now(section.title, *key)).collect()
        };
        let everywhere = sections.last().map_or_else(Vec::new, keys);
        for (place, section) in sections.iter().enumerate() {
            let keys = keys(section);
            for (number, key) in keys.iter().enumerate() {
                let is_last = place + 1 == sections.len();
                if keys[..number].contains(key) || !is_last && everywhere.contains(key) {
                    let name = written(*key);
                    return Err(format!(
                        "`{name}` would mean two things in `{}`",
                        table(section.title)
                    ));
                }
            }
        }
        Ok(())
    }
}

/// How a section is written.
fn table(title: &str) -> String {
    format!("keys.{}", title.to_lowercase())
}

fn moved(sections: &[Section], section: &str, from: &str, to: &str) -> Result<Moved, String> {
    let found = sections
        .iter()
        .find(|it| it.title.to_lowercase() == section);
    let found = found.ok_or_else(|| {
        let titles: Vec<String> = sections.iter().map(|it| it.title.to_lowercase()).collect();
        let hint = words::hint(section, &titles);
        format!(
            "no section `{}`; there are {}{hint}",
            table(section),
            titles.join(", ")
        )
    })?;
    let has = |key: &Key| found.rows.iter().any(|row| row.keys.contains(key));
    let from_key = named(from).filter(has).ok_or_else(|| {
        let labels: Vec<&str> = found.rows.iter().map(|row| row.label).collect();
        format!(
            "`{}` has no key `{from}`; it has {}",
            table(section),
            labels.join(" ")
        )
    })?;
    if from_key == ctrl('c') {
        return Err("`ctrl-c` always leaves".to_owned());
    }
    let to = named(to).ok_or_else(|| {
        format!("`{to}` is no key; expected a letter, `ctrl-x`, `f2`, or one of tab, space, enter, esc, up, down, left, right, pgup, pgdn, home, end")
    })?;
    Ok(Moved {
        section: found.title,
        from: from_key,
        to,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{key, letter};
    use crate::panes::PANES;
    use ratatui::crossterm::event::KeyCode;

    fn sections() -> Vec<Section> {
        let panes: Vec<_> = PANES.iter().map(|entry| (entry.make)()).collect();
        crate::screen::sections(&PANES, &panes, &Keymap::default())
    }

    fn keymap(chosen: &[(&str, &str, &str)]) -> Result<Keymap, String> {
        let owned =
            |(a, b, c): &(&str, &str, &str)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned());
        let chosen: Vec<_> = chosen.iter().map(owned).collect();
        Keymap::new(&sections(), &chosen)
    }

    #[test]
    fn a_moved_key_means_what_the_other_did_and_the_other_nothing() {
        let keymap = keymap(&[("curves", "y", "ctrl-l"), ("everywhere", "j", "f2")]).unwrap();
        assert_eq!(keymap.meant("Curves", ctrl('l')), Some(letter('y')));
        assert_eq!(keymap.meant("Curves", letter('y')), None);
        assert_eq!(keymap.meant("Runs", letter('y')), Some(letter('y')));
        let rows = sections().into_iter().flat_map(|section| {
            let title = section.title;
            section.rows.into_iter().map(move |row| (title, row))
        });
        let labels: Vec<&str> = rows
            .map(|(title, row)| keymap.row(title, row).label)
            .collect();
        assert!(
            labels.contains(&"↓ f2") && labels.contains(&"ctrl-l"),
            "{labels:?}"
        );
    }

    #[test]
    fn keys_can_change_places() {
        let keymap = keymap(&[("runs", "o", "a"), ("runs", "a", "o")]).unwrap();
        assert_eq!(keymap.meant("Runs", letter('a')), Some(letter('o')));
        assert_eq!(keymap.meant("Runs", letter('o')), Some(letter('a')));
    }

    #[test]
    fn what_would_be_out_of_reach_is_refused() {
        for (chosen, why) in [
            (("curve", "y", "l"), "did you mean `curves`?"),
            (("curves", "l", "y"), "`keys.curves` has no key `l`"),
            (("curves", "y", "yy"), "`yy` is no key"),
            (("curves", "y", "z"), "two things in `keys.curves`"),
            (("curves", "y", "q"), "two things in `keys.curves`"),
            (("everywhere", "q", "y"), "two things in `keys.curves`"),
            (("everywhere", "ctrl-c", "Q"), "always leaves"),
        ] {
            let said = keymap(&[chosen]).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn every_key_of_the_tables_can_be_written() {
        for row in sections().iter().flat_map(|section| &section.rows) {
            for key in row.keys {
                assert_eq!(named(&written(*key)), Some(*key), "{}", row.label);
            }
        }
        assert_eq!(named("left"), Some(key(KeyCode::Left)));
        for odd in ["", "f99", "ctrl-", "ctrl-xy", "\u{1b}"] {
            assert_eq!(named(odd), None, "{odd:?}");
        }
    }
}
