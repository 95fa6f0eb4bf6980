//! The entries of a journal, and the configurations that they make.

use super::judge::Rule;
use serde::Deserialize;
use toml::{Table, Value};

/// A journal: dated entries, and the proxy that takes the same way.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Whose it is.
    pub title: String,
    /// Where it is written.
    pub source: String,
    /// Steps of the original that one step of the proxy stands for, at least 1.
    pub scale: u64,
    /// Steps of the original run.
    pub steps: u64,
    /// Steps of the original until its learning rate is at its highest.
    pub warmup: u64,
    /// Steps of the original until it is at its lowest.
    pub decay: u64,
    /// Sequences that the proxy trains on in a step.
    pub batch: u64,
    /// Keys of the proxy's configuration, as in a configuration file.
    pub proxy: Table,
    /// The entries, in the order of their steps.
    #[serde(rename = "entry")]
    pub entries: Vec<Entry>,
}

/// One entry. Steps are those of the original.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The day, in the form 2022-06-12.
    pub date: String,
    /// Finished steps when it was done.
    pub step: u64,
    /// What happened, and what was done.
    pub what: String,
    /// Figures of the original.
    #[serde(default)]
    pub figures: String,
    /// In what the proxy differs.
    #[serde(default)]
    pub differs: String,
    /// The question that two runs answer.
    pub rule: Rule,
    /// Whether it was undone: it is a branch and no part of the main line.
    #[serde(default)]
    pub branch: bool,
    /// Steps that are looked at.
    #[serde(default)]
    pub window: u64,
    /// Data that was passed over: that of the first to the last of these steps.
    #[serde(default)]
    pub skip: Option<[u64; 2]>,
    /// `[[schedule]]` entries.
    #[serde(default)]
    pub schedule: Vec<Table>,
    /// Those of the run that did not do it, in their place.
    #[serde(default)]
    pub instead: Vec<Table>,
    /// `[[inject]]` entries: trouble that is planted on both sides. `steps` are the proxy's.
    #[serde(default)]
    pub inject: Vec<Table>,
    /// Other keys that it changes; for a branch.
    #[serde(default)]
    pub set: Table,
}

/// A run of the re-enactment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Everything that was done and not undone.
    Main,
    /// The other side of the entry of this number: of a branch the run with it, else the run without it.
    Fork(usize),
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be read: {0}")]
pub struct JournalError(#[from] toml::de::Error);

impl Entry {
    /// Whether it is an interruption, which has no second run.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        self.rule == Rule::Exact
    }
}

impl Journal {
    /// Reads a journal.
    pub fn parse(text: &str) -> Result<Self, JournalError> {
        let mut journal: Self = toml::from_str(text)?;
        journal.scale = journal.scale.max(1);
        Ok(journal)
    }

    /// A step of the original as one of the proxy.
    #[must_use]
    pub fn scaled(&self, step: u64) -> u64 {
        step / self.scale
    }

    /// The first and the last step of the proxy that are looked at for an entry.
    #[must_use]
    pub fn window(&self, entry: &Entry) -> (u64, u64) {
        let first = self.scaled(entry.step) + 1;
        let last = self.scaled(entry.step + entry.window).max(first);
        (first, last.min(self.scaled(self.steps)))
    }

    /// The configuration of a run, as the table of a configuration file.
    #[must_use]
    pub fn table(&self, side: Side) -> Table {
        let mut table = self.proxy.clone();
        let samples = |steps| integer(self.scaled(steps) * self.batch);
        let optimizer = [
            ("warmup_samples", samples(self.warmup)),
            ("decay_samples", samples(self.decay)),
        ];
        let batch = [("micro_batch", integer(self.batch))];
        merge(&mut table, &section("optimizer", optimizer));
        merge(&mut table, &section("batch", batch));
        let steps = match side {
            Side::Main => self.scaled(self.steps),
            Side::Fork(number) => self
                .entries
                .get(number)
                .map_or(0, |entry| self.window(entry).1),
        };
        table.insert("steps".to_owned(), integer(steps));
        for (number, entry) in self.entries.iter().enumerate() {
            match self.part(side, number, entry) {
                Part::None => {}
                Part::Whole => self.add(&mut table, entry),
                Part::Without => {
                    self.add_schedule(&mut table, &entry.instead);
                    self.add_inject(&mut table, entry);
                }
            }
        }
        table
    }

    /// What of an entry is in a run.
    fn part(&self, side: Side, number: usize, entry: &Entry) -> Part {
        let Side::Fork(forked) = side else {
            return if entry.branch {
                Part::None
            } else {
                Part::Whole
            };
        };
        let Some(of) = self.entries.get(forked) else {
            return Part::None;
        };
        // What comes behind its end has no place in it.
        if self.scaled(entry.step) >= self.window(of).1 {
            return Part::None;
        }
        if number == forked {
            return if of.branch {
                Part::Whole
            } else {
                Part::Without
            };
        }
        // A branch knows nothing of what was done in its place.
        if entry.branch || of.branch && entry.step >= of.step {
            Part::None
        } else {
            Part::Whole
        }
    }

    fn add(&self, table: &mut Table, entry: &Entry) {
        self.add_schedule(table, &entry.schedule);
        self.add_inject(table, entry);
        merge(table, &entry.set);
        if let Some([first, last]) = entry.skip {
            let steps = self.scaled(last + 1 - first.min(last)).max(1);
            let step = self.scaled(first.saturating_sub(1)) + 1;
            // Other batches in their place and not the later ones, so that both sides read the same ones behind them.
            let other = [
                ("kind", Value::from("other")),
                ("step", integer(step)),
                ("steps", integer(steps)),
            ];
            push(table, "substitute", other.into_iter().map(owned).collect());
        }
    }

    fn add_schedule(&self, table: &mut Table, schedule: &[Table]) {
        for movement in schedule {
            let mut movement = movement.clone();
            for key in ["start", "length"] {
                self.scale_key(&mut movement, key);
            }
            push(table, "schedule", movement);
        }
    }

    fn add_inject(&self, table: &mut Table, entry: &Entry) {
        for cause in &entry.inject {
            let mut cause = cause.clone();
            self.scale_key(&mut cause, "step");
            let end = table.get("steps").and_then(Value::as_integer).unwrap_or(0);
            let mut room = end;
            // Not before the fork nor behind the end, where the scale is coarse.
            if let Some(Value::Integer(step)) = cause.get_mut("step") {
                *step = (*step).max(self.window(entry).0 as i64);
                room = end + 1 - *step;
            }
            if let Some(Value::Integer(steps)) = cause.get_mut("steps") {
                *steps = (*steps).min(room);
            }
            if room > 0 {
                push(table, "inject", cause);
            }
        }
    }

    fn scale_key(&self, table: &mut Table, key: &str) {
        if let Some(Value::Integer(step)) = table.get_mut(key) {
            *step /= self.scale as i64;
        }
    }
}

enum Part {
    None,
    Whole,
    Without,
}

fn integer(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn owned((key, value): (&str, Value)) -> (String, Value) {
    (key.to_owned(), value)
}

fn section<const N: usize>(name: &str, keys: [(&str, Value); N]) -> Table {
    let keys: Table = keys.into_iter().map(owned).collect();
    std::iter::once((name.to_owned(), Value::Table(keys))).collect()
}

/// Appends to a list of tables.
fn push(table: &mut Table, key: &str, entry: Table) {
    let list = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = list {
        list.push(Value::Table(entry));
    }
}

/// Puts the keys of `more` over those of `table`, section by section.
fn merge(table: &mut Table, more: &Table) {
    for (key, value) in more {
        match (table.get_mut(key), value) {
            (Some(Value::Table(section)), Value::Table(keys)) => merge(section, keys),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../experiments/journal/glm-130b.toml");

    fn shipped() -> Journal {
        Journal::parse(SHIPPED).unwrap()
    }

    fn list<'a>(table: &'a Table, key: &str) -> Vec<&'a Table> {
        let list = table.get(key).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_table)
            .collect()
    }

    /// The journal is in order, every entry but an interruption has a window, and what a rule needs is there.
    #[test]
    fn the_shipped_journal_is_whole() {
        let journal = shipped();
        assert!(journal.entries.is_sorted_by_key(|entry| entry.step));
        assert!(journal.entries.len() >= 15);
        for entry in &journal.entries {
            let what = &entry.what;
            assert!(entry.date.starts_with("2022-0") && !what.is_empty());
            assert_eq!(entry.window == 0, entry.is_interruption(), "{what}");
            let changes =
                entry.schedule.len() + entry.set.len() + usize::from(entry.skip.is_some());
            assert_eq!(changes == 0, entry.is_interruption(), "{what}");
            assert!(
                entry.inject.is_empty() || entry.differs.contains("planted"),
                "{what}"
            );
            assert!(entry.set.is_empty() || entry.branch, "{what}");
        }
    }

    /// Every run of the shipped journal is a sound configuration, at every scale that can be asked for.
    #[test]
    fn every_run_is_a_sound_configuration() {
        for scale in [1, 25, 250, 333, 500, 800, 1000] {
            let journal = Journal { scale, ..shipped() };
            let forks = (0..journal.entries.len()).map(Side::Fork);
            for side in forks.chain([Side::Main]) {
                let mut table = journal.table(side);
                let mut whole = experiments_config::preset_table("t0").unwrap();
                table.remove("extends");
                merge(&mut whole, &table);
                let config = experiments_config::resolve(whole, &[], "a journal");
                assert!(config.is_ok(), "{scale} {side:?}: {config:?}");
            }
        }
    }

    #[test]
    fn positions_are_scaled() {
        let journal = shipped();
        let main = journal.table(Side::Main);
        assert_eq!(main["steps"].as_integer(), Some(1972));
        let starts: Vec<_> = list(&main, "schedule")
            .iter()
            .map(|s| s["start"].as_integer().unwrap())
            .collect();
        assert_eq!(starts, [240, 912, 912, 912, 1040, 1344, 1408, 1708]);
        let skips: Vec<_> = list(&main, "substitute")
            .iter()
            .map(|s| (s["step"].as_integer(), s["steps"].as_integer()))
            .collect();
        assert_eq!(skips, [(Some(1629), Some(8)), (Some(1697), Some(8))]);
        let planted: Vec<_> = list(&main, "inject")
            .iter()
            .map(|s| s["step"].as_integer().unwrap())
            .collect();
        assert_eq!(planted, [1348, 1410, 1632, 1698]);
    }

    #[test]
    fn a_fork_is_the_main_line_without_its_entry_and_a_branch_ends_the_main_line() {
        let journal = shipped();
        let number = |date: &str, step: u64| {
            journal
                .entries
                .iter()
                .position(|e| e.date == date && e.step == step)
                .unwrap()
        };
        let skipped = journal.table(Side::Fork(number("2022-06-20", 40_700)));
        assert!(
            list(&skipped, "substitute").is_empty(),
            "the later one is behind its end"
        );
        assert_eq!(list(&skipped, "inject").len(), 3, "what is planted stays");
        assert_eq!(skipped["steps"].as_integer(), Some(1688));
        let at_once = journal.table(Side::Fork(number("2022-05-28", 22_800)));
        let keys: Vec<_> = list(&at_once, "schedule")
            .iter()
            .map(|s| s["key"].as_str().unwrap())
            .collect();
        assert_eq!(keys, ["egs.alpha", "tasks.ratio"]);
        assert!(list(&at_once, "inject").is_empty());
        let plain = journal.table(Side::Fork(number("2022-06-29", 48_100)));
        assert_eq!(
            plain["objective"]["gmask_positions"].as_str(),
            Some("plain")
        );
        let main = journal.table(Side::Main);
        assert_eq!(
            main["objective"]["gmask_positions"].as_str(),
            Some("shifted")
        );
    }
}
