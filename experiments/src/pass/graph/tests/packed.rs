//! Several runs in one pass give what each gives alone.

use super::*;
use crate::data::Losses;
use experiments_config::PbRelaxMax;

/// Runs that differ in everything that runs of a pack may differ in: weights, sequences and how many
/// targets they have, dropout masks, residual weight, embedding gradient shrink, loss scale.
struct Pack {
    configs: Vec<Config>,
    parameters: Vec<Parameters>,
    batches: Vec<Batch>,
    scales: [f64; 3],
}

impl Pack {
    /// Every run has `fewer` targets less in each sequence.
    fn new(tie: bool, fewer: [usize; 3], change: impl Fn(&mut Config)) -> Self {
        let norms = [Norm::DeepnormGlm, Norm::Post, Norm::Deepnorm];
        let shrinks = [
            (1.0, EgsPath::Input),
            (0.1, EgsPath::Input),
            (0.3, EgsPath::Both),
        ];
        let mut configs = Vec::new();
        for (norm, (alpha, path)) in norms.into_iter().zip(shrinks) {
            let mut config = config(norm, tie);
            (config.egs.alpha, config.egs.path) = (alpha, path);
            change(&mut config);
            configs.push(config);
        }
        let keys: Vec<_> = configs.iter().map(Config::pack_key).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "may be packed");
        let weights = |(seed, config): (u64, &Config)| {
            let mut parameters = Parameters::initialise(&config.model, VOCAB, seed);
            for (i, value) in parameters.values_mut().iter_mut().enumerate() {
                *value += 0.05 * ((i as f32) * 0.7 + seed as f32).sin();
            }
            parameters
        };
        let batches = [0, 1, 2].map(|run: usize| {
            let mut batch = batch();
            for sample in &mut batch.samples {
                sample.targets[9 - fewer[run]..].fill(None);
                let ids = sample.tokens.iter_mut();
                ids.for_each(|id| *id = (*id + run as u32) % 39);
            }
            batch
        });
        Self {
            parameters: (1..).zip(&configs).map(weights).collect(),
            configs,
            batches: batches.into(),
            scales: [1.0, 1024.0, 64.0],
        }
    }

    fn run<'a>(&'a self, i: usize, precision: &'a Precision) -> Run<'a> {
        Run {
            config: &self.configs[i],
            precision,
            parameters: &self.parameters[i],
            batch: &self.batches[i],
        }
    }

    fn precision(&self) -> Precision {
        Precision::new(&self.configs[0].precision, self.configs[0].model.layers)
    }

    fn dropout(i: usize) -> Dropout {
        Dropout::new(i as u64, 5)
    }

    fn together(&self) -> Vec<TrainPass> {
        let dropout = (0..3).map(Self::dropout).collect();
        let precision = self.precision();
        let runs = [0, 1, 2].map(|i| self.run(i, &precision));
        graph().train_all(&runs, &self.scales, dropout, PROBE)
    }

    fn alone(&self, i: usize) -> TrainPass {
        let precision = self.precision();
        let run = self.run(i, &precision);
        graph().train(run, self.scales[i], Self::dropout(i), PROBE)
    }
}

const EQUAL: [usize; 3] = [1, 1, 1];
const RAGGED: [usize; 3] = [0, 2, 1];

fn values(losses: &Losses) -> [Option<f64>; 4] {
    let all = [losses.all, losses.gmask, losses.mask, losses.z_loss];
    all.map(Mean::value)
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// Probes and, with `tolerance` 0, all results bit for bit: on the CPU a batched product is a product for
/// each run. Where a run has fewer targets than another, its products with the output projection have more
/// rows than alone, `gemm` may sum them in another order, and losses and gradients agree to `tolerance`.
fn check(what: &str, pack: &Pack, tolerance: f64) {
    let together = pack.together();
    assert_eq!(together.len(), 3);
    for (i, ours) in together.iter().enumerate() {
        let theirs = pack.alone(i);
        let what = format!("{what}, run {i}");
        let (a, b) = (values(&ours.losses), values(&theirs.losses));
        for (a, b) in a.into_iter().zip(b) {
            let (a, b) = (a.unwrap_or(1.0), b.unwrap_or(1.0));
            assert!((a / b - 1.0).abs() <= tolerance, "{what}: {a} {b}");
        }
        let (a, b) = (&ours.gradients, &theirs.gradients);
        let global = norm(b.flat.iter().copied());
        for p in pack.parameters[i].table() {
            let (a, b) = (&a.flat[p.range.clone()], &b.flat[p.range.clone()]);
            let own = norm(b.iter().copied());
            assert!(own > 0.0, "{what}: {} has a gradient to compare", p.name);
            let error = norm(a.iter().zip(b).map(|(a, b)| a - b));
            // Where nothing but rounding is left, as in a key's bias, it is compared with the whole.
            let allowed = tolerance * own.max(1e-3 * global);
            assert!(error <= allowed, "{what}: {}, {error} of {own}", p.name);
        }
        if tolerance == 0.0 {
            assert_eq!(a.flat, b.flat, "{what}: the sign of zeros");
            assert_eq!(a.paths, b.paths, "{what}: paths");
            assert_eq!(a.lost, b.lost, "{what}: range losses");
        }
        assert_eq!(ours.tap.readings, theirs.tap.readings, "{what}");
    }
    let losses: Vec<_> = together.iter().map(|p| p.losses.all.value()).collect();
    assert!(losses[0] != losses[1] && losses[1] != losses[2], "{what}");
}

#[test]
fn a_packed_pass_gives_every_run_what_it_has_alone() {
    // A rounding that falls the other way is worth half a unit of the format.
    for (format, ragged) in [
        (Format::Fp32, 3e-6),
        (Format::Fp16, 2e-3),
        (Format::Bf16, 2e-2),
    ] {
        for softmax in [Format::Fp32, format] {
            for tie in [true, false] {
                let pack = |fewer| {
                    Pack::new(tie, fewer, |c| {
                        c.model.dropout = 0.1;
                        c.model.attention_dropout = 0.2;
                        (c.precision.format, c.precision.softmax) = (format, softmax);
                    })
                };
                let what = format!("{format:?} {softmax:?} {tie}");
                check(&what, &pack(EQUAL), 0.0);
                check(&format!("ragged {what}"), &pack(RAGGED), ragged);
            }
        }
    }
}

#[test]
fn a_packed_pass_knows_every_variant() {
    let more: [Change; 3] = [
        ("pre", |c| c.model.norm = Norm::Pre),
        ("sandwich", |c| c.model.norm = Norm::Sandwich),
        ("PB-Relax", |c| {
            c.precision.format = Format::Fp16;
            c.precision.pb_relax.attention = PbRelaxMax::Head;
            c.precision.pb_relax.norm = true;
        }),
    ];
    for (what, change) in more.into_iter().chain(VARIANTS) {
        check(what, &Pack::new(true, EQUAL, change), 0.0);
        let ragged = if what == "PB-Relax" { 2e-3 } else { 3e-6 };
        let pack = Pack::new(true, RAGGED, change);
        check(&format!("ragged {what}"), &pack, ragged);
    }
}

#[test]
fn packed_evaluation_gives_every_run_what_it_has_alone() {
    let pack = Pack::new(true, EQUAL, |c| c.precision.format = Format::Fp16);
    let precision = pack.precision();
    let run = |i| pack.run(i, &precision);
    let together = graph().evaluate_all(&[0, 1, 2].map(run));
    for (i, ours) in together.iter().enumerate() {
        let theirs = graph().evaluate(run(i));
        assert_eq!(values(ours), values(&theirs), "run {i}");
    }
}

#[test]
fn a_run_that_breaks_down_leaves_the_others_alone() {
    let mut pack = Pack::new(true, EQUAL, |c| c.precision.format = Format::Fp16);
    pack.parameters[1].values_mut().fill(f32::NAN);
    let together = pack.together();
    assert!(together[1].losses.all.value().unwrap().is_nan());
    for i in [0, 2] {
        let alone = pack.alone(i);
        assert_eq!(together[i].gradients.flat, alone.gradients.flat);
        assert_eq!(values(&together[i].losses), values(&alone.losses));
    }
}
