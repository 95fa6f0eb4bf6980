//! What the end-to-end tests share: a scratch folder, a small text, a tiny proxy, the program.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test uses a part of what all share"
)]

pub mod damaged;
pub mod damaged_run;
pub mod hosts;
pub mod job;
pub mod pages;
pub mod studio;
pub mod variants;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("workbench-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, in folders that are made where needed, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program with a cache of its own in this folder.
    pub fn workbench(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
        command
            .arg("--cache")
            .arg(self.join("cache"))
            .args(arguments);
        command.current_dir(&self.0).env("RAYON_NUM_THREADS", "1");
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.workbench(arguments).output().unwrap()
    }

    /// Two texts with different letters, and the part of a configuration that names them.
    pub fn texts(&self) -> String {
        let english = ["the ", "small ", "model ", "learns ", "words ", "from "];
        let chinese = ["一行", "文字", "模型", "学习", "稳定", "训练"];
        let one = self.write("one.txt", &babble(&english));
        let two = self.write("two.txt", &babble(&chinese));
        let source = |path: &Path, language: &str| {
            let path = path.display();
            format!("[[data.sources]]\npath = \"{path}\"\nlanguage = \"{language}\"\nweight = 1\n")
        };
        source(&one, "en") + &source(&two, "zh")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// About 30 kB of words in an order without a short period.
fn babble(words: &[&str]) -> String {
    let (mut text, mut state) = (String::new(), 1_u32);
    while text.len() < 30_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(words[(state >> 24) as usize % words.len()]);
        if state % 11 == 0 {
            text.push('\n');
        }
    }
    text
}

/// A proxy of two narrow layers that takes milliseconds a step, with dropout and FP16 so that
/// every random stream and the loss scaler have something to resume.
pub fn tiny(steps: u32) -> String {
    let mut text = format!("steps = {steps}\n");
    let sections = [
        "[model]\nlayers = 2\nhidden_size = 16\nnum_heads = 2\nffn_hidden_size = 24\nseq_len = 24\ndropout = 0.1\nattention_dropout = 0.1",
        "[tokenizer]\nvocab_size = 262",
        "[batch]\nmicro_batch = 2\ngradient_accumulation = 2",
        "[precision]\nformat = \"fp16\"\ngrad_accumulation = \"fp16\"",
        "[precision.loss_scale]\nwindow = 7",
        "[eval]\ninterval = 10\nbatches = 2",
        "[checkpoint]\ninterval = 10\nkeep = 2",
    ];
    for section in sections {
        writeln!(text, "{section}").unwrap();
    }
    text
}

/// Two arms with two seeds each of `base.toml`, and rules that need no real training.
pub const CARD: &str = r#"
name = "small"
title = "Two arms"
hypothesis = "Nothing: this card tests the machinery."
kind = "symptom"
base = "base.toml"
seeds = 2
[source]
paper = "none"
where = "-"
claim = "none"
[axes]
"model.norm" = ["post", "deepnorm_glm"]
[metric]
name = "held_out_loss"
[criterion]
test = "fisher"
treatment = { "model.norm" = "post" }
control = { "model.norm" = "deepnorm_glm" }
event = ["stuck", "diverged", "nonfinite"]
direction = "treatment_more"
alpha = 0.5
"#;

/// What computes the passes of a proxy. Promises about bits are kept by each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Fused,
    Graph,
    /// The graph on Vulkan's first device.
    #[cfg(feature = "vulkan")]
    Vulkan,
}

impl Engine {
    /// Those of the CPU.
    pub const HOST: [Self; 2] = [Self::Fused, Self::Graph];

    /// Those of this build. On Mesa every process compiles its kernels for seconds, so few tests take them all.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::HOST.into_iter().chain([
            #[cfg(feature = "vulkan")]
            Self::Vulkan,
        ])
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Graph => "graph",
            #[cfg(feature = "vulkan")]
            Self::Vulkan => "vulkan",
        }
    }

    /// As manifests name what computes the passes, the value of `runtime.kernels`, and that of `runtime.device`.
    fn of_run(self) -> [&'static str; 3] {
        match self {
            Self::Fused => ["fused", "fused", "cpu"],
            Self::Graph => ["graph", "plain", "cpu"],
            #[cfg(feature = "vulkan")]
            Self::Vulkan => ["graph", "fused", "vulkan"],
        }
    }

    /// [`tiny`], computed by this engine.
    pub fn tiny(self, steps: u32) -> String {
        let [_, kernels, device] = self.of_run();
        let runtime = format!("kernels = \"{kernels}\"\ndevice = \"{device}\"\n");
        format!("{}[runtime]\n{runtime}", tiny(steps))
    }

    /// The run says itself that this engine computed it, in its manifest and at the start of every attempt.
    pub fn assert_ran(self, run: &Path) {
        let reader = logs::RunReader::open(run).unwrap();
        let manifest = reader.manifest().unwrap();
        let [path, _, device] = self.of_run();
        assert_eq!(manifest.engine.as_ref().unwrap().path, path);
        assert_eq!(manifest.device, device);
        let is_begin = |event: &&logs::Event| {
            matches!(event.kind, logs::EventKind::Start | logs::EventKind::Resume)
        };
        let mut begins = 0;
        for event in reader.events().iter().filter(is_begin) {
            assert_eq!(event.data["path"], path);
            begins += 1;
        }
        assert!(begins > 0, "no attempt has begun");
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All records of a run, attempts merged, without timings, as lines.
pub fn records(run: &Path) -> Vec<String> {
    let reader = logs::RunReader::open(run).unwrap();
    let mut records = reader.records().to_vec();
    for record in &mut records {
        record
            .scalars
            .retain(|name, _| !logs::TIMINGS.contains(&name.as_str()));
    }
    records.iter().map(logs::Record::to_line).collect()
}

/// The bytes of every file of the newest checkpoint.
pub fn newest_checkpoint(run: &Path) -> Vec<(String, Vec<u8>)> {
    let list = |path: &Path| {
        let mut entries: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        entries.sort();
        entries
    };
    let newest = list(&run.join("checkpoints")).pop().unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    list(&newest)
        .iter()
        .map(|file| (name(file), std::fs::read(file).unwrap()))
        .collect()
}
