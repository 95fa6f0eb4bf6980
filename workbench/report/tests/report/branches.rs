//! Replays and forks of a run, made without training.

use super::synthetic::{self, Fate};
use logs::Manifest;
use std::path::Path;
use sweeps::replay::{Control, End, REPLAY_FILE, Replay, Row, TWINS_DIR, Table, Told};

/// A replay of step 30 in the run in `dir`, with twins.
pub(crate) fn replay(dir: &Path) {
    let place = dir.join("replays/step-00000030");
    let row = |twin: &str, end: End| Row {
        twin: twin.to_owned(),
        what: "<b>a|change</b>".to_owned(),
        cause: None,
        end,
    };
    let finished = |twin: &str| {
        let dir = place.join(TWINS_DIR).join(twin);
        synthetic::train(&dir, "post", 1, Fate::Finish, 40);
        let reader = logs::RunReader::open(&dir).unwrap();
        row(twin, End::Finished(Told::of(&[], reader.records(), 30)))
    };
    let reason = "its softmax is FP32".to_owned();
    let table = Table {
        from: 22,
        at: 30,
        rows: vec![
            finished("same"),
            finished("skip"),
            row("fp32-softmax", End::NotApplicable { reason }),
            row("../../../outside", finished("lr-half").end),
        ],
    };
    let says = table.attribution(&[], Control::Same, false);
    let replay = Replay::new("runs/a".to_owned(), (0, 40), Control::Same, table, says);
    logs::write_json_atomic(&place.join(REPLAY_FILE), &replay).unwrap();
}

/// Makes a fork, before step 21, of a run in the directory that `parent` names from it.
pub(crate) fn fork_of(fork: &Path, parent: &str) {
    let mut manifest = Manifest::load(fork).unwrap().unwrap();
    manifest.parent = Some(parent.to_owned());
    manifest.forked_at = Some(20);
    manifest.save(fork).unwrap();
}
