//! Logs that grow, are restarted, rotated, cut and replaced while they are followed, and followers that are killed.

use super::super::follow::Follower;
use super::*;
use crate::Liveness;
use std::fs;
use std::io::Write as _;

/// A time of day; a smaller number would be the seconds since some start.
const DAY: f64 = 1_700_000_000.0;

fn line(step: u64) -> String {
    format!(" iteration {step}/ 99 | lm loss: {step}.5 | grad norm: 1.0 |\n")
}

fn lines(steps: impl IntoIterator<Item = u64>) -> String {
    steps.into_iter().map(line).collect()
}

/// An event file with a loss of `level` at each of `steps`, of a writer begun `clock` seconds after 1970.
fn events(
    folder: &Path,
    clock: f64,
    tag: &str,
    level: f64,
    steps: impl Iterator<Item = u64>,
) -> PathBuf {
    let record = |step| {
        let mut record = Record::new(step);
        record.set_named(tag, level);
        record
    };
    let records: Vec<Record> = steps.map(record).collect();
    let file = crate::export::tensorboard(&records, folder, clock).unwrap();
    let place = folder.join(format!("events.out.tfevents.{clock}.host"));
    fs::rename(file, &place).unwrap();
    place
}

/// What a follower says that looks once and is killed.
fn look(request: &Import) -> Vec<String> {
    Follower::begin(request).unwrap().look(false).unwrap()
}

/// What a follower says that looks once and is stopped; the last step then counts.
fn end(request: &Import) -> Vec<String> {
    let said = std::cell::RefCell::new(Vec::new());
    let say = &mut |line: &str| said.borrow_mut().push(line.to_owned());
    let follower = Follower::begin(request).unwrap();
    follower.follow(say, &|| true).unwrap();
    said.into_inner()
}

fn recorded(out: &Path) -> Vec<Record> {
    let reader = RunReader::open(out).unwrap();
    assert!(reader.warnings().is_empty(), "{:?}", reader.warnings());
    reader.records().to_vec()
}

fn losses(out: &Path) -> Vec<(u64, f64)> {
    let records = recorded(out).into_iter();
    records
        .map(|r| (r.step, r.scalar("loss").unwrap()))
        .collect()
}

fn origin(out: &Path) -> Imported {
    let reader = RunReader::open(out).unwrap();
    reader.manifest().unwrap().imported.clone().unwrap()
}

#[test]
fn a_growing_log_is_followed_to_its_end_with_its_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("job.log"), dir.path().join("run"));
    let request = request(&[&file], &out);
    let mut follower = Follower::begin(&request).unwrap();
    let said = follower.look(false).unwrap();
    assert!(said[0].contains("waiting for it"), "{said:?}");
    fs::write(&file, "using world size: 8\n").unwrap();
    let said = follower.look(false).unwrap();
    assert!(said[0].contains("waiting until it changes"), "{said:?}");
    fs::write(&file, lines(1..=2) + " iteration 3/ 99 | lm lo").unwrap();
    assert!(follower.look(false).unwrap().is_empty());
    // Step 3 may gain numbers until step 4 has some.
    let reader = RunReader::open(&out).unwrap();
    assert_eq!(reader.liveness(), Liveness::Running);
    assert_eq!(reader.records().len(), 1);
    fs::write(&file, lines((1..=5).chain(4..=7))).unwrap();
    follower.look(false).unwrap();
    assert_eq!(losses(&out).len(), 6);
    assert_eq!(RunReader::open(&out).unwrap().latest().unwrap().step, 6);
    drop(follower);
    assert!(end(&request).is_empty());
    let reader = RunReader::open(&out).unwrap();
    assert_eq!(reader.liveness(), Liveness::Stopped);
    assert_eq!(losses(&out)[3], (4, 4.5));
    let attempts = origin(&out).attempts;
    let of = |attempt: &Attempt| (attempt.first, attempt.last, attempt.records);
    assert_eq!(
        attempts.iter().map(of).collect::<Vec<_>>(),
        [(1, 5, 5), (4, 7, 4)]
    );
}

/// Whatever a follower had seen when it was killed, the run ends as if it had never been.
#[test]
fn a_follower_that_is_killed_anywhere_goes_on_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tb");
    let event_file = events(&folder, 100.0, "loss", 2.5, 1..=6);
    let sources = [
        ("job.log", (lines((1..=5).chain(4..=7))).into_bytes()),
        (
            "a.jsonl",
            b"{\"step\":1,\"loss\":NaN}\n{\"step\":2,\"loss\":2.5}\n{\"step\":4,\"loss\":-Infinity}\n".to_vec(),
        ),
        (
            "run-57j236jh.wandb",
            include_bytes!("../../../tests/data/run-57j236jh.wandb").to_vec(),
        ),
        ("events.out.tfevents.100.a", fs::read(event_file).unwrap()),
    ];
    for (name, bytes) in sources {
        let file = dir.path().join(name);
        fs::write(&file, &bytes).unwrap();
        let whole = dir.path().join("whole");
        import(&request(&[&file], &whole)).unwrap();
        let out = dir.path().join("run");
        let request = request(&[&file], &out);
        for part in 1..=11 {
            fs::write(&file, &bytes[..bytes.len() * part / 11]).unwrap();
            let said = look(&request);
            assert!(said.iter().all(|line| line.contains("waiting")), "{said:?}");
        }
        end(&request);
        // NaN is not equal to itself.
        let text = |out: &Path| format!("{:?}", recorded(out));
        assert_eq!(text(&out), text(&whole), "{name}");
        let origin = origin(&out);
        assert_eq!(origin.sources.len(), 1);
        assert_eq!(origin.sources[0].damaged, 0);
        // Nothing is written that was there.
        let before = recorded(&out).len();
        let written = |out: &Path| {
            let files = fs::read_dir(out)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let metrics = files.filter(|file| file.to_string_lossy().contains("metrics-"));
            metrics
                .map(|file| fs::read_to_string(file).unwrap().lines().count())
                .sum::<usize>()
        };
        end(&request);
        assert!(
            written(&out) <= before + 2,
            "{name}: {} lines",
            written(&out)
        );
        fs::remove_dir_all(&out).unwrap();
        fs::remove_dir_all(&whole).unwrap();
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn every_event_file_of_a_restarted_trainer_is_an_attempt_and_an_evaluation_adds_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (tb, out) = (dir.path().join("tb"), dir.path().join("run"));
    let request = request(&[&tb], &out);
    let mut follower = Follower::begin(&request).unwrap();
    follower.look(false).unwrap();
    events(&tb, DAY + 100.0, "loss", 1.0, 1..=10);
    follower.look(false).unwrap();
    assert_eq!(losses(&out).len(), 9);
    events(&tb, DAY + 200.0, "eval/ppl", 7.0, (5..=10).step_by(5));
    events(&tb, DAY + 300.0, "loss", 3.0, 8..=9);
    follower.look(false).unwrap();
    let found = losses(&out);
    assert_eq!(found.len(), 10);
    // Step 9 of the new attempt may still gain numbers.
    assert_eq!([found[6].1, found[7].1, found[8].1], [1.0, 3.0, 1.0]);
    let records = recorded(&out);
    assert_eq!(records[4].scalar("eval/ppl"), Some(7.0));
    assert_eq!(RunReader::open(&out).unwrap().latest().unwrap().step, 8);
    // The first file is found late: its clock says where it belongs.
    events(&tb, DAY + 50.0, "loss", 0.5, 1..=2);
    follower.look(false).unwrap();
    assert_eq!(losses(&out)[0], (1, 1.0));
    let origin = origin(&out);
    let files: Vec<bool> = (origin.sources.iter())
        .map(|s| s.file.contains(".1700000050."))
        .collect();
    assert_eq!(files, [true, false, false, false]);
    assert_eq!(origin.attempts.last().unwrap().source, 3);
}

#[test]
fn a_rotated_log_loses_nothing_whoever_looks_when() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let (file, out) = (place("job.log"), place("run"));
    let request = request(&[&file], &out);
    let append = |steps: std::ops::RangeInclusive<u64>| {
        let mut options = fs::File::options();
        let mut log = options.append(true).create(true).open(&file).unwrap();
        log.write_all(lines(steps).as_bytes()).unwrap();
    };
    append(1..=10);
    assert!(look(&request).is_empty());
    // Steps 11 to 14 are read only behind the rotation, and the new file goes back to 8.
    append(11..=14);
    fs::rename(&file, place("job.log.1")).unwrap();
    append(8..=9);
    assert!(look(&request).is_empty());
    append(10..=12);
    let packed = fs::File::create(place("job.log.2.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed
        .write_all(&fs::read(place("job.log.1")).unwrap())
        .unwrap();
    packed.finish().unwrap();
    fs::rename(&file, place("job.log.1")).unwrap();
    append(13..=20);
    assert!(end(&request).is_empty());
    let steps: Vec<u64> = recorded(&out).iter().map(|record| record.step).collect();
    assert_eq!(steps, (1..=20).collect::<Vec<u64>>());
    let origin = origin(&out);
    let files: Vec<String> = (origin.sources.iter())
        .map(|source| source.file.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(files, ["job.log.2.gz", "job.log.1", "job.log"]);
    let of = |attempt: &Attempt| (attempt.source, attempt.first, attempt.last);
    assert_eq!(
        origin.attempts.iter().map(of).collect::<Vec<_>>(),
        [(0, 1, 14), (1, 8, 12), (2, 13, 20)]
    );
}

#[test]
fn a_log_that_is_cut_or_replaced_is_told_and_what_was_read_stays() {
    for live in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("job.log"), dir.path().join("run"));
        let request = request(&[&file], &out);
        let mut follower = Follower::begin(&request).unwrap();
        fs::write(&file, lines(1..=20)).unwrap();
        follower.look(false).unwrap();
        let said = if live {
            fs::write(&file, line(15) + &line(16)).unwrap();
            let said = follower.look(false).unwrap();
            drop(follower);
            said
        } else {
            drop(follower);
            fs::write(&file, line(15) + &line(16)).unwrap();
            look(&request)
        };
        assert!(said[0].contains("was cut or replaced"), "{said:?}");
        let reader = RunReader::open(&out).unwrap();
        assert!(reader.events().iter().any(|event| event.message == said[0]));
        assert!(losses(&out).len() >= 19);
        assert_eq!(reader.latest().unwrap().step, 15);
        assert_eq!(origin(&out).sources.len(), 2);
        // A file that is gone altogether takes nothing with it.
        fs::remove_file(&file).unwrap();
        let said = look(&request);
        assert!(said.iter().any(|line| line.contains("is gone")), "{said:?}");
        assert!(losses(&out).len() >= 19);
    }
}

/// Of two attempts the later one counts, also when only the earlier one is still there.
#[test]
fn an_earlier_file_never_takes_the_place_of_a_later_one_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (tb, out) = (dir.path().join("tb"), dir.path().join("run"));
    let request = request(&[&tb], &out);
    events(&tb, DAY + 100.0, "loss", 1.0, 1..=10);
    let later = events(&tb, DAY + 200.0, "loss", 2.0, 6..=20);
    end(&request);
    let before = losses(&out);
    assert_eq!((before[6], before[4]), ((7, 2.0), (5, 1.0)));
    fs::remove_file(later).unwrap();
    for _ in 0..2 {
        end(&request);
        assert_eq!(losses(&out), before);
    }
}

#[test]
fn a_follower_touches_no_run_but_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    fs::write(place("a.log"), lines(1..=3)).unwrap();
    fs::write(place("b.log"), lines(2..=5)).unwrap();
    let begun = |paths: &[&Path], out: &Path| {
        let request = request(paths, out);
        let mut follower = Follower::begin(&request)?;
        follower.look(false)
    };
    // Another's files.
    begun(&[&place("a.log")], &place("run")).unwrap();
    let error = begun(&[&place("b.log")], &place("run"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a.log` ") || error.contains("a.log`,"),
        "{error}"
    );
    // Two runs in one folder, of which the new run is none.
    let error = begun(&[dir.path()], &place("both"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("several runs, `a`, `b`"), "{error}");
    fs::remove_file(place("b.log")).unwrap();
    assert!(!place("both").exists());
    begun(&[dir.path()], &place("run")).unwrap();
    begun(&[dir.path()], &place("run")).unwrap();
    assert_eq!(origin(&place("run")).sources.len(), 1);
    // A run that was imported, a folder of somebody's files, a file.
    import(&request(&[&place("a.log")], &place("imported"))).unwrap();
    fs::create_dir(place("mine")).unwrap();
    fs::write(place("mine/notes.txt"), "mine").unwrap();
    for taken in ["imported", "mine", "a.log"] {
        let error = begun(&[&place("a.log")], &place(taken)).unwrap_err();
        assert!(
            matches!(error, ImportError::Exists { .. }),
            "{taken}: {error}"
        );
    }
    // One that was killed before it wrote anything but its lease.
    fs::create_dir(place("killed")).unwrap();
    fs::write(place("killed/metrics-0001.jsonl"), "").unwrap();
    begun(&[&place("a.log")], &place("killed")).unwrap();
    assert_eq!(losses(&place("killed")).len(), 2);
}

#[test]
fn skipped_steps_are_inferred_only_when_asked_for() {
    let text = b"step,loss,loss_scale,grad_norm\n1,2,64,1\n2,2,64,inf\n3,2,32,1\n4,2,32,\n5,2,,\n6,2,nan,1\n7,2,16,1\n8,2,inf,1\n9,2,16,1\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.csv");
    fs::write(&file, text).unwrap();
    let skipped = |columns: Columns, out: &str| {
        let out = dir.path().join(out);
        import(&Import {
            columns,
            ..request(&[&file], &out)
        })
        .unwrap();
        recorded(&out)
            .iter()
            .map(|r| r.scalar("skipped"))
            .collect::<Vec<_>>()
    };
    assert_eq!(skipped(Columns::default(), "as-is"), [None; 9]);
    let inferred = skipped(Columns::default().inferring_skipped(), "inferred");
    let (no, yes) = (Some(0.0), Some(1.0));
    // A scale that is no number is no level: from 32 it fell to 16, and stayed there.
    assert_eq!(inferred, [no, yes, yes, no, None, no, yes, no, no]);
}

#[test]
fn names_of_a_list_give_way_to_those_of_the_command() {
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let list = [pair("a", "loss"), pair("b", "lr"), pair("c=d", "grad_norm")];
    let columns = Columns::new(&["x=loss".to_owned(), "b=rate".to_owned()]).unwrap();
    let columns = columns.with_names(&list).unwrap();
    let found = ["a", "b", "c=d", "x"].map(str::to_owned);
    let naming = columns.naming(&found);
    let names: Vec<String> = (0..4)
        .map(|at| naming.name(at).unwrap().to_string())
        .collect();
    assert_eq!(names, ["a", "rate", "grad_norm", "loss"]);
    let refused = Columns::default()
        .with_names(&[pair("a", "b[0]")])
        .unwrap_err();
    assert!(refused.to_string().contains("a=b[0]"), "{refused}");
}

/// The names of everything in a folder and its folders.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.collect();
    let inner: Vec<PathBuf> = found
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| listing(path))
        .collect();
    found.extend(inner);
    found.sort();
    found
}

#[cfg(unix)]
#[test]
fn what_cannot_be_followed_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    fs::create_dir(place("logs")).unwrap();
    fs::write(place("logs/a.log"), lines(1..=3)).unwrap();
    fs::write(place("logs/b.log"), lines(2..=5)).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(place("pipe"))
        .status();
    assert!(made.unwrap().success());
    look(&request(&[&place("logs/a.log")], &place("run")));
    let before = listing(dir.path());
    let (zero, pipe, folder) = (PathBuf::from("/dev/zero"), place("pipe"), place("logs"));
    for (path, out) in [
        (&zero, "new"),
        (&pipe, "new"),
        (&folder, "new"),
        (&zero, "run"),
        (&place("logs/b.log"), "run"),
    ] {
        let request = request(&[path], &place(out));
        let error = Follower::begin(&request).unwrap_err();
        assert_eq!(listing(dir.path()), before, "{path:?} into {out}: {error}");
    }
}

#[test]
fn a_follower_whose_run_was_moved_speaks_of_following() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("job.log"), dir.path().join("run"));
    fs::write(&file, lines(1..=3)).unwrap();
    let request = request(&[&file], &out);
    let follower = Follower::begin(&request).unwrap();
    fs::rename(&out, dir.path().join("moved")).unwrap();
    let error = follower.follow(&mut |_| {}, &|| true).unwrap_err();
    assert!(matches!(error, ImportError::Gone { .. }), "{error}");
    assert!(
        error.to_string().contains("following has stopped"),
        "{error}"
    );
}

/// It would be waited for in vain.
#[cfg(unix)]
#[test]
fn a_link_that_leads_to_itself_is_refused_and_nothing_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop.log");
    std::os::unix::fs::symlink("loop.log", &path).unwrap();
    let request = request(&[&path], &dir.path().join("out"));
    let error = Follower::begin(&request).unwrap_err();
    assert!(matches!(error, ImportError::Read { .. }), "{error}");
    assert!(!request.out.exists());
}
