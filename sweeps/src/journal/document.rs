//! What a re-enactment leaves: `journal.json` for programs, the same as a page for people.

use super::entry::{Entry, Journal};
use super::judge::{Behaviour, Finding, Rule, Sides, judge};
use crate::replay::Told as Twin;
use logs::Record;
use serde::Serialize;
use std::fmt::Write as _;
use words::Table as Columns;

/// Version of the file.
const VERSION: u32 = 1;

/// A journal, entry by entry beside what the proxy did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    version: u32,
    /// Whose journal.
    pub title: String,
    /// Where it is written.
    pub source: String,
    /// Steps of the original that one step of the proxy stands for.
    pub scale: u64,
    /// The entries.
    pub rows: Vec<Row>,
}

/// One entry and what the proxy did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The day.
    pub date: String,
    /// The step of the original.
    pub step: u64,
    /// The first step of the proxy that is looked at, and the last.
    pub window: (u64, u64),
    /// What happened, and what was done.
    pub what: String,
    /// Figures of the original.
    pub figures: String,
    /// In what the proxy differs.
    pub differs: String,
    /// The question.
    pub rule: Rule,
    /// The answer.
    pub behaviour: Behaviour,
    /// Why.
    pub why: String,
    /// What was measured.
    pub sides: Sides,
}

impl Finding {
    /// Of a run that took the steps of `own` after those of `before`, up to step `last`.
    #[must_use]
    pub fn of(before: &[Record], own: &[Record], (first, last): (u64, u64)) -> Self {
        let own: Vec<Record> = own
            .iter()
            .filter(|record| (first..=last).contains(&record.step))
            .cloned()
            .collect();
        let told = Twin::of(before, &own, first);
        let spike = told.near.or(told.later);
        Self {
            recovered: spike.as_ref().is_none_or(|spike| spike.recovery.is_some()),
            trouble: spike.map(|spike| spike.first),
            loss: told.last_loss.filter(|loss| loss.is_finite()),
        }
    }
}

impl Row {
    /// An entry with what was measured for it.
    #[must_use]
    pub fn new(journal: &Journal, entry: &Entry, sides: Sides) -> Self {
        let (behaviour, why) = judge(entry.rule, &sides);
        Self {
            date: entry.date.clone(),
            step: entry.step,
            window: journal.window(entry),
            what: entry.what.clone(),
            figures: entry.figures.clone(),
            differs: entry.differs.clone(),
            rule: entry.rule,
            behaviour,
            why,
            sides,
        }
    }
}

impl Told {
    /// The rows of a journal.
    #[must_use]
    pub fn new(journal: &Journal, rows: Vec<Row>) -> Self {
        Self {
            version: VERSION,
            title: journal.title.clone(),
            source: journal.source.clone(),
            scale: journal.scale,
            rows,
        }
    }

    /// How many entries the proxy behaves the same at, how many it does not, and how many it cannot tell.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |wanted| {
            self.rows
                .iter()
                .filter(|row| row.behaviour == wanted)
                .count()
        };
        format!(
            "{} entries: the proxy behaves the same at {}, not at {}, and cannot tell at {}.",
            self.rows.len(),
            count(Behaviour::Same),
            count(Behaviour::Other),
            count(Behaviour::CannotTell)
        )
    }

    /// The table, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut columns = Columns::new(&["date", "step", "proxy", "behaves", "measured", "entry"]);
        for row in &self.rows {
            columns.row([
                row.date.clone(),
                words::thousands(row.step),
                row.window.0.to_string(),
                row.behaviour.to_string(),
                measured(&row.sides),
                row.what.clone(),
            ]);
        }
        format!(
            "{}\n{}\n\n{}",
            self.title,
            self.summary(),
            columns.render(0)
        )
    }

    /// The same as Markdown, with figures and reasons.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# {}\n\n{}\nSource: {}. One step of the proxy stands for {} of the original.\n\n",
            self.title,
            self.summary(),
            self.source,
            self.scale
        );
        text += "| date | step | entry | figures of the original | the proxy | measured | why |\n|---|---:|---|---|---|---|---|\n";
        for row in &self.rows {
            let mut what = row.what.clone();
            if !row.differs.is_empty() {
                let _ = write!(what, " (*{}*)", row.differs);
            }
            let _ = writeln!(
                text,
                "| {} | {} | {what} | {} | {}, step {} | {} | {} |",
                row.date,
                words::thousands(row.step),
                row.figures,
                row.behaviour,
                row.window.0,
                measured(&row.sides),
                row.why
            );
        }
        text + "\n![Loss with and without what was done, from 16 steps before each entry](journal.svg)\n"
    }
}

/// What was measured, in a cell.
fn measured(sides: &Sides) -> String {
    match sides {
        Sides::Both { with, without } => {
            format!("with: {}; without: {}", side(with), side(without))
        }
        Sides::Again {
            killed,
            steps,
            differing,
        } => format!("killed at {killed}, {steps} steps again, {differing} differ"),
    }
}

fn side(finding: &Finding) -> String {
    let loss = finding
        .loss
        .map_or("not finite".to_owned(), |loss| format!("loss {loss:.3}"));
    match (finding.trouble, finding.recovered) {
        (None, _) => loss,
        (Some(step), true) => format!("spike at {step}, {loss}"),
        (Some(step), false) => format!("spike at {step} to the end, {loss}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(steps: std::ops::RangeInclusive<u64>, loss: impl Fn(u64) -> f64) -> Vec<Record> {
        let record = |step| {
            let mut record = Record::new(step);
            record.set_named("loss", loss(step));
            record
        };
        steps.map(record).collect()
    }

    #[test]
    fn trouble_is_looked_for_in_the_window_only() {
        let wave = |step: u64| 5.0 + 0.05 * (step as f64 * 1.7).sin();
        let before = losses(1..=200, wave);
        let own = losses(201..=300, |step| {
            wave(step)
                + if (220..=225).contains(&step) {
                    3.0
                } else {
                    0.0
                }
        });
        let found = Finding::of(&before, &own, (201, 260));
        assert_eq!((found.trouble, found.recovered), (Some(220), true));
        assert!((found.loss.unwrap() - 5.0).abs() < 0.05);
        assert_eq!(Finding::of(&before, &own, (230, 300)).trouble, None);
        let lost = losses(
            201..=300,
            |step| if step < 250 { wave(step) } else { f64::NAN },
        );
        let found = Finding::of(&before, &lost, (201, 300));
        assert_eq!(
            (found.trouble, found.recovered, found.loss),
            (Some(250), false, None)
        );
    }

    #[test]
    fn the_page_has_each_entry_with_figures_and_reason() {
        let journal =
            Journal::parse(include_str!("../../../experiments/journal/glm-130b.toml")).unwrap();
        let calm = Finding {
            trouble: None,
            recovered: true,
            loss: Some(5.0),
        };
        let hit = Finding {
            trouble: Some(9),
            recovered: false,
            loss: Some(7.0),
        };
        let sides = |entry: &Entry| match entry.rule {
            Rule::Exact => Sides::Again {
                killed: 9,
                steps: 5,
                differing: 0,
            },
            _ => Sides::Both {
                with: calm.clone(),
                without: hit.clone(),
            },
        };
        let rows = journal
            .entries
            .iter()
            .map(|entry| Row::new(&journal, entry, sides(entry)));
        let told = Told::new(&journal, rows.collect());
        let page = told.markdown();
        assert_eq!(page.matches("\n| 2022-").count(), journal.entries.len());
        assert!(page.contains("loss scale falls at 33,710"), "{page}");
        assert!(page.contains("spike at 9 to the end, loss 7.000"), "{page}");
        assert!(told.text().contains("killed at 9, 5 steps again, 0 differ"));
        assert!(
            told.summary()
                .starts_with(&format!("{} entries: ", journal.entries.len()))
        );
    }
}
