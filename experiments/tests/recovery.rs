//! Policies at work: what they do, that nothing is lost by it, and that a kill at any moment changes no bit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use experiments::{CheckpointAuditRequest, Ending, ForkRequest, Request, audit, fork, train};
use experiments_config::{Config, Override, resolve};
use experiments_text::Cache;
use logs::read::{Abandoned, abandoned};
use logs::{EventKind, Record, RollBack, RunReader};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Two narrow layers in FP16 with dropout, watched by one detector that sees every planted batch of noise.
const TINY: &str = r#"
[model]
layers = 2
hidden_size = 16
num_heads = 2
ffn_hidden_size = 24
seq_len = 24
dropout = 0.1
[tokenizer]
vocab_size = 262
[batch]
micro_batch = 2
gradient_accumulation = 2
[optimizer]
lr = 2e-2
warmup_samples = 8
[precision]
format = "fp16"
grad_accumulation = "fp16"
[eval]
batches = 1
[checkpoint]
interval = 10
keep = 2
ring_interval = 7
[alarm]
detectors = ["jump-loss"]
threshold.jump-loss = 1.5
[recovery]
detectors = ["jump-loss"]
cool_down = 2
"#;

const TEXT: &str = "the small model learns words from text. ";

/// A directory with a text, and the tiny configuration on it with changes.
struct Bench {
    dir: tempfile::TempDir,
    config: Config,
}

impl Bench {
    fn new(steps: u64, noise: &[(u64, u64)], policies: &str, set: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("text.txt");
        fs::write(&file, TEXT.repeat(400)).unwrap();
        let noise = noise.iter().map(|(step, steps)| {
            format!("[[inject]]\nkind = \"noise\"\nstep = {step}\nsteps = {steps}\n")
        });
        let file = file.display();
        let text = format!(
            "steps = {steps}\n{TINY}policy = [{policies}]\n{}[[data.sources]]\npath = \"{file}\"\nlanguage = \"en\"\nweight = 1.0\n",
            noise.collect::<String>(),
        );
        let set: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
        let config = resolve(toml::from_str(&text).unwrap(), &set, "test").unwrap();
        Self { dir, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn cache(&self) -> Cache {
        Cache::locate(Some(self.path("cache"))).unwrap()
    }

    /// Trains to where it ends by itself. `moment` is called whenever the run has written something.
    fn train_with(&self, config: &Config, run: &str, moment: &dyn Fn()) -> Ending {
        train(Request {
            directory: &self.path(run),
            config,
            cache: &self.cache(),
            program: ("test", None, None),
            missing_languages: &[],
            stop: &AtomicBool::new(false),
            on_step: &mut |_| moment(),
            on_alarm: &mut |_| moment(),
            on_notice: &mut |_| moment(),
        })
        .unwrap()
    }

    fn train(&self, run: &str) -> Ending {
        self.train_with(&self.config, run, &|| {})
    }

    fn left(&self, run: &str) -> Vec<Abandoned> {
        abandoned(&self.path(run)).unwrap()
    }

    /// What policies did, in words, without what they answered.
    fn acts(&self, run: &str) -> Vec<(u64, String)> {
        let reader = RunReader::open(&self.path(run)).unwrap();
        let events = reader.events().iter();
        let acts = events.filter(|event| event.data.contains_key("action"));
        let short = |text: &str| text.split(". Alarm").next().unwrap().to_owned();
        acts.map(|event| (event.step, short(&event.message)))
            .collect()
    }
}

/// What attempts found to be otherwise than it was left.
fn amiss(reader: &RunReader) -> Vec<&str> {
    let events = reader.events().iter();
    let amiss = events.filter(|event| event.kind == EventKind::Integrity);
    amiss.map(|event| event.message.as_str()).collect()
}

/// The records of a run without timings, as lines.
fn lines(records: &[Record]) -> Vec<String> {
    let bare = |record: &Record| {
        let mut record = record.clone();
        let timed = |name: &str| logs::TIMINGS.contains(&name);
        record.scalars.retain(|name, _| !timed(name.as_str()));
        record.layers.clear();
        record.to_line()
    };
    records.iter().map(bare).collect()
}

fn records(run: &Path) -> Vec<String> {
    lines(RunReader::open(run).unwrap().records())
}

fn values(run: &Path, name: &str) -> Vec<f64> {
    let series = RunReader::open(run).unwrap().series(name);
    series.into_iter().map(|(_, value)| value).collect()
}

/// A copy of a run as a kill at this moment would leave it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else if name != logs::run::LEASE_FILE {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

const ESCALATION: &str = r#"
{ kind = "skip", skip_steps = 1 },
{ kind = "cut_lr", factor = 0.25, steps = 5 },
{ kind = "change", set = ["precision.format=fp32", "precision.grad_accumulation=fp32", "egs.alpha=0.5"], steps = 4 },
{ kind = "rollback_skip", rollback_steps = 12, skip_steps = 2 }"#;

fn escalation() -> Bench {
    Bench::new(70, &[(24, 2), (36, 2), (48, 2), (60, 2)], ESCALATION, &[])
}

/// Every policy once, the last one goes back; killed after every step, at every alarm and in the middle of going back.
#[test]
fn a_kill_at_any_moment_changes_no_bit_of_what_policies_do() {
    let bench = escalation();
    let run = bench.path("run");
    let count = std::cell::Cell::new(0);
    let kill = || {
        copy(&run, &bench.path(&format!("kill-{}", count.get())));
        count.set(count.get() + 1);
    };
    assert_eq!(
        bench.train_with(&bench.config, "run", &kill),
        Ending::Finished
    );
    let kinds: Vec<_> = bench
        .acts("run")
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let first = |text: &String| text.split(':').next().unwrap().to_owned();
    let kinds: Vec<_> = kinds.iter().map(first).collect();
    assert_eq!(kinds, ["skip", "cut_lr", "change", "rollback_skip"]);
    let (expected, left) = (records(&run), bench.left("run"));
    assert_eq!(expected.len(), 70, "a record for every step");
    assert!(count.get() > 60, "{}", count.get());
    for place in 0..count.get() {
        let name = format!("kill-{place}");
        assert_eq!(bench.train(&name), Ending::Finished, "{name}");
        assert_eq!(records(&bench.path(&name)), expected, "{name}");
        let again = bench.left(&name);
        assert_eq!(again.len(), 1, "{name}: one way back, told once");
        assert_eq!(
            (again[0].by.from, again[0].by.to),
            (left[0].by.from, left[0].by.to)
        );
        assert_eq!(lines(&again[0].records), lines(&left[0].records), "{name}");
        let reader = RunReader::open(&bench.path(&name)).unwrap();
        assert_eq!(reader.warnings(), [""; 0], "{name}");
        assert_eq!(amiss(&reader), [""; 0], "{name}");
    }
}

/// What each policy promises, in the records.
#[test]
fn each_policy_does_what_it_says_and_ends_as_it_says() {
    let bench = escalation();
    let run = bench.path("run");
    bench.train("run");
    let plain = Config {
        recovery: experiments_config::RecoveryConfig::default(),
        ..bench.config.clone()
    };
    bench.train_with(&plain, "plain", &|| {});
    let acts = bench.acts("run");
    let steps: Vec<usize> = acts.iter().map(|(step, _)| *step as usize).collect();
    let [skip, cut, change, back] = steps[..] else {
        panic!("{acts:?}")
    };
    let same = records(&bench.path("plain"));
    assert_eq!(
        records(&run)[..skip],
        same[..skip],
        "nothing before an alarm"
    );
    let (position, lr) = (values(&run, "data_position"), values(&run, "lr"));
    assert_eq!(
        position[skip] - position[skip - 1],
        8.0,
        "one batch is passed over"
    );
    let peak = lr[skip];
    assert!(
        lr[cut..cut + 5].iter().all(|rate| *rate == peak * 0.25),
        "{lr:?}"
    );
    assert_eq!((lr[cut - 1], lr[cut + 5]), (peak, peak));
    let left = &bench.left("run")[0];
    assert_eq!(left.by.to as usize, back);
    assert_eq!(left.by.from as usize, back + 12);
    let all = RunReader::open(&run).unwrap();
    let scale = |step: usize| all.records()[step - 1].scalar("loss_scale").unwrap();
    let (before, during) = (scale(change), scale(change + 1));
    assert!(before > 1.0 && during == 1.0, "{before} {during}");
    // The data of the steps since and of two more are passed over.
    let next = left
        .records
        .last()
        .unwrap()
        .scalar("data_position")
        .unwrap()
        + 4.0;
    assert_eq!(position[back], next + 2.0 * 4.0);
    assert!(
        values(&run, "loss")[back..]
            .iter()
            .all(|loss| loss.is_finite())
    );
}

/// The keys of the ring are not part of a configuration's hash, so they must not decide how far a run goes back.
#[test]
fn where_a_run_goes_back_to_does_not_depend_on_which_checkpoints_there_are() {
    let bench = escalation();
    bench.train("run");
    let mut config = bench.config.clone();
    config.checkpoint.ring_bytes = Some(0);
    assert_eq!(config.hash(), bench.config.hash());
    bench.train_with(&config, "without", &|| {});
    assert_eq!(records(&bench.path("run")), records(&bench.path("without")));
}

/// What a run left is what it would have been without the policy, and going back twice reaches behind the first time.
#[test]
fn a_run_goes_back_behind_a_branch_and_its_forks_and_audits_follow() {
    let policy = r#"{ kind = "rollback_skip", rollback_steps = 15, skip_steps = 2 }"#;
    let sharp = "alarm.threshold.jump-loss=1.1";
    let bench = Bench::new(30, &[(20, 2), (28, 2)], policy, &[sharp]);
    bench.train("run");
    let run = bench.path("run");
    let plain = Config {
        recovery: experiments_config::RecoveryConfig::default(),
        ..bench.config.clone()
    };
    bench.train_with(&plain, "plain", &|| {});
    let left = bench.left("run");
    let ways: Vec<_> = left.iter().map(|left| (left.by.from, left.by.to)).collect();
    assert_eq!(ways, [(20, 5), (11, 0)]);
    assert_eq!(
        lines(&left[0].records),
        records(&bench.path("plain"))[5..20]
    );
    assert_eq!(records(&run).len(), 30);
    let audited = audit(CheckpointAuditRequest {
        directory: &run,
        config: &bench.config,
        cache: &bench.cache(),
        reach: 1000,
        stop: &AtomicBool::new(false),
        on_step: &mut |_| {},
    })
    .unwrap();
    assert_eq!(audited.faults, [""; 0]);
    assert!(audited.steps >= 30, "{audited:?}");
    for step in [1, 4, 13, 29] {
        let forked = fork(
            ForkRequest {
                directory: &run,
                config: &bench.config,
                cache: &bench.cache(),
                program: ("test", None, None),
                step,
                reach: 1000,
                stop: &AtomicBool::new(false),
                on_step: &mut |_| {},
            },
            &[experiments::Child {
                directory: bench.path(&format!("fork-{step}")),
                config: bench.config.clone(),
                change: None,
                words: String::new(),
            }],
        );
        assert_eq!(forked.unwrap().deviation, None, "{step}");
        let name = format!("fork-{step}");
        bench.train(&name);
        let own = records(&bench.path(&name));
        assert_eq!(own, records(&run)[step as usize - 1..], "{step}");
        assert!(bench.left(&name).is_empty(), "the fork begins behind them");
    }
}

/// A weight is planted once: a run that goes back has it no more, or no policy could ever be held against it.
#[test]
fn a_planted_weight_does_not_come_again_and_a_stop_comes_after_what_a_policy_did() {
    let policy = r#"{ kind = "rollback_skip", rollback_steps = 3 }"#;
    let weight =
        "inject=[{ kind = \"weight\", step = 28, tensor = \"embedding.weight\", factor = 100.0 }]";
    let bench = Bench::new(36, &[], policy, &[weight, "alarm.action=stop"]);
    assert_eq!(bench.train("run"), Ending::Alarmed);
    assert_eq!(bench.left("run").len(), 1, "the policy has acted");
    assert_eq!(bench.train("run"), Ending::Finished);
    assert_eq!(bench.left("run").len(), 1);
    let reader = RunReader::open(&bench.path("run")).unwrap();
    let plants = reader.events().iter();
    let plants = plants.filter(|event| event.data.contains_key("inject"));
    assert_eq!(plants.count(), 1);
    let alone = bench.train_with(&quiet(&bench.config), "alone", &|| {});
    assert_eq!(alone, Ending::Finished);
    assert_eq!(records(&bench.path("alone")), records(&bench.path("run")));
}

/// Without a stop at alarms.
fn quiet(config: &Config) -> Config {
    let mut config = config.clone();
    config.alarm.action = experiments_config::AlarmAction::None;
    config
}

/// A run that alarms without end does not go back without end.
#[test]
fn at_the_limit_the_run_stops_or_goes_on_as_it_says() {
    let policy = r#"{ kind = "skip" }"#;
    let noise = [(24, 1), (36, 1)];
    let bench = Bench::new(46, &noise, policy, &["recovery.limit=1"]);
    assert_eq!(bench.train("run"), Ending::Alarmed);
    let summary = logs::Summary::load(&bench.path("run")).unwrap().unwrap();
    let message = summary.message.unwrap();
    assert!(
        message.contains("`recovery.limit` = 1 is reached"),
        "{message}"
    );
    let on = Bench::new(
        46,
        &noise,
        policy,
        &["recovery.limit=1", "recovery.at_limit=go_on"],
    );
    assert_eq!(on.train("run"), Ending::Finished);
    assert_eq!(on.acts("run").len(), 1);
}

/// A stop is a checkpoint like any other, in the middle of a change too.
#[test]
fn a_run_that_is_stopped_after_every_step_is_the_undisturbed_one() {
    let bench = escalation();
    bench.train("run");
    let stop = AtomicBool::new(false);
    loop {
        stop.store(false, Ordering::Relaxed);
        let ending = train(Request {
            directory: &bench.path("stopped"),
            config: &bench.config,
            cache: &bench.cache(),
            program: ("test", None, None),
            missing_languages: &[],
            stop: &stop,
            on_step: &mut |record| stop.store(record.step.is_multiple_of(3), Ordering::Relaxed),
            on_alarm: &mut |_| {},
            on_notice: &mut |_| {},
        });
        if ending.unwrap() == Ending::Finished {
            break;
        }
    }
    let (one, other) = (bench.path("run"), bench.path("stopped"));
    assert_eq!(records(&one), records(&other));
    let ways = |run: &Path| -> Vec<(u64, u64)> {
        let reader = RunReader::open(run).unwrap();
        let backs = reader.events().iter().filter_map(RollBack::of);
        backs.map(|back| (back.from, back.to)).collect()
    };
    assert_eq!(ways(&one), ways(&other));
    let reader = RunReader::open(&other).unwrap();
    assert_eq!(
        amiss(&reader),
        [""; 0],
        "the first steps of all attempts agree"
    );
}
