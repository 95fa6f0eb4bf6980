use super::sums::{SUMS, Sums};
use super::*;
use experiments_config::{Config, ModelConfig};
use logs::{Record, Watch};

/// A run with a writer, three steps of checkpoints and what they hold.
struct Bench {
    run: PathBuf,
    config: Config,
    parameters: Parameters,
    adam: AdamW,
    state: State,
}

impl Bench {
    fn new(name: &str, keep: usize) -> Self {
        let run = std::env::temp_dir().join(format!("checkpoint-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&run);
        let model = ModelConfig {
            layers: 1,
            hidden_size: 8,
            ffn_hidden_size: 8,
            ..ModelConfig::default()
        };
        let mut config = Config::default();
        config.checkpoint.keep = keep;
        let parameters = Parameters::initialise(&model, 16, 3);
        let mut adam = AdamW::new(parameters.len());
        adam.second.fill(f32::from_bits(1)); // a subnormal must survive
        let state = State::new(&config, parameters.table().len());
        Self {
            run,
            config,
            parameters,
            adam,
            state,
        }
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(&self.run, &self.config)
    }

    fn folder(&self, step: u64) -> PathBuf {
        self.run
            .join("checkpoints")
            .join(directory_name(Place { branch: 0, step }))
    }

    /// Checkpoints of the steps, one after the other, by a writer of its own.
    fn save(&mut self, steps: std::ops::RangeInclusive<u64>) {
        let mut writer = RunWriter::open(&self.run).unwrap();
        for step in steps {
            self.state.step = step;
            let (state, adam) = (&self.state, &self.adam);
            let saved = self
                .checkpoints()
                .save(state, &self.parameters, adam, &mut writer);
            saved.unwrap();
        }
    }

    fn load(&self) -> Result<Option<Loaded>, TrainError> {
        let mut fresh = self.parameters.clone();
        fresh.values_mut().fill(0.0);
        let mut adam = AdamW::new(fresh.len());
        let loaded = self.checkpoints().load(u64::MAX, &mut fresh, &mut adam)?;
        if loaded.is_some() {
            assert_eq!(fresh.values(), self.parameters.values());
            assert_eq!(adam, self.adam);
        }
        Ok(loaded)
    }

    fn error(&self) -> String {
        match self.load() {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it was loaded"),
        }
    }

    /// Changes the text of a file and its checksum with it.
    fn forge(&self, step: u64, from: &str, to: &str) {
        let folder = self.folder(step);
        let text = fs::read_to_string(folder.join(STATE)).unwrap();
        assert!(text.contains(from), "{text}");
        let text = text.replace(from, to);
        fs::write(folder.join(STATE), &text).unwrap();
        let mut sums = Sums::default();
        for name in [WEIGHTS, MOMENTS, STATE] {
            sums.add(name, &fs::read(folder.join(name)).unwrap());
        }
        fs::write(folder.join(SUMS), sums.to_string()).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.run);
    }
}

#[test]
fn a_checkpoint_brings_back_every_bit_and_retention_keeps_the_newest() {
    let mut bench = Bench::new("bits", 2);
    bench.save(1..=3);
    let all = entries(&bench.run.join("checkpoints")).unwrap();
    assert_eq!(
        all.iter().map(|(place, _)| place.step).collect::<Vec<_>>(),
        [2, 3]
    );
    let loaded = bench.load().unwrap().unwrap();
    assert_eq!(loaded.state, bench.state);
    assert!(loaded.verified && loaded.unfit.is_empty());
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let mut bench = Bench::new("flips", 2);
    bench.save(1..=1);
    for name in [WEIGHTS, MOMENTS, STATE, SUMS] {
        let path = bench.folder(1).join(name);
        let whole = fs::read(&path).unwrap();
        // All of the small files, a prime's steps through the large.
        let stride = if whole.len() > 2000 { 251 } else { 1 };
        for bit in (0..whole.len() * 8).step_by(stride) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            let error = bench.error();
            assert!(error.contains("checkpoint `"), "{name}, bit {bit}: {error}");
        }
        for cut in (0..whole.len()).step_by(stride) {
            fs::write(&path, &whole[..cut]).unwrap();
            let error = bench.error();
            assert!(error.contains("checkpoint `"), "{name}, cut {cut}: {error}");
        }
        fs::remove_file(&path).unwrap();
        assert!(bench.error().contains(name));
        fs::write(&path, whole).unwrap();
        bench.load().unwrap();
    }
}

#[test]
fn the_newest_intact_one_is_used_and_those_that_are_not_are_named_and_kept() {
    let mut bench = Bench::new("fallback", 3);
    bench.save(1..=3);
    for step in [2, 3] {
        fs::write(bench.folder(step).join(WEIGHTS), b"short").unwrap();
    }
    let loaded = bench.load().unwrap().unwrap();
    assert_eq!(loaded.state.step, 1);
    assert_eq!(loaded.unfit.len(), 2);
    for unfit in &loaded.unfit {
        let text = unfit.set_aside().unwrap();
        assert!(
            text.contains(WEIGHTS) && text.contains("damaged-step-"),
            "{text}"
        );
    }
    assert!(bench.load().unwrap().unwrap().unfit.is_empty());
    // Damaged again at the same step: both are kept.
    bench.save(2..=3);
    fs::remove_file(bench.folder(3).join(STATE)).unwrap();
    let loaded = bench.load().unwrap().unwrap();
    assert_eq!(loaded.state.step, 2);
    loaded.unfit[0].set_aside().unwrap();
    for name in ["damaged-step-00000003", "damaged-step-00000003-2"] {
        assert!(bench.run.join("checkpoints").join(name).is_dir(), "{name}");
    }
}

#[test]
fn where_none_is_intact_the_error_says_what_can_be_done() {
    let mut bench = Bench::new("none", 2);
    bench.save(1..=2);
    for step in [1, 2] {
        fs::write(bench.folder(step).join(MOMENTS), b"").unwrap();
    }
    let error = bench.error();
    for word in [
        "step-00000002",
        MOMENTS,
        "from a copy",
        "from the beginning",
    ] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_checkpoint_of_another_configuration_or_step_is_not_taken() {
    let mut bench = Bench::new("foreign", 3);
    bench.save(1..=2);
    let hash = bench.config.hash();
    bench.forge(2, &hash, &hash.chars().rev().collect::<String>());
    let loaded = bench.load().unwrap().unwrap();
    assert_eq!(loaded.state.step, 1);
    assert!(loaded.unfit[0].problem.contains("configuration"));

    fs::rename(bench.folder(1), bench.folder(7)).unwrap();
    fs::remove_dir_all(bench.folder(2)).unwrap();
    let error = bench.error();
    assert!(
        error.contains("is of step 1") && error.contains("step-00000007"),
        "{error}"
    );
}

#[test]
fn stray_names_neither_count_nor_are_deleted() {
    let mut bench = Bench::new("stray", 1);
    let directory = bench.run.join("checkpoints");
    let strays = [
        "step-best",
        "step-7",
        "step-0000000x",
        "step-99999999",
        "notes",
    ];
    for stray in strays {
        fs::create_dir_all(directory.join(stray)).unwrap();
    }
    fs::write(directory.join("step-00000009"), "a file").unwrap();
    bench.save(1..=3);
    assert_eq!(bench.load().unwrap().unwrap().state.step, 3);
    assert!(strays.iter().all(|stray| directory.join(stray).is_dir()));
    assert!(!bench.folder(2).exists());
    // Where one is in the way it is moved.
    bench.save(9..=9);
    assert!(directory.join("damaged-step-00000009").is_file());
    assert_eq!(bench.load().unwrap().unwrap().state.step, 9);
}

#[test]
fn what_a_kill_leaves_half_done_has_no_final_name_and_is_swept_up() {
    let mut bench = Bench::new("kill", 1);
    bench.save(1..=2);
    let directory = bench.run.join("checkpoints");
    // Killed while it wrote step 3, and while it removed step 1.
    for name in [".tmp-step-00000003", ".tmp-step-00000001"] {
        fs::create_dir(directory.join(name)).unwrap();
        fs::write(directory.join(name).join(WEIGHTS), b"half").unwrap();
    }
    fs::write(bench.run.join(".tmp-abc"), b"half").unwrap();
    assert_eq!(bench.load().unwrap().unwrap().state.step, 2);
    drop(RunWriter::open(&bench.run).unwrap());
    let left: Vec<_> = fs::read_dir(&directory).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert!(!bench.run.join(".tmp-abc").exists());
}

#[test]
fn a_checkpoint_without_checksums_is_read_as_not_verified_and_only_in_its_version() {
    let mut bench = Bench::new("earlier", 2);
    bench.save(1..=1);
    fs::remove_file(bench.folder(1).join(SUMS)).unwrap();
    assert!(bench.error().contains(SUMS), "version 3 has them");
    bench.forge(1, "\"version\": 3", "\"version\": 2");
    fs::remove_file(bench.folder(1).join(SUMS)).unwrap();
    assert!(!bench.load().unwrap().unwrap().verified);
    for version in ["1", "4"] {
        bench.forge(1, "\"version\": 2", &format!("\"version\": {version}"));
        let error = bench.load().err().unwrap();
        assert!(
            matches!(error, TrainError::CheckpointVersion { .. }),
            "{error}"
        );
        bench.forge(1, &format!("\"version\": {version}"), "\"version\": 2");
    }
}

#[test]
fn a_writer_whose_run_is_another_s_or_gone_writes_no_checkpoint() {
    let mut bench = Bench::new("lost", 2);
    let mut writer = RunWriter::open(&bench.run).unwrap();
    let lease = bench.run.join(logs::run::LEASE_FILE);
    let text = fs::read_to_string(&lease).unwrap();
    fs::write(&lease, text.replace("\"pid\": ", "\"pid\": 1")).unwrap();
    bench.state.step = 1;
    let mut save = |bench: &Bench| {
        let (state, adam) = (&bench.state, &bench.adam);
        bench
            .checkpoints()
            .save(state, &bench.parameters, adam, &mut writer)
    };
    assert!(save(&bench).is_err());
    assert!(!bench.folder(1).exists());
    fs::remove_dir_all(&bench.run).unwrap();
    assert!(save(&bench).is_err());
    assert!(!bench.run.exists(), "nothing is made again");
}

#[test]
fn every_file_of_a_finished_run_s_checkpoint_is_verified() {
    let mut bench = Bench::new("finished", 2);
    assert_eq!(bench.checkpoints().verify_finished(2).unwrap(), [""; 0]);
    bench.save(1..=2);
    assert_eq!(bench.checkpoints().verify_finished(2).unwrap(), [""; 0]);
    for name in [WEIGHTS, MOMENTS, STATE, SUMS] {
        let path = bench.folder(2).join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let error = bench.checkpoints().verify_finished(2).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(name) && error.contains("summary.json"),
            "{error}"
        );
        fs::write(&path, whole).unwrap();
    }
    fs::create_dir(bench.folder(99_999_999)).unwrap();
    fs::remove_dir_all(bench.folder(2)).unwrap();
    let notices = bench.checkpoints().verify_finished(2).unwrap();
    assert!(notices[0].contains("step-99999999"), "{notices:?}");
    assert!(
        notices[1].contains("lacks the checkpoint of step 2"),
        "{notices:?}"
    );
}

/// A line of thousands of numbers behind counters that can be read; earlier versions had none.
#[test]
fn what_detectors_have_seen_is_one_line_and_may_be_missing() {
    let mut bench = Bench::new("alarms", 2);
    let mut watch = Watch::default();
    for step in 1..=80 {
        let mut record = Record::new(step);
        record.set_named("loss", 3.0 + 0.1 / step as f64);
        watch.news(&record);
    }
    bench.state.alarms = Some(watch.state().unwrap());
    bench.save(1..=1);
    assert_eq!(bench.load().unwrap().unwrap().state, bench.state);
    let text = fs::read_to_string(bench.folder(1).join(STATE)).unwrap();
    let is_alarms = |line: &&str| line.starts_with("  \"alarms\": {");
    let line = text.lines().find(is_alarms).unwrap();
    assert!(line.len() > 1000 && text.ends_with(&format!("{line}\n}}\n")));
    bench.forge(1, &format!(",\n{line}"), "");
    bench.state.alarms = None;
    assert_eq!(bench.load().unwrap().unwrap().state, bench.state);
}
