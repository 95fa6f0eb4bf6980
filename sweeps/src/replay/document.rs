//! What a replay leaves: `replay.json` for programs, the same as Markdown for people.

use super::{Attribution, Control, Row, Seen, Table};
use serde::Serialize;
use std::fmt::Write as _;
use words::Table as Columns;

/// File name of a [`Replay`] in the directory of a replay.
pub const REPLAY_FILE: &str = "replay.json";
/// Version of the file.
const VERSION: u32 = 1;

/// A replay and what it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    version: u32,
    /// The run.
    pub run: String,
    /// Step of the checkpoint that was taken forward; 0 for the beginning.
    pub checkpoint: u64,
    /// The last step of the twins.
    pub last: u64,
    /// The control against the record.
    pub control: Control,
    /// The cause.
    pub attribution: Attribution,
    /// The twins.
    #[serde(flatten)]
    pub table: Table,
}

impl Replay {
    /// Of a table and what it says, between the checkpoint that was taken forward and the last step.
    #[must_use]
    pub fn new(
        run: String,
        (checkpoint, last): (u64, u64),
        control: Control,
        table: Table,
        says: Attribution,
    ) -> Self {
        Self {
            version: VERSION,
            run,
            checkpoint,
            last,
            control,
            attribution: says,
            table,
        }
    }

    /// The sentence and the table, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut columns = Columns::new(&HEADERS);
        for row in &self.table.rows {
            columns.row(cells(row));
        }
        let mut text = format!("{}\n\n{}", self.attribution.sentence, columns.render(0));
        for (row, why) in self.absent() {
            let _ = writeln!(text, "not run: {}, {why}", row.twin);
        }
        text
    }

    /// The same as Markdown, with the figure.
    #[must_use]
    pub fn markdown(&self) -> String {
        let (at, from) = (self.table.at, self.table.from);
        let mut text = format!(
            "# Step {at} of {} again\n\n{}\n\n",
            self.run, self.attribution.sentence
        );
        let _ = writeln!(
            text,
            "Every twin begins with the exact state before step {from} (checkpoint of step {}, taken forward) and differs in one \
             thing. Height in nats per token over the level before, recovery in steps, loss after step {} as the mean of 16 steps.\n",
            self.checkpoint, self.last
        );
        let line = |cells: [String; 6]| format!("| {} |\n", cells.join(" | "));
        text += &line(HEADERS.map(str::to_owned));
        text += "|---|---|---:|---:|---:|---|\n";
        for row in &self.table.rows {
            text += &line(cells(row));
        }
        text += "\n![Loss of the twins around the step](replay.svg)\n";
        for (row, why) in self.absent() {
            let _ = write!(text, "\nNot run: `{}`, {why}.", row.twin);
        }
        text += "\n";
        text
    }

    fn absent(&self) -> impl Iterator<Item = (&Row, &String)> {
        let rows = self.table.rows.iter();
        rows.filter_map(|row| Some((row, row.end.as_ref().err()?)))
    }
}

const HEADERS: [&str; 6] = [
    "twin",
    "spike",
    "height",
    "recovery",
    "loss after",
    "changes",
];

fn cells(row: &Row) -> [String; 6] {
    let dash = || "–".to_owned();
    let Ok(told) = &row.end else {
        return [
            row.twin.to_owned(),
            dash(),
            dash(),
            dash(),
            dash(),
            row.what.to_owned(),
        ];
    };
    let shown = told.near.as_ref().or(told.later.as_ref());
    let spike = match (&told.near, &told.later) {
        (Some(near), _) => format!("step {}", near.first),
        (None, Some(later)) => format!("no; later, step {}", later.first),
        (None, None) => "no".to_owned(),
    };
    let recovery = |seen: &Seen| {
        seen.recovery
            .map_or("not back".to_owned(), |steps| steps.to_string())
    };
    let height = |seen: &Seen| {
        seen.height
            .map_or("not finite".to_owned(), |height| format!("{height:.2}"))
    };
    [
        row.twin.to_owned(),
        spike,
        shown.map_or_else(dash, height),
        shown.map_or_else(dash, recovery),
        told.last_loss
            .map_or_else(dash, |loss| format!("{loss:.3}")),
        row.what.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Told;

    #[test]
    fn the_sentence_stands_above_the_table_and_absent_twins_are_named() {
        let seen = |first| Seen {
            first,
            height: Some(2.5),
            recovery: None,
        };
        let row = |twin, end| Row {
            twin,
            what: "something",
            cause: None,
            end,
        };
        let told = |near: Option<u64>| Told {
            near: near.map(seen),
            later: Some(seen(170)),
            loss: Some(8.0),
            last_loss: Some(6.25),
            level: None,
        };
        let table = Table {
            from: 114,
            at: 122,
            rows: vec![
                row("same", Ok(told(Some(122)))),
                row("egs", Ok(told(None))),
                row("fp32", Err("the run has this format".to_owned())),
            ],
        };
        let says = table.attribution(&[], Control::Same, true);
        let replay = Replay::new("runs/a".to_owned(), (96, 249), Control::Same, table, says);
        let text = replay.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("cannot be said"), "{text}");
        assert!(
            lines[3].starts_with("same") && lines[3].contains("not back"),
            "{text}"
        );
        assert!(
            lines[4].contains("no; later, step 170") && lines[4].contains("6.250"),
            "{text}"
        );
        assert!(text.contains("not run: fp32, the run has this format"));
        let page = replay.markdown();
        assert!(
            page.contains("| same | step 122 | 2.50 | not back | 6.250 | something |"),
            "{page}"
        );
        let json = serde_json::to_value(&replay).unwrap();
        assert_eq!(json["rows"][0]["Ok"]["near"]["first"], 122);
        assert_eq!(json["attribution"]["answer"], "unclear");
    }
}
