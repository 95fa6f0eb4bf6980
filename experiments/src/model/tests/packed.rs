//! Several runs in one pass give what each gives alone.

use super::*;
use crate::data::Losses;
use experiments_config::{Ffn, PbRelaxMax, Positions};
use pass::Run;

/// Runs that differ in everything that runs of a pack may differ in: weights, sequences and how many
/// targets they have, dropout masks, residual weight, embedding gradient shrink, loss scale.
struct Pack {
    configs: Vec<Config>,
    parameters: Vec<Parameters>,
    batches: Vec<Batch>,
    scales: [f64; 3],
}

impl Pack {
    fn new(tie: bool, change: impl Fn(&mut Config)) -> Self {
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
        let batches = [0, 3, 1].map(|fewer| {
            let mut batch = batch();
            for sample in &mut batch.samples {
                sample.targets[9 - fewer..].fill(None);
                let ids = sample.tokens.iter_mut();
                ids.for_each(|id| *id = (*id + fewer as u32) % 39);
            }
            batch
        });
        Self {
            parameters: (1..).zip(&configs).map(weights).collect(),
            configs,
            batches: batches.to_vec(),
            scales: [1.0, 1024.0, 64.0],
        }
    }

    fn runs(&self) -> Vec<Run<'_>> {
        let run = |i: usize| Run {
            config: &self.configs[i],
            parameters: &self.parameters[i],
            batch: &self.batches[i],
        };
        (0..3).map(run).collect()
    }

    fn dropout(i: usize) -> Dropout {
        Dropout::new(i as u64, 5)
    }

    /// Calls `f` with what a pass of these runs needs.
    fn with<R>(&self, i: usize, f: impl FnOnce(&Setting<Autodiff<Flex>>) -> R) -> R {
        let config = &self.configs[i];
        let precision = Precision::new(&config.precision, config.model.layers);
        f(&Setting {
            config,
            precision: &precision,
            device: &Default::default(),
            seat: None,
        })
    }

    fn together(&self) -> Vec<TrainPass> {
        let dropout = (0..3).map(Self::dropout).collect();
        self.with(0, |setting| {
            pass::train_packed(setting, &self.runs(), &self.scales, dropout, PROBE)
        })
    }

    fn alone(&self, i: usize) -> TrainPass {
        let (parameters, batch) = (&self.parameters[i], &self.batches[i]);
        self.with(i, |setting| {
            let dropout = Self::dropout(i);
            pass::train(setting, parameters, batch, self.scales[i], dropout, PROBE)
        })
    }
}

fn values(losses: &Losses) -> [Option<f64>; 4] {
    let all = [losses.all, losses.gmask, losses.mask, losses.z_loss];
    all.map(crate::data::Mean::value)
}

/// Bit for bit on the CPU, where a batched product is a product for each run and padding adds zeros.
fn check(what: &str, pack: &Pack) {
    let together = pack.together();
    assert_eq!(together.len(), 3);
    for (i, ours) in together.iter().enumerate() {
        let theirs = pack.alone(i);
        let what = format!("{what}, run {i}");
        assert_eq!(values(&ours.losses), values(&theirs.losses), "{what}");
        let table = pack.parameters[i].table();
        let (a, b) = (&ours.gradients, &theirs.gradients);
        for p in table {
            let range = p.range.clone();
            assert!(
                b.flat[range.clone()].iter().any(|g| *g != 0.0) || p.name.contains("bias"),
                "{what}: {} has a gradient to compare",
                p.name
            );
            assert_eq!(a.flat[range.clone()], b.flat[range], "{what}: {}", p.name);
        }
        assert_eq!(a.paths, b.paths, "{what}: paths");
        assert_eq!(a.lost, b.lost, "{what}: range losses");
        let (a, b) = (
            ours.probe.as_ref().unwrap(),
            theirs.probe.as_ref().unwrap(),
        );
        assert_eq!(a.max_attention_logit, b.max_attention_logit, "{what}");
        assert_eq!(a.norm_input_rms, b.norm_input_rms, "{what}");
        assert_eq!(a.activation_rms, b.activation_rms, "{what}");
    }
    let losses: Vec<_> = together.iter().map(|p| p.losses.all.value()).collect();
    assert!(losses[0] != losses[1] && losses[1] != losses[2], "{what}");
}

#[test]
fn a_packed_pass_gives_every_run_what_it_has_alone() {
    for tie in [true, false] {
        for format in [Format::Fp32, Format::Fp16, Format::Bf16] {
            for softmax in [Format::Fp32, format] {
                let pack = Pack::new(tie, |c| {
                    c.model.dropout = 0.1;
                    c.model.attention_dropout = 0.2;
                    (c.precision.format, c.precision.softmax) = (format, softmax);
                });
                check(&format!("{format:?} {softmax:?} {tie}"), &pack);
            }
        }
    }
}

#[test]
fn a_packed_pass_knows_every_variant() {
    let variants: [(&str, fn(&mut Config)); 12] = [
        ("pre", |c| c.model.norm = Norm::Pre),
        ("sandwich", |c| c.model.norm = Norm::Sandwich),
        ("2-D RoPE", |c| c.model.positions = Positions::Rope2d),
        ("learned", |c| c.model.positions = Positions::Learned),
        ("ALiBi", |c| c.model.positions = Positions::Alibi),
        ("GELU", |c| c.model.ffn = Ffn::Gelu),
        ("QK norm", |c| c.model.qk_norm = true),
        ("embedding norm", |c| c.model.embedding_norm = true),
        ("no bias", |c| c.model.bias = false),
        ("z-loss", |c| c.objective.z_loss = 0.1),
        ("layer scaling", |c| {
            c.precision.query_key_layer_scaling = true;
        }),
        ("PB-Relax", |c| {
            c.precision.format = Format::Fp16;
            c.precision.pb_relax.attention = PbRelaxMax::AbsMax;
            c.precision.pb_relax.norm = true;
        }),
    ];
    for (what, change) in variants {
        check(what, &Pack::new(true, change));
    }
}

#[test]
fn packed_evaluation_gives_every_run_what_it_has_alone() {
    let pack = Pack::new(true, |c| c.precision.format = Format::Fp16);
    let device = Default::default();
    let precision = Precision::new(&pack.configs[0].precision, 2);
    let setting = |i: usize| Setting::<Flex> {
        config: &pack.configs[i],
        precision: &precision,
        device: &device,
        seat: None,
    };
    let together = pass::evaluate_packed(&setting(0), &pack.runs());
    for (i, ours) in together.iter().enumerate() {
        let theirs = pass::evaluate(&setting(i), &pack.parameters[i], &pack.batches[i]);
        assert_eq!(values(ours), values(&theirs), "run {i}");
    }
}

#[test]
fn a_run_that_breaks_down_leaves_the_others_alone() {
    let mut pack = Pack::new(true, |c| c.precision.format = Format::Fp16);
    pack.parameters[1].values_mut().fill(f32::NAN);
    let together = pack.together();
    assert!(together[1].losses.all.value().unwrap().is_nan());
    for i in [0, 2] {
        let alone = pack.alone(i);
        assert_eq!(together[i].gradients.flat, alone.gradients.flat);
        assert_eq!(values(&together[i].losses), values(&alone.losses));
    }
}
