//! The detectors on losses of real pre-training runs (`PolyPythias`, arXiv 2503.09543: exports of every step's
//! loss, one file per attempt), and what is known to be in them.
//!
//! The data are not part of the repository. Without the environment variable `WORKBENCH_REAL_LOGS`, the folder that holds
//! `polypythias/*.tsv.zst`, the test says that it skips.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of a test, outside a test function"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use logs::Record;

/// Run and step of everything that was looked at in its curve, and how many steps off an alarm may be: 0 for
/// a single batch and a collapse, 20 for a ramp.
const EVENTS: [(&str, u64, u64); 12] = [
    ("14m-seed1", 120_255, 0),
    ("14m-seed2", 66_773, 0),
    ("14m-seed5", 95_457, 0),
    ("70m-seed1", 117_094, 0),
    ("70m-seed1", 120_255, 0),
    ("160m-seed4", 1_318, 20),
    ("160m-seed5", 1_457, 20),
    ("410m-seed1", 1_389, 20),
    ("410m-seed4", 1_372, 20),
    ("410m-seed6", 1_397, 20),
    ("70m-seed3", 1_425, 20),
    ("410m-seed4", 122_002, 0),
];

/// Smaller bumps, which may be alarmed or not: run, step, steps off.
const BUMPS: [(&str, u64, u64); 4] = [
    ("160m-seed4", 1_180, 60),
    ("160m-seed5", 1_250, 60),
    ("70m-seed3", 1_240, 60),
    ("70m-seed3", 1_530, 20),
];

/// Seeds that were trained twice: the attempt that is the run of the paper.
const PRIMARY: [(&str, &str); 5] = [
    ("70m-seed1", "jzi01nuy"),
    ("70m-seed2", "i60750mk"),
    ("70m-seed3", "0ydn3v9s"),
    ("70m-seed4", "8diojab5"),
    ("70m-seed9", "l2ui5xws"),
];

type Losses = BTreeMap<u64, f64>;

/// The folder, or none with a word about it.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("WORKBENCH_REAL_LOGS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: WORKBENCH_REAL_LOGS does not name a folder with real logs");
    }
    folder
}

fn attempt(file: &Path) -> Losses {
    let bytes = std::fs::read(file).unwrap();
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap();
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let (step, loss) = (column("step"), column("train/lm_loss"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let step: f64 = cells.get(step)?.parse().ok()?;
        Some((step as u64, cells.get(loss)?.parse().ok()?))
    };
    lines.filter_map(row).collect()
}

/// Losses by run. Attempts are joined in the order of their first step and length, a later one winning from its
/// first step on.
fn runs(folder: &Path) -> BTreeMap<String, Losses> {
    let mut attempts: BTreeMap<String, Vec<Losses>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("polypythias")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Some((run, id)) = name
            .strip_suffix(".tsv.zst")
            .and_then(|stem| stem.split_once('_'))
        else {
            continue;
        };
        if PRIMARY
            .iter()
            .any(|(seed, primary)| *seed == run && *primary != id)
        {
            continue;
        }
        attempts
            .entry(run.to_owned())
            .or_default()
            .push(attempt(&file));
    }
    let stitch = |(run, mut parts): (String, Vec<Losses>)| {
        parts.sort_by_key(|part| (part.keys().next().copied(), part.len()));
        let mut whole = Losses::new();
        for part in parts {
            if let Some((&first, _)) = part.first_key_value() {
                whole.split_off(&first);
            }
            whole.extend(part);
        }
        (run, whole)
    };
    attempts.into_iter().map(stitch).collect()
}

fn records(losses: &Losses) -> Vec<Record> {
    let record = |(&step, &loss): (&u64, &f64)| {
        let mut record = Record::new(step);
        record.set_named("loss", loss);
        record
    };
    losses.iter().map(record).collect()
}

/// First steps of what one detector raises.
fn alarms(detector: &str, records: &[Record]) -> Vec<u64> {
    let mut detector = logs::alarm::detector(detector).unwrap();
    let mut raised = Vec::new();
    for record in records {
        detector.observe(record, &mut raised);
    }
    raised.iter().map(|alarm| alarm.step).collect()
}

fn within(step: u64, event: u64, off: u64) -> bool {
    step.abs_diff(event) <= off
}

/// Alarms that are neither a listed event nor a bump.
fn others(run: &str, steps: &[u64]) -> Vec<u64> {
    let listed = |step: u64| {
        let mut listed = EVENTS.iter().chain(&BUMPS);
        listed.any(|(name, event, off)| *name == run && within(step, *event, *off))
    };
    let steps = steps.iter().copied();
    steps.filter(|step| !listed(*step)).collect()
}

#[test]
fn the_robust_detector_finds_every_known_event_and_little_else() {
    let Some(folder) = folder() else { return };
    let runs = runs(&folder);
    assert_eq!(runs.len(), 15, "primary runs");
    let mut total = 0;
    let mut other = 0;
    for (run, losses) in &runs {
        assert_eq!(losses.len(), 143_000, "{run}");
        let found = alarms("robust-loss", &records(losses));
        for (_, event, off) in EVENTS.iter().filter(|(name, ..)| name == run) {
            assert!(
                found.iter().any(|step| within(*step, *event, *off)),
                "{run}: nothing at {event}, alarms at {found:?}"
            );
        }
        let unknown = others(run, &found);
        eprintln!("{run}: {found:?}, of which others {unknown:?}");
        total += losses.len();
        other += unknown.len();
    }
    assert!(
        other as f64 <= total as f64 / 100_000.0,
        "{other} other alarms in {total} steps"
    );
}

/// Detector, events of the list that it finds, and other alarms: what the documentation says.
/// `olmo-core-128/6` stands outside the comparison, since the list began with what it found.
const COUNTS: [(&str, usize, usize); 4] = [
    ("robust-loss", 12, 3),
    ("olmo2-1000/7", 6, 0),
    ("olmo-core-128/6", 12, 0),
    ("jump-loss", 3, 0),
];

#[test]
fn every_detector_of_a_loss_finds_what_the_documentation_says() {
    let Some(folder) = folder() else { return };
    let runs = runs(&folder);
    for (name, events, others_of_it) in COUNTS {
        let (mut found, mut other) = (0, 0);
        for (run, losses) in &runs {
            let raised = alarms(name, &records(losses));
            let of_run = EVENTS.iter().filter(|(name, ..)| name == run);
            found += of_run
                .filter(|(_, event, off)| raised.iter().any(|step| within(*step, *event, *off)))
                .count();
            other += others(run, &raised).len();
        }
        assert_eq!((found, other), (events, others_of_it), "{name}");
    }
}
