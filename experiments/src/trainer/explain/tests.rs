//! What is told of a step against what the run recorded, and against plain ways to the same numbers.

mod nonfinite;

use super::*;
use crate::trainer::{Child, ForkRequest, Request, fork, train};
use experiments_config::{Format, KernelChoice, resolve};
use logs::RunReader;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A run in a directory of its own, which goes with it.
struct Run {
    folder: PathBuf,
    config: Config,
}

const BASE: &str = r"
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
micro_batch = 4
[eval]
batches = 1
[checkpoint]
interval = 2
";

/// Configurations that sum their gradients in different ways.
const KINDS: [(&str, &[&str]); 9] = [
    ("fp32", &["precision.format=fp32"]),
    ("plain", &["precision.format=fp32", "runtime.kernels=plain"]),
    (
        "fp16",
        &["precision.format=fp16", "precision.grad_accumulation=fp16"],
    ),
    (
        "egs",
        &[
            "precision.format=fp32",
            "egs.alpha=0.1",
            "optimizer.clip_grad=0.5",
        ],
    ),
    (
        "accumulation",
        &[
            "precision.format=bf16",
            "precision.grad_accumulation=bf16",
            "batch.gradient_accumulation=3",
        ],
    ),
    (
        "tasks",
        &[
            "precision.format=fp32",
            "tasks.ratio=0.5",
            "batch.micro_batch=3",
        ],
    ),
    (
        "untied",
        &[
            "precision.format=fp32",
            "model.tie_embeddings=false",
            "objective.z_loss=0.01",
        ],
    ),
    (
        "learned",
        &[
            "precision.format=fp32",
            "model.positions=learned",
            "model.embedding_norm=true",
        ],
    ),
    (
        "adagc",
        &[
            "precision.format=fp32",
            "optimizer.clip_mode=adagc",
            "record.noise_interval=2",
        ],
    ),
];

impl Run {
    fn new(name: &str, set: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("explain-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (mut text, mut rows) = (String::new(), String::new());
        let mut state = 1_u32;
        for row in 0..4000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = ["das", "kleine", "模型", "learns"][(state >> 24) as usize % 4];
            let _ = write!(text, "{word} {} ", state >> 28);
            if row < 20 {
                let _ = writeln!(
                    rows,
                    r#"{{"text": "{word} {row}", "targets": "answer {row}"}}"#
                );
            }
        }
        std::fs::write(folder.join("text.txt"), text).unwrap();
        std::fs::write(folder.join("tasks.jsonl"), rows).unwrap();
        let place = folder.display();
        let text = format!(
            "{BASE}[[data.sources]]\npath = \"{place}/text.txt\"\nlanguage = \"en\"\nweight = 1.0\n\
             [[tasks.sources]]\npath = \"{place}/tasks.jsonl\"\n"
        );
        let set: Vec<_> = set.iter().map(|set| set.parse().unwrap()).collect();
        let config = resolve(toml::from_str(&text).unwrap(), &set, "test").unwrap();
        Self { folder, config }
    }

    fn trained(name: &str, set: &[&str]) -> Self {
        let run = Self::new(name, set);
        train(Request {
            directory: &run.directory(),
            config: &run.config,
            cache: &run.cache(),
            program: ("test", None, None),
            missing_languages: &[],
            stop: &AtomicBool::new(false),
            on_step: &mut |_| {},
            on_alarm: &mut |_| {},
            on_notice: &mut |_| {},
        })
        .unwrap();
        run
    }

    fn directory(&self) -> PathBuf {
        self.folder.join("run")
    }

    fn cache(&self) -> Cache {
        Cache::locate(Some(self.folder.join("cache"))).unwrap()
    }

    fn explain(&self, steps: &[u64]) -> Vec<Explanation> {
        explain_in(&self.directory(), &self.config, &self.cache(), steps).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        RunReader::open(&self.directory())
            .unwrap()
            .records()
            .to_vec()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn explain_in(
    directory: &Path,
    config: &Config,
    cache: &Cache,
    steps: &[u64],
) -> Result<Vec<Explanation>, TrainError> {
    explain(ExplainRequest {
        directory,
        config,
        cache,
        steps,
        reach: 10,
        rows: usize::MAX,
        stop: &AtomicBool::new(false),
        on_step: &mut |_| {},
    })
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found / expected - 1.0).abs();
    assert!(error < tolerance, "{what}: {found} for {expected}");
}

fn sum(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.share.squared).sum()
}

fn outside(told: &Explanation) -> f64 {
    let parts = told.parts.iter().filter(|part| part.layer.is_none());
    parts.map(|part| part.share.squared).sum()
}

#[test]
fn parts_rows_and_sequences_add_up_to_what_was_recorded() {
    for (name, set) in KINDS {
        let run = Run::trained(name, set);
        let records = run.records();
        for told in run.explain(&[3, 4]) {
            let record = &records[told.step as usize - 1];
            let value = |signal: &str| record.scalar(signal).unwrap();
            assert_eq!(told.deviation, None, "{name}");
            let total = value("grad_norm").powi(2);
            assert_near(sum(&told.parts), total, 1e-6, name);
            assert_near(sum(&told.roles), total, 1e-6, name);
            assert_near(sum(&told.layers) + outside(&told), total, 1e-6, name);
            let rows = told
                .rows
                .iter()
                .filter(|row| row.tensor == "embedding.weight");
            let rows: f64 = rows.map(|row| row.share.squared).sum();
            assert_near(rows, value("grad_norm_embedding").powi(2), 1e-6, name);
            let half = run.config.precision.format != Format::Fp32;
            assert_eq!(told.range.len(), if half { 3 } else { 0 }, "{name}");
            assert_eq!(told.nonfinite, None, "{name}");
            let shares: f64 = told.sequences.iter().map(|s| s.share.unwrap()).sum();
            // Stored weight gradients are rounded: of the batch once, of the sequences each.
            assert_near(shares, 1.0, if half { 3e-3 } else { 1e-5 }, name);
            let losses: f64 = told.sequences.iter().map(|s| s.loss).sum();
            assert_near(
                losses / told.sequences.len() as f64,
                value("loss"),
                1e-6,
                name,
            );
            let recorded = record.scalar("grad_noise_scale");
            let noise = told.noise.unwrap().noise_scale;
            assert_eq!(
                recorded,
                noise.filter(|_| name == "adagc" && told.step == 4),
                "{name}"
            );
        }
    }
}

/// What the run read is told, with the place that it was read from.
#[test]
fn texts_origins_and_counts_are_those_of_the_batch() {
    let run = Run::trained("origins", &["precision.format=fp32", "tasks.ratio=0.5"]);
    let text = std::fs::read_to_string(run.folder.join("text.txt")).unwrap();
    let told = run.explain(&[2, 3, 4, 5]);
    let sequences: Vec<_> = told.iter().flat_map(|told| &told.sequences).collect();
    assert_eq!(sequences.len(), 16);
    assert_eq!(
        sequences[0].number, 4,
        "the second step begins behind the first"
    );
    for sequence in &sequences {
        let origin = &sequence.origins[0];
        if sequence.kind == "task" {
            assert!(origin.source.ends_with("tasks.jsonl") && origin.offset < 20);
            assert!(sequence.text.contains("answer"), "{}", sequence.text);
        } else {
            assert!(origin.source.ends_with("text.txt"));
            // A vocabulary of bytes: a token is a byte. Nothing is masked before the first special token.
            let bytes = &text.as_bytes()[origin.offset as usize..];
            let known = sequence.text.split(['[', '<', '\u{fffd}']).next().unwrap();
            let skipped = bytes
                .iter()
                .take(3)
                .position(|byte| known.starts_with(char::from(*byte)));
            assert!(
                known.is_empty() || bytes[skipped.unwrap_or(0)..].starts_with(known.as_bytes())
            );
        }
    }
    let kinds = |kind: &str| sequences.iter().any(|sequence| sequence.kind == kind);
    assert!(kinds("task") && kinds("gmask"));
    let slots: u64 = told[0].rows.iter().map(|row| row.inputs).sum();
    assert_eq!(slots, 4 * 24);
    let targets: u64 = told[0].rows.iter().filter_map(|row| row.targets).sum();
    let own = told[0]
        .sequences
        .iter()
        .map(|s| s.targets as u64)
        .sum::<u64>();
    assert_eq!(targets, own);
    let of_byte = told[0].rows.iter().find(|row| row.row == 0xe6).unwrap();
    assert_eq!(of_byte.text.as_deref(), Some("\\xe6"));
}

/// Removing what drove the coefficient gives the coefficient of the rest.
#[test]
fn the_coefficient_without_a_part_is_that_of_the_rest() {
    let run = Run::trained(
        "clip",
        &["precision.format=fp32", "optimizer.clip_grad=0.01"],
    );
    let told = &run.explain(&[3])[0];
    let total = told.grad_norm.powi(2);
    assert_near(
        told.clip_coefficient.unwrap(),
        0.01 / told.grad_norm,
        1e-9,
        "all",
    );
    let shares = told.parts.iter().map(|part| part.share);
    for share in shares.chain(told.rows.iter().map(|row| row.share)) {
        let expected = 0.01 / (total - share.squared).sqrt();
        assert_near(share.clip_without.unwrap(), expected, 1e-6, "a part");
    }
}

/// Both kernels, several micro-batches, dropout: the mean of the sequences' gradients is the step's, tensor by tensor.
#[test]
fn the_gradients_of_the_sequences_average_to_that_of_the_step() {
    for kernels in [KernelChoice::Fused, KernelChoice::Plain] {
        let set = [
            "precision.format=fp32",
            "batch.gradient_accumulation=2",
            "batch.micro_batch=3",
        ];
        let mut run = Run::new(&format!("mean-{kernels:?}"), &set);
        run.config.runtime.kernels = kernels;
        let text = crate::trainer::Text::prepare(&run.config, &run.cache()).unwrap();
        let device = crate::backend::Device::CPU;
        let engine = device.engine(&run.config, None).unwrap();
        let training = Training::new(&run.config, &text, engine);
        let mut trained = Trained::fresh(&run.config).unwrap();
        let next = Next::prepare(&training, &mut trained);
        let (parameters, state) = (trained.parameters.clone(), trained.state.clone());
        let mut mean = vec![0.0_f64; parameters.len()];
        let mut slopes = Vec::new();
        each(&next, &parameters, &state, |sequence| {
            let both = mean.iter_mut().zip(&sequence.gradient[..]);
            both.for_each(|(mean, g)| *mean += f64::from(*g) / 6.0);
            slopes.push(sequence.squared.sqrt());
        });
        assert_eq!(slopes.len(), 6);
        let taken = next.take(&mut trained, None);
        for parameter in parameters.table() {
            let range = parameter.range.clone();
            let both = mean[range.clone()].iter().zip(&taken.sum.flat[range]);
            let (difference, size) = both.fold((0.0, 0.0), |(difference, size), (mean, g)| {
                let g = f64::from(*g);
                (difference + (mean - g).powi(2), size + g * g)
            });
            // A key bias has no gradient; what is left is rounding.
            let floor = 1e-12 * taken.norms.squared();
            let error = (difference / f64::max(size, floor)).sqrt();
            assert!(error < 1e-5, "{}: {error}", parameter.name);
        }
    }
}

/// The slope of a sequence's own loss along its gradient is the norm that is told.
#[test]
fn a_sequence_has_the_slope_that_differences_find() {
    let set = [
        "precision.format=fp32",
        "model.dropout=0",
        "model.attention_dropout=0",
    ];
    let run = Run::trained("slope", &set);
    let text = crate::trainer::Text::prepare(&run.config, &run.cache()).unwrap();
    let device = crate::backend::Device::CPU;
    let training = Training::new(
        &run.config,
        &text,
        device.engine(&run.config, None).unwrap(),
    );
    let mut trained = Trained::fresh(&run.config).unwrap();
    let next = Next::prepare(&training, &mut trained);
    let mut checked = 0;
    each(&next, &trained.parameters, &trained.state, |sequence| {
        let norm = sequence.squared.sqrt();
        let batch = crate::data::Batch {
            samples: vec![sequence.sample.clone()],
            languages: vec![None],
        };
        let loss = |step: f64| {
            let mut moved = trained.parameters.clone();
            let both = moved.values_mut().iter_mut().zip(&sequence.gradient[..]);
            both.for_each(|(w, g)| *w += (step * f64::from(*g) / norm) as f32);
            let setting = next.setting();
            let losses = setting.engine.evaluate(setting.run(&moved, &batch));
            losses.all.value().unwrap()
        };
        let slope = (loss(1e-2) - loss(-1e-2)) / 2e-2;
        assert_near(norm, slope, 2e-3, "slope");
        checked += 1;
    });
    assert_eq!(checked, 4);
}

/// Training does not notice that the noise scale is measured.
#[test]
fn measuring_noise_changes_no_bit_and_is_recorded_at_its_interval() {
    for format in ["fp16", "fp32"] {
        let format = format!("precision.format={format}");
        let plain = Run::trained("quiet", &[&format]).records();
        let measured = Run::trained("noise", &[&format, "record.noise_interval=3"]).records();
        for (plain, measured) in plain.iter().zip(&measured) {
            let is_due = plain.step % 3 == 0;
            assert_eq!(measured.scalar("grad_norm_sequence").is_some(), is_due);
            let differing = plain.differing(measured);
            let of_noise = ["grad_noise_scale", "grad_norm_sequence"];
            assert!(
                differing
                    .iter()
                    .all(|name| of_noise.contains(&name.as_str())),
                "{differing:?}"
            );
        }
    }
}

/// A state that an explained step has led to is that of the run.
#[test]
fn steps_are_explained_in_any_order_and_company() {
    let run = Run::trained("company", &[]);
    let together = run.explain(&[5, 2, 3, 2]);
    let alone: Vec<_> = [2, 3, 5]
        .iter()
        .map(|step| run.explain(&[*step]).remove(0))
        .collect();
    for (together, alone) in together.iter().zip(&alone) {
        let checkpoint = alone.checkpoint;
        assert_eq!(
            Explanation {
                checkpoint,
                ..together.clone()
            },
            *alone
        );
    }
}

/// A fork's own steps begin behind the fork; a state of before would be another run's.
#[test]
fn a_fork_is_explained_from_where_it_begins() {
    let run = Run::trained("fork", &[]);
    let (directory, cache) = (run.directory(), run.cache());
    let child = Child {
        directory: run.folder.join("fork"),
        config: run.config.clone(),
        change: None,
        words: "nothing".to_owned(),
    };
    let forked = fork(
        ForkRequest {
            directory: &directory,
            config: &run.config,
            cache: &cache,
            program: ("test", None, None),
            step: 4,
            reach: 10,
            stop: &AtomicBool::new(false),
            on_step: &mut |_| {},
        },
        std::slice::from_ref(&child),
    );
    assert!(forked.unwrap().done);
    let explain = |step| explain_in(&child.directory, &child.config, &cache, &[step]);
    assert_eq!(explain(5).unwrap()[0].parts, run.explain(&[5])[0].parts);
    let error = explain(3).unwrap_err().to_string();
    assert!(error.contains("its steps are 4 to 6"), "{error}");
    std::fs::remove_dir_all(child.directory.join("checkpoints")).unwrap();
    let error = explain(5).unwrap_err().to_string();
    assert!(error.contains("no checkpoint lies before it"), "{error}");
}
