//! What is on the disk afterwards.

use super::*;
use crate::Liveness;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;

fn table(steps: std::ops::RangeInclusive<u64>, level: f64) -> String {
    let mut text = "train/lm_loss\tstep\n".to_owned();
    for step in steps {
        let _ = writeln!(text, "{}\t{step}", level - 0.001 * step as f64);
    }
    text
}

#[test]
fn a_run_directory_reads_like_one_of_our_own_and_says_that_it_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let packed = |name: &str, text: &str| {
        let path = dir.path().join(name);
        let bytes = if path.extension().is_some_and(|ending| ending == "gz") {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        } else {
            zstd::encode_all(text.as_bytes(), 1).unwrap()
        };
        fs::write(&path, bytes).unwrap();
        path
    };
    let first = packed("a_x1.tsv.gz", &table(1..=50, 3.0));
    let second = packed("a_x0.tsv.zst", &table(41..=90, 3.0));
    let rival = packed("a_x2.tsv.zst", &table(1..=30, 4.0));
    let out = dir.path().join("out");
    let done = import(&request(&[&first, &second, &rival], &out)).unwrap();
    assert!(done.warnings.is_empty(), "{:?}", done.warnings);
    assert_eq!(done.runs[0].dir, out);
    assert_eq!((done.runs[0].steps, done.runs[0].range), (90, (1, 90)));
    assert_eq!(done.runs[1].dir, dir.path().join("out-rival-1"));

    let reader = RunReader::open(&out).unwrap();
    assert_eq!(reader.liveness(), Liveness::Finished);
    assert!(reader.warnings().is_empty(), "{:?}", reader.warnings());
    assert_eq!(reader.series("loss").len(), 90);
    let manifest = reader.manifest().unwrap();
    let imported = manifest.imported.as_ref().unwrap();
    assert_eq!(manifest.unigram_level(), None);
    assert!(imported.missing.contains(&"grad_norm".to_owned()));
    assert!(!imported.missing.contains(&"loss".to_owned()));
    assert_eq!(imported.sources[0].file, first.to_string_lossy());
    let hash = blake3::hash(&fs::read(&first).unwrap())
        .to_hex()
        .to_string();
    assert_eq!(imported.sources[0].hash, hash);
    assert!(matches!(
        imported.attempts[1].join,
        Join::Overlap {
            first: 41,
            equal: 10,
            ..
        }
    ));
    let message = reader.summary().unwrap().message.clone().unwrap();
    assert!(
        message.contains("imported") && message.contains("trained elsewhere"),
        "{message}"
    );
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        5,
        "three sources, two runs and nothing else: {left:?}"
    );
}

#[test]
fn a_log_with_gaps_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.csv");
    fs::write(&file, "step,loss\n10,3\n20,2.9\n").unwrap();
    let out = dir.path().join("run");
    import(&request(&[&file], &out)).unwrap();
    let reader = RunReader::open(&out).unwrap();
    assert!(reader.warnings().is_empty(), "{:?}", reader.warnings());
    // A line that is lost afterwards is missed.
    let metrics = out.join("metrics-0001.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    let reader = RunReader::open(&out).unwrap();
    assert_eq!(
        reader.warnings(),
        ["metrics: 1 record is missing that the run wrote"]
    );
}

#[test]
fn a_folder_gives_a_run_per_name_and_says_what_is_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir_all(logs.join("inner")).unwrap();
    fs::write(logs.join("7b-seed1_aaa.tsv"), table(1..=20, 3.0)).unwrap();
    fs::write(logs.join("7b-seed1_bbb.tsv"), table(21..=40, 3.0)).unwrap();
    fs::write(logs.join("7b-seed2_ccc.tsv"), table(1..=20, 3.0)).unwrap();
    fs::write(logs.join("inner/7b-seed2_ccc.tsv"), table(1..=20, 3.0)).unwrap();
    fs::write(logs.join("metadata.tsv"), "name\tsize\nx\t3\n").unwrap();
    fs::write(logs.join("empty.csv"), "").unwrap();
    // A run that was imported into the folder of its logs is none of them.
    import(&request(
        &[&logs.join("7b-seed2_ccc.tsv")],
        &logs.join("ours"),
    ))
    .unwrap();
    let out = dir.path().join("runs");
    let done = import(&request(&[&logs], &out)).unwrap();
    let names: Vec<_> = done
        .runs
        .iter()
        .map(|run| (run.dir.strip_prefix(&out).unwrap().to_owned(), run.steps))
        .collect();
    let expected = [("7b-seed1", 40), ("7b-seed2", 20), ("inner-7b-seed2", 20)];
    assert_eq!(
        names,
        expected.map(|(name, steps)| (PathBuf::from(name), steps))
    );
    let warnings = done.warnings.join("\n");
    assert!(
        warnings.contains("metadata.tsv") && warnings.contains("empty.csv"),
        "{warnings}"
    );
}

#[test]
fn the_users_list_decides() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let (late, early) = (
        file("a_1.tsv", table(1..=20, 3.0)),
        file("b_1.tsv", table(1..=30, 4.0)),
    );
    let out = dir.path().join("run");
    let given = Given {
        name: "mine".to_owned(),
        files: vec![early, late],
    };
    let request = Import {
        given: vec![given],
        ..request(&[dir.path()], &out)
    };
    let done = import(&request).unwrap();
    assert_eq!(done.runs.len(), 1);
    let reader = RunReader::open(&out).unwrap();
    assert_eq!(
        reader.records()[19].scalar("loss"),
        Some(3.0 - 0.02),
        "the later one wins"
    );
    assert_eq!(reader.records()[20].scalar("loss"), Some(4.0 - 0.021));
}

#[test]
fn what_is_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.csv");
    fs::write(&file, "step,loss\n1,3\n").unwrap();
    let out = dir.path().join("run");
    import(&request(&[&file], &out)).unwrap();
    let before = fs::read(out.join("manifest.json")).unwrap();
    let error = import(&request(&[&file], &out)).unwrap_err();
    assert!(matches!(error, ImportError::Exists { .. }), "{error}");
    assert_eq!(fs::read(out.join("manifest.json")).unwrap(), before);
    let error = import(&request(&[&file], &file)).unwrap_err();
    assert!(matches!(error, ImportError::Exists { .. }), "{error}");
}

#[test]
fn bad_input_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let say = |path: &Path| import(&request(&[path], &out)).unwrap_err().to_string();
    let poem = dir.path().join("poem.txt");
    fs::write(&poem, "shall I compare thee\n").unwrap();
    let text = say(&poem);
    assert!(
        text.contains("shall I compare thee") && text.contains("--map"),
        "{text}"
    );
    let broken = dir.path().join("a.gz");
    fs::write(&broken, [0x1f, 0x8b, 8, 0]).unwrap();
    assert!(say(&broken).contains("cannot be unpacked"));
    assert!(say(&dir.path().join("none")).contains("none"));
    fs::remove_file(&poem).unwrap();
    fs::remove_file(&broken).unwrap();
    assert!(say(dir.path()).contains("nothing to import"));
    assert!(!out.exists());
}

#[test]
fn a_packed_file_that_was_cut_gives_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "step,loss\n".to_owned();
    for step in 1..=60_000_u64 {
        let noise = step.wrapping_mul(2_654_435_761) % 99_991;
        let _ = writeln!(text, "{step},{noise}");
    }
    let whole = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let file = dir.path().join("a.csv.zst");
    fs::write(&file, &whole[..whole.len() * 3 / 4]).unwrap();
    let done = import(&request(&[&file], &dir.path().join("run"))).unwrap();
    assert!(done.runs[0].steps > 1000);
    assert!(
        done.warnings
            .iter()
            .any(|w| w.contains("could not be unpacked to its end")),
        "{:?}",
        done.warnings
    );
}

#[test]
fn a_resumed_wandb_run_is_one_run_over_its_folders() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = include_bytes!("../../../tests/data/run-57j236jh.wandb");
    for part in ["offline-run-1-57j236jh", "offline-run-2-57j236jh"] {
        let folder = dir.path().join("wandb").join(part);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("run-57j236jh.wandb"), bytes).unwrap();
    }
    let out = dir.path().join("run");
    let done = import(&request(&[&dir.path().join("wandb")], &out)).unwrap();
    assert_eq!(done.runs.len(), 1);
    assert_eq!(done.runs[0].imported.attempts.len(), 2);
}

#[test]
fn no_two_runs_get_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    for (name, level) in [
        ("a_1", 3.0),
        ("a_2", 4.0),
        ("a-rival-1_1", 5.0),
        ("?_1", 6.0),
        ("*_1", 7.0),
    ] {
        fs::write(logs.join(name.to_owned() + ".tsv"), table(1..=20, level)).unwrap();
    }
    let out = dir.path().join("runs");
    let done = import(&request(&[&logs], &out)).unwrap();
    let mut levels: Vec<f64> = done
        .runs
        .iter()
        .map(|run| {
            let reader = RunReader::open(&run.dir).unwrap();
            assert_eq!(run.imported.attempts.len(), 1);
            reader.records()[0].scalar("loss").unwrap().round()
        })
        .collect();
    levels.sort_by(f64::total_cmp);
    assert_eq!(levels, [3.0, 4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn steps_in_no_order_do_not_make_an_attempt_each() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.jsonl");
    let lines = (1..=5000)
        .rev()
        .map(|step| format!("{{\"step\":{step},\"loss\":2.5}}\n"));
    fs::write(&file, lines.collect::<String>()).unwrap();
    let done = import(&request(&[&file], &dir.path().join("run"))).unwrap();
    assert_eq!(
        (done.runs[0].steps, done.runs[0].imported.attempts.len()),
        (5000, 1)
    );
    assert!(
        done.warnings[0].contains("backwards"),
        "{:?}",
        done.warnings
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("a.csv");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let error = import(&request(&[&pipe], &dir.path().join("run"))).unwrap_err();
    assert!(matches!(error, ImportError::NotAFile { .. }), "{error}");
}

/// A pair the wrong way round names the column of steps as a signal.
#[test]
fn a_column_of_steps_that_is_given_a_name_is_told_and_not_missed() {
    let dir = tempfile::tempdir().unwrap();
    let map = ["step=iter", "time=clock", "none=other"].map(str::to_owned);
    for (file, text) in [
        ("a.csv", "step,time,loss\n1,5,2.5\n2,6,2.25\n"),
        (
            "a.jsonl",
            "{\"step\":1,\"time\":5,\"loss\":2.5}\n{\"step\":2,\"time\":6,\"loss\":2.25}\n",
        ),
    ] {
        let path = dir.path().join(file);
        fs::write(&path, text).unwrap();
        let mut request = request(&[&path], &dir.path().join(format!("run-{file}")));
        request.columns = Columns::new(&map).unwrap();
        let warnings = import(&request).unwrap().warnings;
        let told = |text: &str| warnings.iter().filter(|line| line.contains(text)).count();
        assert_eq!(
            told("`step` says the step or the time, and is not recorded as `iter`"),
            1,
            "{warnings:?}"
        );
        assert_eq!(
            told("`time` says the step or the time, and is not recorded as `clock`"),
            1,
            "{warnings:?}"
        );
        assert_eq!(told("no source has the column"), 1, "{warnings:?}");
        assert_eq!(told("no source has the column `none`"), 1, "{warnings:?}");
    }
}
