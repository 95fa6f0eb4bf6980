//! A small run, and what two of them have in common.

use experiments::{
    Degrees, Ending, RankMember, Ranks, Request, TrainError, serve, train, train_as_first,
    train_on_threads,
};
use experiments_collective::Engine;
use experiments_config::{Config, Override, resolve};
use experiments_text::Cache;
use logs::{Event, EventKind, News, Record, RunReader};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Two narrow layers with dropout, of four micro-batches.
const TINY: &str = r#"
steps = 6
[model]
layers = 2
hidden_size = 16
num_heads = 2
ffn_hidden_size = 24
seq_len = 24
dropout = 0.1
attention_dropout = 0.1
[tokenizer]
vocab_size = 262
[batch]
micro_batch = 2
gradient_accumulation = 4
[optimizer]
lr = 2e-2
warmup_samples = 8
[precision]
format = "fp32"
[eval]
interval = 3
batches = 3
[checkpoint]
interval = 3
"#;

/// What a checkpoint holds.
#[derive(PartialEq)]
pub struct Content {
    /// The file of the weights.
    pub weights: Vec<u8>,
    /// Moments by name.
    pub moments: BTreeMap<String, Vec<u8>>,
    pub state: Vec<u8>,
}

const TEXT: &str = "the small model learns words from text. ";

/// FP16 with a loss scale that overflows at first.
pub const FP16: [&str; 3] = [
    "precision.format=fp16",
    "precision.grad_accumulation=fp16",
    "precision.loss_scale.initial=4294967296",
];

pub fn data(ranks: usize) -> Degrees {
    degrees([1, 1, ranks])
}

/// Tensor, pipeline and data parallelism.
pub fn degrees([tensor, pipeline, data]: [usize; 3]) -> Degrees {
    Degrees {
        pipeline,
        data,
        tensor,
        sequence: false,
    }
}

/// The same with rows divided among the ranks that share matrices.
pub fn with_rows(layout: [usize; 3]) -> Degrees {
    Degrees {
        sequence: true,
        ..degrees(layout)
    }
}

/// What a rank has of its own.
pub struct Given<'a> {
    pub config: &'a Config,
    /// Version.
    pub program: &'a str,
    pub engine: Arc<dyn Engine>,
}

impl<'a> Given<'a> {
    /// With the program that [`Bench::ask`] has.
    pub fn new(config: &'a Config, engine: Arc<dyn Engine>) -> Self {
        Self {
            config,
            program: "test",
            engine,
        }
    }
}

pub struct Bench(tempfile::TempDir);

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("text.txt"), TEXT.repeat(400)).unwrap();
        Self(dir)
    }

    pub fn config(&self, set: &[&str]) -> Config {
        let file = self.path("text.txt");
        let text = format!(
            "{TINY}[[data.sources]]\npath = \"{}\"\nlanguage = \"en\"\nweight = 1.0\n",
            file.display()
        );
        let set: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
        resolve(toml::from_str(&text).unwrap(), &set, "test").unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn cache(&self) -> Cache {
        Cache::locate(Some(self.path("cache"))).unwrap()
    }

    /// Asks for a run, which stops after `until` steps, of whoever trains it.
    pub fn ask<T>(
        &self,
        config: &Config,
        run: &str,
        until: u64,
        train: impl FnOnce(Request) -> T,
    ) -> T {
        let stop = AtomicBool::new(false);
        train(Request {
            directory: &self.path(run),
            config,
            cache: &self.cache(),
            program: ("test", None, None),
            missing_languages: &[],
            stop: &stop,
            on_step: &mut |record| stop.store(record.step >= until, Ordering::Relaxed),
            on_alarm: &mut |_| {},
            on_notice: &mut |_| {},
        })
    }

    /// Trains to the end with so many ranks of data parallelism.
    pub fn train(&self, config: &Config, run: &str, ranks: usize) {
        self.train_by(config, run, data(ranks));
    }

    pub fn train_by(&self, config: &Config, run: &str, degrees: Degrees) {
        let ending = self.ask(config, run, u64::MAX, |request| match degrees.ranks() {
            1 => train(request),
            _ => train_on_threads(request, degrees),
        });
        assert_eq!(ending.unwrap(), Ending::Finished);
    }

    /// Trains with ranks of which each has what it is given.
    pub fn train_each(
        &self,
        run: &str,
        degrees: Degrees,
        given: Vec<Given>,
    ) -> Result<Ending, TrainError> {
        let mut given = given.into_iter();
        let first = given.next().unwrap();
        let cache = &self.cache();
        std::thread::scope(|scope| {
            for given in given {
                scope.spawn(move || {
                    let member = RankMember {
                        config: given.config,
                        cache,
                        program: (given.program, None, None),
                        stop: &AtomicBool::new(false),
                    };
                    serve(&member, Ranks::new(given.engine, degrees, Some(1))?)
                });
            }
            let ranks = Ranks::new(first.engine, degrees, Some(1))?;
            self.ask(first.config, run, u64::MAX, |request| {
                train_as_first(request, ranks)
            })
        })
    }

    pub fn records(&self, run: &str) -> Vec<Record> {
        let reader = RunReader::open(&self.path(run)).unwrap();
        reader.records().to_vec()
    }

    pub fn events(&self, run: &str) -> Vec<Event> {
        logs::read::events(&self.path(run)).unwrap()
    }

    /// A number that a run gives where it finishes.
    pub fn finished(&self, run: &str, key: &str) -> u64 {
        let mut events = self.events(run).into_iter();
        let finish = events.find(|event| event.kind == EventKind::Finish);
        finish.unwrap().data[key].as_u64().unwrap()
    }

    /// What the checkpoint of a step holds, in however many files.
    pub fn checkpoint(&self, run: &str, step: u64) -> Content {
        let read = |path: PathBuf| fs::read(path).unwrap();
        let folder = self.checkpoint_folder(run, step);
        let mut content = Content {
            weights: read(folder.join("weights.safetensors")),
            moments: BTreeMap::new(),
            state: read(folder.join("state.json")),
        };
        for file in self.moment_files(run, step) {
            let bytes = read(folder.join(file));
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            for (name, tensor) in tensors.tensors() {
                let twice = content.moments.insert(name, tensor.data().to_vec());
                assert!(twice.is_none(), "a moment in two files");
            }
        }
        content
    }

    pub fn checkpoint_folder(&self, run: &str, step: u64) -> PathBuf {
        self.path(run).join(format!("checkpoints/step-{step:08}"))
    }

    /// Names of the files that hold the moments, in order.
    pub fn moment_files(&self, run: &str, step: u64) -> Vec<String> {
        let all = fs::read_dir(self.checkpoint_folder(run, step)).unwrap();
        let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("optimizer")).collect();
        names.sort();
        names
    }

    /// Step, signal and rules of every alarm that a run told.
    pub fn alarms(&self, run: &str) -> Vec<(u64, String, Vec<String>)> {
        let events = self.events(run);
        let news = events.iter().filter_map(News::of);
        news.map(|news| (news.alarm.step, news.alarm.signal, news.rules))
            .collect()
    }

    /// Which steps were skipped, and the loss scale of each.
    pub fn decided(&self, run: &str) -> Vec<[Option<f64>; 2]> {
        let decided = |record: &Record| ["skipped", "loss_scale"].map(|name| record.scalar(name));
        self.records(run).iter().map(decided).collect()
    }

    /// Whether losses and gradient norms of two runs agree within 1e-5, and within 3e-6 before training amplifies anything;
    /// and all that is recorded of layers within [`LAYERS`].
    pub fn assert_close(&self, a: &str, b: &str) {
        self.assert_close_but(a, b, &[]);
    }

    /// The same with other bounds for some signals of layers.
    pub fn assert_close_but(&self, a: &str, b: &str, bounds: &[(&str, f64)]) {
        let (ours, theirs) = (self.records(a), self.records(b));
        assert_eq!(ours.len(), theirs.len(), "{b}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let step = ours.step;
            let most = if step == 1 { 3e-6 } else { 1e-5 };
            for signal in ["loss", "grad_norm"] {
                let [x, y] = [ours, theirs].map(|record| record.scalar(signal).unwrap());
                assert!(
                    (x / y - 1.0).abs() < most,
                    "{b}, step {step}: {signal} {x} {y}"
                );
            }
            let (ours, theirs) = (&ours.layers, &theirs.layers);
            assert!(ours.keys().eq(theirs.keys()), "{b}, step {step}");
            for ((signal, x), y) in ours.iter().zip(theirs.values()) {
                let own = bounds.iter().find(|(name, _)| *name == signal.as_str());
                let most = own.map_or(LAYERS, |(_, most)| *most);
                assert!(
                    layers_apart(x, y) < most,
                    "{b}, step {step}: {signal} {x:?} {y:?}"
                );
            }
        }
    }

    /// Whether two runs took the same steps to the same state, however often they were stopped.
    pub fn assert_same_steps(&self, a: &str, b: &str) {
        let (ours, theirs) = (self.records(a), self.records(b));
        assert_eq!(ours.len(), theirs.len(), "{b}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours.differing(theirs), [""; 0], "{b}, step {}", ours.step);
        }
        let last = ours.last().unwrap().step;
        let same = self.checkpoint(a, last) == self.checkpoint(b, last);
        assert!(same, "{b}: the last checkpoint");
    }

    /// The same, and whether the same happened in them.
    pub fn assert_same(&self, a: &str, b: &str, what: &str) {
        self.assert_same_steps(a, b);
        let told = |run| -> Vec<_> {
            let events = self.events(run).into_iter();
            let is_of_steps = |event: &Event| {
                !matches!(
                    event.kind,
                    EventKind::Start | EventKind::Resume | EventKind::Ranks | EventKind::Stop
                )
            };
            let events = events.filter(is_of_steps);
            events
                .map(|event| (event.step, event.kind, event.message))
                .collect()
        };
        assert_eq!(told(a), told(b), "{what}");
    }
}

/// How far apart signals of layers may be: two and a half times the most that was measured, 7.9e-6 in a gradient norm.
const LAYERS: f64 = 2e-5;

/// The largest difference of a layer's number from another's, relative to the largest of any layer.
fn layers_apart(ours: &[f64], theirs: &[f64]) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    let scale = ours
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    let pairs = ours.iter().zip(theirs).filter(|(a, b)| a != b);
    pairs
        .map(|(a, b)| (a - b).abs() / scale)
        // What is no number is not close to any.
        .map(|apart| if apart.is_nan() { f64::INFINITY } else { apart })
        .fold(0.0, f64::max)
}
