//! What a replay leaves: `replay.json` for programs, the same as Markdown for people.

use super::{Attribution, Control, End, Row, Seen, Table};
use crate::SweepError;
use logs::disk;
use logs::output::REPLAY_FILE;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use words::Table as Columns;

/// Version of the file.
const VERSION: u64 = 2;
/// Folder of the twins' run directories in that of a replay.
pub const TWINS_DIR: &str = "twins";

/// A replay and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    version: u64,
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

    /// Reads the replay in `dir`.
    pub fn load(dir: &Path) -> Result<Self, SweepError> {
        let path = dir.join(REPLAY_FILE);
        let mut bytes = Vec::new();
        let read = disk::open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        if let Err(source) = read {
            return Err(SweepError::Read { path, source });
        }
        let value: Value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(error) => return Err(damaged(path, &error)),
        };
        match value.get("version").and_then(Value::as_u64) {
            Some(found) if found != VERSION => Err(SweepError::Version {
                path,
                found,
                ours: VERSION,
            }),
            _ => serde_json::from_value(value).map_err(|error| damaged(path, &error)),
        }
    }

    /// Directories of the replays of the run in `run` that came to their end, in the order of their names. Those
    /// written elsewhere with `--out` are not among them.
    #[must_use]
    pub fn of_run(run: &Path) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(run.join(logs::run::REPLAYS_DIR)) else {
            return Vec::new();
        };
        let all = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut found: Vec<_> = all.filter(|dir| dir.join(REPLAY_FILE).is_file()).collect();
        found.sort();
        found
    }

    /// The sentence and the table, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut columns = Columns::new(&Self::HEADERS);
        self.rows().for_each(|row| columns.row(row));
        let mut text = format!("{}\n\n{}", self.attribution.sentence, columns.render(0));
        for absent in self.absent() {
            let _ = writeln!(text, "{absent}");
        }
        text
    }

    /// The same as Markdown, with the figure.
    #[must_use]
    pub fn markdown(&self) -> String {
        let (at, says) = (self.table.at, &self.attribution.sentence);
        let run = &self.run;
        let mut text = format!(
            "# Step {at} of {run} again\n\n{says}\n\n{}\n\n",
            self.note()
        );
        let line = |cells: [String; 6]| format!("| {} |\n", cells.join(" | "));
        text += &line(Self::HEADERS.map(str::to_owned));
        text += "|---|---|---:|---:|---:|---|\n";
        self.rows().for_each(|row| text += &line(row));
        text += "\n![Loss of the twins around the step](replay.svg)\n";
        for absent in self.absent() {
            let _ = writeln!(text, "\n{absent}.");
        }
        text
    }

    /// What to know to read the table.
    #[must_use]
    pub fn note(&self) -> String {
        format!(
            "Every twin begins with the exact state before step {} (checkpoint of step {}, taken forward) and differs in one \
             thing. Height in nats per token over the level before, recovery in steps, loss after step {} as the mean of 16 steps.",
            self.table.from, self.checkpoint, self.last
        )
    }

    /// Which twins took no steps or not all of them, and why; one sentence each, without its full stop.
    pub fn absent(&self) -> impl Iterator<Item = String> {
        self.table.rows.iter().filter_map(|row| match &row.end {
            End::Finished(_) => None,
            End::NotApplicable { reason } => Some(format!("not run: `{}`, {reason}", row.twin)),
            End::Failed { reason } => Some(format!("failed: `{}`, {reason}", row.twin)),
        })
    }

    /// The table: its rows by [`Self::HEADERS`].
    pub fn rows(&self) -> impl Iterator<Item = [String; 6]> {
        self.table.rows.iter().map(Row::cells)
    }

    /// Columns of the table; from the third to the fifth they are numbers.
    pub const HEADERS: [&str; 6] = [
        "twin",
        "spike",
        "height",
        "recovery",
        "loss after",
        "changes",
    ];
}

fn damaged(path: PathBuf, error: &serde_json::Error) -> SweepError {
    SweepError::Damaged {
        path,
        message: error.to_string(),
    }
}

impl Row {
    /// Its line of the table, by [`Replay::HEADERS`].
    #[must_use]
    pub fn cells(&self) -> [String; 6] {
        let dash = || "–".to_owned();
        let Some(told) = self.end.told() else {
            let [spike, height, recovery, loss] = [(); 4].map(|()| dash());
            return [
                self.twin.clone(),
                spike,
                height,
                recovery,
                loss,
                self.what.clone(),
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
            self.twin.clone(),
            spike,
            shown.map_or_else(dash, height),
            shown.map_or_else(dash, recovery),
            told.last_loss
                .map_or_else(dash, |loss| format!("{loss:.3}")),
            self.what.clone(),
        ]
    }
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
        let row = |twin: &str, end| Row {
            twin: twin.to_owned(),
            what: "something".to_owned(),
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
        let reason = "the run has this format".to_owned();
        let failed = End::Failed {
            reason: "exit code 1".to_owned(),
        };
        let table = Table {
            from: 114,
            at: 122,
            rows: vec![
                row("same", End::Finished(told(Some(122)))),
                row("egs", End::Finished(told(None))),
                row("fp32", End::NotApplicable { reason }),
                row("bf16", failed),
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
        assert!(
            text.contains("not run: `fp32`, the run has this format\nfailed: `bf16`, exit code 1")
        );
        let page = replay.markdown();
        assert!(
            page.contains("| same | step 122 | 2.50 | not back | 6.250 | something |"),
            "{page}"
        );
        let json = serde_json::to_value(&replay).unwrap();
        let end = &json["rows"][0]["end"];
        assert_eq!(
            (&end["status"], &end["near"]["first"]),
            (&"finished".into(), &122.into())
        );
        assert_eq!(json["rows"][2]["end"]["status"], "not_applicable");
        assert_eq!(json["attribution"]["answer"], "unclear");
        let dir = tempfile::tempdir().unwrap();
        logs::write_json_atomic(&dir.path().join(REPLAY_FILE), &replay).unwrap();
        assert_eq!(Replay::load(dir.path()).unwrap(), replay);
    }

    #[test]
    fn a_file_of_another_version_or_cut_off_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            std::fs::write(dir.path().join(REPLAY_FILE), text).unwrap();
            Replay::load(dir.path()).unwrap_err().to_string()
        };
        let other = load(r#"{"version": 1, "run": "runs/a", "rows": [{"Ok": {}}]}"#);
        assert!(
            other.contains("replay.json` has format version 1"),
            "{other}"
        );
        assert!(load(r#"{"version": 2, "run": "ru"#).contains("replay.json` is damaged"));
        assert!(load("{}").contains("missing field `version`"));
    }
}
