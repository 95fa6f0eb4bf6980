//! What is known of the chosen alarm: what each detector saw, whose gradient grew before, and what replays of its step found.

use std::path::{Path, PathBuf};

use logs::{Alarm, Sighting};
use sweeps::replay::Replay;

use super::row::message;
use crate::document::{TextRow, Tone};
use crate::number::{compact, count};
use crate::paint::wrapped;
use crate::shared::{Owned, Shared};
use crate::start::Start;

/// Left edge of what is said behind a name.
const SAID: u16 = 13;
/// Right edge of a detector's step, and left edge of what it saw.
const SEEN: [u16; 2] = [42, 44];
/// A twin: left edge of its spike, right edges of height, recovery and loss after, left edge of what it changes.
const TWIN: [u16; 5] = [28, 58, 68, 80, 82];

/// Steps around an alarm that a replay of it may ask about: those that its row stands for.
const NEAR: u64 = 8;

/// Directories of the finished replays that ask about the step of an alarm or one of its row.
pub(super) fn replays(shared: &Shared, run: usize, step: u64) -> Vec<PathBuf> {
    let Some(folder) = shared.folder(run) else {
        return Vec::new();
    };
    let mut found = Replay::of_run(folder);
    found.retain(|dir| Replay::load(dir).is_ok_and(|replay| is_about(&replay, step)));
    found
}

fn is_about(replay: &Replay, step: u64) -> bool {
    (step..=step.saturating_add(NEAR)).contains(&replay.table.at)
}

/// All of it, for a place of this width.
pub(super) fn rows(
    shared: &Shared,
    run: usize,
    sighting: &Sighting,
    owner: &Owned,
    replays: &[PathBuf],
    width: u16,
) -> Vec<TextRow> {
    let text = Text { width };
    let mut rows = text.named("what", &sighting.alarm.message);
    rows.extend(detectors(sighting));
    rows.extend(text.named("owner", &words_of(owner)));
    if replays.is_empty() {
        rows.extend(text.named("replay", &not_replayed(shared, run, sighting.alarm.step)));
    }
    for dir in replays {
        rows.push(TextRow::default());
        rows.extend(text.replay(shared, run, dir));
    }
    rows
}

/// A detector a row: when it saw it first, and what.
fn detectors(sighting: &Sighting) -> Vec<TextRow> {
    let row = |(number, rule): (usize, &String)| {
        let name = if number == 0 { "detectors" } else { "" };
        let row = TextRow::of(name, Tone::Dim).and(SAID, rule.as_str(), Tone::Accent);
        match sighting.seen.iter().find(|alarm| alarm.rule == *rule) {
            Some(alarm) => row.and_right(SEEN[0], count(alarm.step), Tone::Dim).and(
                SEEN[1],
                seen(alarm),
                Tone::Plain,
            ),
            None => row.and(
                SEEN[1],
                "saw it too; its numbers were not recorded",
                Tone::Dim,
            ),
        }
    };
    sighting.rules.iter().enumerate().map(row).collect()
}

/// The value with how far it is from what it was.
fn seen(alarm: &Alarm) -> String {
    let before = alarm
        .before
        .map(|before| format!(" · before {}", compact(before)));
    message(alarm) + &before.unwrap_or_default()
}

fn words_of(owner: &Owned) -> String {
    let spike = owner.spike.as_ref().map_or_else(String::new, |spike| {
        format!(
            " · loss spike of {:.2} nats over {}",
            spike.height,
            words::counted(spike.duration, "step")
        )
    });
    let whose = match (&owner.owner, owner.recorded) {
        (Some(owner), _) => format!(
            "{owner}: gradient norm ×{:.1} at step {}",
            owner.growth,
            count(owner.step)
        ),
        (None, true) => "no layer's gradient norm doubled in the 8 steps before".to_owned(),
        (None, false) => "not known: no layer's gradient norm is recorded there".to_owned(),
    };
    whose + &spike
}

/// What a replay would take.
fn not_replayed(shared: &Shared, run: usize, step: u64) -> String {
    match shared.trained(run) {
        Ok((folder, name)) => format!("none yet: {}", Start::replay(folder, &name, step).line),
        Err(why) => format!("none: {why}"),
    }
}

struct Text {
    width: u16,
}

impl Text {
    /// A name with what is said, over as many rows as it takes.
    fn named(&self, name: &str, said: &str) -> Vec<TextRow> {
        let lines = wrapped(said, self.width.saturating_sub(SAID + 1));
        let row = |(number, line): (usize, String)| {
            let name = if number == 0 { name } else { "" };
            TextRow::of(name, Tone::Dim).and(SAID, line, Tone::Plain)
        };
        lines.into_iter().enumerate().map(row).collect()
    }

    /// What a replay says, the twins that it says it by, and how it is made.
    fn replay(&self, shared: &Shared, run: usize, dir: &Path) -> Vec<TextRow> {
        let replay = match Replay::load(dir) {
            Ok(replay) => replay,
            Err(error) => return self.named("replay", &error.to_string()),
        };
        let says = &replay.attribution;
        let mut rows = self.named("replay", &says.sentence);
        if !says.twins.is_empty() {
            rows.extend(self.named("decided by", &says.twins.join(", ")));
        }
        rows.push(twin(&Replay::HEADERS.map(str::to_owned), Tone::Dim));
        rows.extend(replay.rows().map(|cells| {
            let decides = says.twins.contains(&cells[0]);
            twin(&cells, if decides { Tone::Accent } else { Tone::Plain })
        }));
        for absent in replay.absent() {
            rows.extend(self.named("", &absent));
        }
        if let Ok((folder, name)) = shared.trained(run) {
            let line = Start::replay(folder, &name, replay.table.at).line;
            rows.extend(self.named("made by", &line));
        }
        rows.extend(self.named("files", &dir.display().to_string()));
        rows
    }
}

/// A row of the table of twins.
fn twin(cells: &[String; 6], tone: Tone) -> TextRow {
    let [name, spike, height, recovery, loss, changes] = cells;
    TextRow::default()
        .and(SAID, name.as_str(), tone)
        .and(TWIN[0], spike.as_str(), tone)
        .and_right(TWIN[1], height.as_str(), tone)
        .and_right(TWIN[2], recovery.as_str(), tone)
        .and_right(TWIN[3], loss.as_str(), tone)
        .and(TWIN[4], changes.as_str(), Tone::Dim)
}
