//! A run that is finished, the same killed on its way, and what must come of either when a file is damaged.

use super::damaged::{Dice, Tree, plant, tree};
use super::{Scratch, newest_checkpoint, records, stderr};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

pub const STEPS: u64 = 12;
/// The checkpoint that a run of so many steps ends with.
pub const LAST: &str = "checkpoints/step-00000012";
/// Both ways to compute a pass, both formats.
pub const CASES: [(&str, &str); 4] = [
    ("fused", "fp32"),
    ("fused", "fp16"),
    ("plain", "fp32"),
    ("plain", "fp16"),
];

/// A proxy without dropout, which the fused kernels compute too.
pub fn config(scratch: &Scratch, (kernels, format): (&str, &str), steps: u64) -> String {
    let mut text = format!("steps = {steps}\n");
    let format = format!("[precision]\nformat = \"{format}\"");
    let kernels = format!("[runtime]\nkernels = \"{kernels}\"");
    for section in [
        "[model]\nlayers = 2\nhidden_size = 16\nnum_heads = 2\nffn_hidden_size = 24\nseq_len = 24",
        "[tokenizer]\nvocab_size = 262",
        "[batch]\nmicro_batch = 2\ngradient_accumulation = 1",
        "[eval]\ninterval = 4\nbatches = 2",
        "[checkpoint]\ninterval = 4\nkeep = 9",
        &format,
        &kernels,
    ] {
        writeln!(text, "{section}").unwrap();
    }
    text + &scratch.texts()
}

/// Runs `train RUN`; whatever happens is no panic.
pub fn go_on(scratch: &Scratch, run: &str) -> Output {
    let output = scratch.run(&["train", run]);
    let text = stderr(&output);
    assert!(!text.contains("panicked"), "{text}");
    output
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// One configuration: a finished run, and one that was killed on its way.
pub struct Case {
    pub scratch: Scratch,
    pub finished: Tree,
    pub killed: Tree,
    pub records: Vec<String>,
    /// Messages up to the event of the checkpoint of step 8.
    pub events: Vec<String>,
    pub checkpoint: Vec<(String, Vec<u8>)>,
}

impl Case {
    /// `test` keeps the folders of tests apart that run at once.
    pub fn new(test: &str, case: (&str, &str)) -> Self {
        let scratch = Scratch::new(&format!("damage-{test}-{}-{}", case.0, case.1));
        scratch.write("tiny.toml", &config(&scratch, case, STEPS));
        let output = scratch.run(&["train", "tiny.toml", "--out", "run"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let run = scratch.join("run");
        let finished = tree(&run);
        let (records, checkpoint) = (records(&run), newest_checkpoint(&run));
        // What a kill at step 11 leaves, whatever the speed of the machine.
        let mut killed = finished.clone();
        killed.remove(Path::new("summary.json"));
        killed.retain(|name, _| !name.starts_with(LAST));
        let metrics = killed.get_mut(Path::new("metrics-0001.jsonl")).unwrap();
        let ends = metrics
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n');
        let end = ends.map(|(at, _)| at + 1).nth(10).unwrap();
        metrics.truncate(end);
        killed.insert("lease.json".into(), dead_lease().into_bytes());
        Self {
            scratch,
            finished,
            killed,
            records,
            events: events_to_step_8(&run),
            checkpoint,
        }
    }

    /// One file of a run is damaged, and the run is continued.
    pub fn damage(&self, dice: &mut Dice, what: &str) {
        let (base, is_finished) = match dice.below(2) {
            0 => (&self.killed, false),
            _ => (&self.finished, true),
        };
        let name = loop {
            let name = base.keys().nth(dice.below(base.len())).unwrap();
            // A damaged lease has to be watched for 20 s.
            if name != Path::new("lease.json") || dice.below(16) == 0 {
                break name;
            }
        };
        let mut damaged = base.clone();
        let how = dice.hurt(damaged.get_mut(name).unwrap());
        let what = format!("{what}: {how} in {} of {is_finished}", name.display());
        let run = self.scratch.join("trial");
        plant(&damaged, &run);
        let output = go_on(&self.scratch, "trial");
        let text = stderr(&output);
        match code(&output) {
            0 if is_finished && name.starts_with("checkpoints") => {
                assert!(!name.starts_with(LAST), "{what}: nobody is told");
                assert_eq!(tree(&run), damaged, "{what}: a finished run is left alone");
            }
            0 => self.check_end(&run, &what),
            2 => {
                let file = name.file_name().unwrap().to_string_lossy();
                let named = text.contains(&*file) || text.contains("configuration");
                assert!(named, "{what}: {text}");
                let same = tree(&run) == damaged;
                assert!(same, "{what}: a refused start changed something");
                if is_finished && name.starts_with(LAST) {
                    self.check_inspect(&what);
                }
            }
            other => panic!("{what}: exit code {other}: {text}"),
        }
    }

    /// Whoever reads the weights of a damaged checkpoint is told, whichever of its files it is.
    pub fn check_inspect(&self, what: &str) {
        let export = ["weights", "export", "trial", "--out", "sat"];
        for command in [&["inspect", "trial"][..], &export] {
            let output = self.scratch.run(command);
            let text = stderr(&output);
            assert_eq!(code(&output), 2, "{what}: {text}");
            assert!(text.contains("step-00000012"), "{what}: {text}");
        }
    }

    /// The run is killed a few times on its way, then left to finish.
    pub fn kill(&self, dice: &mut Dice, what: &str) {
        let run = self.scratch.join("trial");
        plant(&self.killed, &run);
        for _ in 0..=dice.below(3) {
            let mut child = self.scratch.workbench(&["train", "trial"]).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(dice.below(60_000) as u64));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let output = go_on(&self.scratch, "trial");
        assert_eq!(code(&output), 0, "{what}: {}", stderr(&output));
        self.check_end(&run, what);
        assert_eq!(records(&run), self.records, "{what}");
        let temporary = |path: &PathBuf| path.to_string_lossy().contains(".tmp-");
        assert!(!tree(&run).keys().any(temporary), "{what}");
    }

    /// The run has come to its end: what differs from an undisturbed one is missing and said to be.
    pub fn check_end(&self, run: &Path, what: &str) {
        let reader = logs::RunReader::open(run).unwrap();
        let found = records(run);
        let same = found.iter().all(|line| self.records.contains(line));
        assert!(same, "{what}: a record differs");
        let (count, all) = (found.len(), self.records.len());
        let said = count == all || !reader.warnings().is_empty();
        assert!(said, "{what}: {count} of {all} records, and no warning");
        let found: Vec<&str> = reader.events().iter().map(|e| e.message.as_str()).collect();
        let whole = self.events.iter().all(|own| found.contains(&&**own));
        let is_notice = |event: &logs::Event| event.kind == logs::EventKind::Integrity;
        let said = !reader.warnings().is_empty() || reader.events().iter().any(is_notice);
        assert!(whole || said, "{what}: events are lost, and no warning");
        assert_eq!(newest_checkpoint(run), self.checkpoint, "{what}");
    }
}

/// What was recorded beside the numbers until the checkpoint that a killed run goes on from.
pub fn events_to_step_8(run: &Path) -> Vec<String> {
    let reader = logs::RunReader::open(run).unwrap();
    let mut events: Vec<&logs::Event> = reader.events().iter().collect();
    let is_checkpoint =
        |event: &&logs::Event| event.kind == logs::EventKind::Checkpoint && event.step == 8;
    events.truncate(events.iter().position(is_checkpoint).unwrap() + 1);
    events.iter().map(|event| event.message.clone()).collect()
}

/// A lease as a killed process of this machine leaves it.
pub fn dead_lease() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = std::fs::metadata("/proc/self/ns/pid").unwrap();
    format!(
        r#"{{"pid":4294967295,"host":"{}","boot":"{}","pid_namespace":{},"start_ticks":1,"since":"2026-01-01T00:00:00Z"}}"#,
        logs::lease::hostname(),
        boot.trim(),
        std::os::unix::fs::MetadataExt::ino(&namespace)
    )
}
