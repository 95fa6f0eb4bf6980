//! The hand-written pass against the graph, over random shapes and options, and its independence of
//! the number of threads.

use crate::backend::Device;
use crate::data::Batch;
use crate::data::objective::{Kind, Sample, Segment};
use crate::layers::agreement::distance;
use crate::layers::tap::{Captured, Tap};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::{Precision, RangeReport};
use crate::parameters::Parameters;
use crate::pass::{Note, Run, TrainPass};
use experiments_config::{
    Config, EgsPath, Ffn, Format, KernelChoice, Norm, ObjectiveMode, PbRelaxConfig, PbRelaxMax,
    Positions,
};
use kernels::{HalfFormat, round_slice};
use proptest::prelude::*;

mod particular;

const VOCAB: usize = 43;

/// Everything on which the pass branches.
#[derive(Debug, Clone)]
struct Case {
    norm: Norm,
    positions: Positions,
    ffn: Ffn,
    switches: [bool; 8],
    relax: (PbRelaxMax, bool, f64),
    softmax_half: bool,
    /// Of the residual stream and of attention probabilities.
    dropout: [f64; 2],
    heads: usize,
    /// Half the head dimension; a multiple of 2 for the 2-D positions.
    half: usize,
    seq_len: usize,
    sequences: usize,
    segments: usize,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    (
        prop::sample::select(Norm::ALL.to_vec()),
        prop::sample::select(Positions::ALL.to_vec()),
        prop::sample::select(Ffn::ALL.to_vec()),
        (
            any::<[bool; 8]>(),
            [probability(), probability()],
            relax(),
            any::<bool>(),
        ),
        1_usize..4,
        1_usize..4,
        // Beyond a tile of attention, and beyond and below a piece of rows.
        prop::sample::select(vec![7_usize, 12, 30, 65, 140]),
        1_usize..5,
        1_usize..3,
        any::<u64>(),
    )
        .prop_map(
            |(
                norm,
                positions,
                ffn,
                (switches, dropout, relax, softmax_half),
                heads,
                half,
                seq_len,
                sequences,
                segments,
                seed,
            )| {
                Case {
                    norm,
                    positions,
                    ffn,
                    switches,
                    dropout,
                    relax,
                    softmax_half,
                    heads,
                    // At a width of 4 a layer norm now and then divides by almost nothing, and the order of
                    // a sum shows.
                    half: if heads == 1 { 2 + 2 * half } else { 2 * half },
                    seq_len,
                    sequences,
                    segments,
                    seed,
                }
            },
        )
}

/// Of dropping an element: of the recipe, and none as often as not.
fn probability() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 0.0, 0.1, 0.4])
}

/// Both halves of PB-Relax, the first off half the time because it shuts out query-key layer scaling. An
/// α that is no power of two changes scores.
fn relax() -> impl Strategy<Value = (PbRelaxMax, bool, f64)> {
    use PbRelaxMax::{AbsMax, Head, Off, Row};
    let attention = prop::sample::select(vec![Off, Off, Off, Row, Head, AbsMax]);
    (
        attention,
        any::<bool>(),
        prop::sample::select(vec![32.0, 5.0]),
    )
}

impl Case {
    fn config(&self, format: Format, kernels: KernelChoice) -> Config {
        let mut config = Config::default();
        let [
            tie,
            bias,
            embedding_norm,
            qk_norm,
            layer_scaling,
            z_loss,
            fp32_head,
            saturates,
        ] = self.switches;
        config.runtime.kernels = kernels;
        config.model.layers = 2;
        config.model.num_heads = self.heads;
        config.model.hidden_size = 2 * self.half * self.heads;
        config.model.ffn_hidden_size = 21;
        config.model.seq_len = self.seq_len;
        config.model.norm = self.norm;
        config.model.positions = self.positions;
        config.model.ffn = self.ffn;
        config.model.tie_embeddings = tie;
        config.model.bias = bias;
        config.model.embedding_norm = embedding_norm;
        config.model.qk_norm = qk_norm;
        [config.model.dropout, config.model.attention_dropout] = self.dropout;
        config.precision.format = format;
        config.precision.fp32_head = fp32_head;
        config.precision.saturate_gradients = saturates;
        let (attention, norm, alpha) = self.relax;
        config.precision.pb_relax = PbRelaxConfig {
            attention,
            alpha,
            norm,
        };
        config.precision.softmax = if self.softmax_half {
            format
        } else {
            Format::Fp32
        };
        config.precision.query_key_layer_scaling = layer_scaling
            && attention == PbRelaxMax::Off
            && config.precision.softmax == Format::Fp32;
        config.objective.z_loss = if z_loss { 0.01 } else { 0.0 };
        config.egs.alpha = 0.3;
        config.egs.path = if tie { EgsPath::Both } else { EgsPath::Input };
        config.objective.mode = ObjectiveMode::Glm;
        config.tokenizer.vocab_size = VOCAB;
        config
    }

    fn parameters(&self, config: &Config) -> Parameters {
        let mut parameters = Parameters::initialise(&config.model, VOCAB, self.seed);
        for (i, value) in parameters.values_mut().iter_mut().enumerate() {
            *value += 0.05 * ((i as f32) * 0.7).sin();
        }
        parameters
    }

    fn batch(&self) -> Batch {
        let s = self.seq_len;
        let sample = |shift: usize| {
            let window = s / self.segments;
            let segment = |i: usize| Segment {
                start: i * window,
                len: if i + 1 == self.segments {
                    s - i * window
                } else {
                    window
                },
                prefix: (1 + shift) % window,
            };
            Sample {
                kind: Kind::Gmask,
                tokens: (0..s).map(|i| ((7 * i + shift) % VOCAB) as u32).collect(),
                positions: (0..s).map(|i| (i % 40) as u32).collect(),
                block_positions: (0..s).map(|i| i.saturating_sub(4) as u32 % 9).collect(),
                targets: (0..s)
                    .map(|i| (i % 3 > 0).then_some(((5 * i + shift) % VOCAB) as u32))
                    .collect(),
                segments: (0..self.segments).map(segment).collect(),
            }
        };
        Batch {
            samples: (0..self.sequences).map(sample).collect(),
            languages: vec![Some(0); self.sequences],
        }
    }

    /// What enters every linear map of the layers.
    fn map_inputs(&self, kernels: KernelChoice) -> Vec<Captured> {
        let config = self.config(Format::Fp32, kernels);
        let precision = Precision::new(&config.precision, config.model.layers);
        let engine = Device::CPU.engine(&config, None).unwrap();
        let run = Run {
            config: &config,
            precision: &precision,
            parameters: &self.parameters(&config),
            batch: &self.batch(),
        };
        engine.watch(run, Tap::of_map_inputs()).kept.unwrap()
    }

    fn run(&self, format: Format, kernels: KernelChoice) -> (TrainPass, RangeReport) {
        self.run_scaled(format, kernels, 1.0, 64.0)
    }

    /// With the weights of query, key and value times `factor`, and the loss times `scale`.
    fn run_scaled(
        &self,
        format: Format,
        kernels: KernelChoice,
        factor: f32,
        scale: f64,
    ) -> (TrainPass, RangeReport) {
        let config = self.config(format, kernels);
        let precision = Precision::new(&config.precision, config.model.layers);
        let engine = Device::CPU.engine(&config, None).unwrap();
        // Or the engines would be compared with themselves.
        let name = match kernels {
            KernelChoice::Fused => "fused",
            KernelChoice::Plain => "graph",
        };
        assert_eq!(engine.name(), name);
        let note = Note {
            probe: true,
            capture: true,
        };
        let (mut parameters, dropout) = (self.parameters(&config), Dropout::new(1, 1));
        let (table, values) = parameters.split_mut();
        for p in table.iter().filter(|p| p.name.ends_with("qkv.weight")) {
            values[p.range.clone()]
                .iter_mut()
                .for_each(|w| *w *= factor);
        }
        let run = Run {
            config: &config,
            precision: &precision,
            parameters: &parameters,
            batch: &self.batch(),
        };
        let pass = engine.train(run, scale, dropout, note);
        (pass, precision.take_report())
    }
}

/// One for every matrix of a layer, as wide as the matrix, and the same on both passes.
fn check_map_inputs(case: &Case) -> Result<(), TestCaseError> {
    let [ours, theirs] =
        [KernelChoice::Fused, KernelChoice::Plain].map(|kernels| case.map_inputs(kernels));
    let config = case.config(Format::Fp32, KernelChoice::Fused);
    let table = Parameters::initialise(&config.model, VOCAB, 1);
    let maps = table
        .table()
        .iter()
        .filter(|p| crate::quantization::is_map(p));
    let mut expected: Vec<(&str, usize)> = maps.map(|p| (p.name.as_str(), p.shape[1])).collect();
    let rows = case.sequences * case.seq_len;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        prop_assert_eq!(&ours.name, &theirs.name);
        prop_assert_eq!(&ours.shape, &theirs.shape);
        let map = expected
            .iter()
            .position(|(name, width)| *name == ours.name && ours.shape == [rows, *width]);
        prop_assert!(map.is_some(), "{} {:?}", ours.name, ours.shape);
        expected.remove(map.unwrap());
        let error = distance(&ours.values, &theirs.values);
        prop_assert!(error < 2e-4, "{}: {:e}", ours.name, error);
    }
    prop_assert!(
        ours.len() == theirs.len() && expected.is_empty(),
        "{expected:?}"
    );
    Ok(())
}

fn check(case: &Case, format: Format, tolerance: f64) -> Result<(), TestCaseError> {
    let (fused, fused_range) = case.run(format, KernelChoice::Fused);
    let (plain, plain_range) = case.run(format, KernelChoice::Plain);
    let loss = |pass: &TrainPass| pass.losses.all.value().unwrap();
    prop_assert!((loss(&fused) / loss(&plain) - 1.0).abs() < tolerance);
    let z_loss = |pass: &TrainPass| pass.losses.z_loss.value().unwrap_or(1.0);
    prop_assert!((z_loss(&fused) / z_loss(&plain) - 1.0).abs() < 10.0 * tolerance);

    // A key's bias moves all scores of a row alike: its gradient is 0 but for rounding. So does that of its
    // norm, where nothing turns it.
    let turns = !case.positions.row().rotates.is_empty();
    let vanishes =
        |name: &str| name.ends_with("qkv.bias") || (name.ends_with("key_norm.bias") && !turns);
    let config = case.config(format, KernelChoice::Fused);
    let whole = distance(&fused.gradients.flat, &plain.gradients.flat);
    prop_assert!(whole < tolerance, "gradients differ by {:e}", whole);
    let table = Parameters::initialise(&config.model, VOCAB, 1);
    for p in table.table().iter().filter(|p| !vanishes(&p.name)) {
        let part = |pass: &TrainPass| pass.gradients.flat[p.range.clone()].to_vec();
        let error = distance(&part(&fused), &part(&plain));
        prop_assert!(error < 10.0 * tolerance, "{}: {:e}", p.name, error);
    }
    let paths = |pass: &TrainPass| pass.gradients.paths.clone();
    if let (Some(ours), Some(theirs)) = (paths(&fused), paths(&plain)) {
        prop_assert!(distance(&ours.input, &theirs.input) < 10.0 * tolerance);
        prop_assert!(distance(&ours.logit, &theirs.logit) < 10.0 * tolerance);
    }

    let (ours, theirs) = (fused.tap.kept.unwrap(), plain.tap.kept.unwrap());
    prop_assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        prop_assert_eq!(&ours.name, &theirs.name);
        prop_assert_eq!(&ours.shape, &theirs.shape);
        let error = distance(&ours.values, &theirs.values);
        prop_assert!(error < tolerance, "{}: {:e}", ours.name, error);
    }
    let (ours, theirs) = (fused.tap.readings.unwrap(), plain.tap.readings.unwrap());
    for ((_, ours), (_, theirs)) in ours.layers().zip(theirs.layers()) {
        prop_assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(theirs) {
            prop_assert!((a - b).abs() <= 10.0 * tolerance * b.abs(), "{} {}", a, b);
        }
    }
    prop_assert_eq!(fused_range.overflow, plain_range.overflow);
    let (ours, theirs) = (fused_range.largest_gradient, plain_range.largest_gradient);
    prop_assert!(
        (ours - theirs).abs() <= 10.0 * tolerance as f32 * theirs,
        "{} {}",
        ours,
        theirs
    );
    let (ours, theirs) = (fused_range.underflow as f64, plain_range.underflow as f64);
    // Values at the edge may fall to either side: a few of few, a small share of many, and whole rows of
    // them where dropout leaves so little of a row that its gradient cancels.
    let rows = if case.dropout == [0.0; 2] {
        20
    } else {
        20 + 2 * case.seq_len
    };
    prop_assert!(
        (ours - theirs).abs() <= rows as f64 + 2.0 * theirs.sqrt() + 0.05 * theirs,
        "{} {}",
        ours,
        theirs
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn prop_fp32_passes_agree(case in cases()) {
        // 6 in 100,000 is the worst of 6,000 cases: a norm of few values divides by almost nothing.
        check(&case, Format::Fp32, 1e-4)?;
    }

    #[test]
    fn prop_what_maps_read_is_the_same_on_both_passes(case in cases()) {
        check_map_inputs(&case)?;
    }

    #[test]
    fn prop_fp16_passes_agree(case in cases()) {
        check(&case, Format::Fp16, 3e-3)?;
    }

    #[test]
    fn prop_bf16_passes_agree(case in cases()) {
        check(&case, Format::Bf16, 2.5e-2)?;
    }

    /// Scores beyond the fill value, where a forbidden slot may win, and beyond FP16, where a row turns
    /// into NaN: the loss must say so, and the overflow must have the same name and count.
    #[test]
    fn prop_passes_agree_far_out_of_range(case in cases(), factor in 20.0_f32..400.0) {
        let run = |format, kernels| {
            let (pass, range) = case.run_scaled(format, kernels, factor, 64.0);
            (pass.losses.all.value().unwrap(), range)
        };
        let (ours, _) = run(Format::Fp32, KernelChoice::Fused);
        let (theirs, _) = run(Format::Fp32, KernelChoice::Plain);
        prop_assert!((ours / theirs - 1.0).abs() < 0.02, "{} {}", ours, theirs);
        let (ours, our_range) = run(Format::Fp16, KernelChoice::Fused);
        let (theirs, range) = run(Format::Fp16, KernelChoice::Plain);
        prop_assert_eq!(ours.is_finite(), theirs.is_finite());
        prop_assert_eq!(our_range.first_overflow, range.first_overflow);
    }

    /// Gradients beyond FP16 that saturate: both passes go on with the same numbers, and say where the first
    /// was and how large the largest.
    #[test]
    fn prop_passes_saturate_alike(case in cases(), doublings in 8_i32..24) {
        let mut case = case;
        case.switches[7] = true;
        let run = |kernels| case.run_scaled(Format::Fp16, kernels, 1.0, 2_f64.powi(doublings));
        let ((ours, our_range), (theirs, range)) = (run(KernelChoice::Fused), run(KernelChoice::Plain));
        prop_assert!(ours.gradients.flat.iter().all(|g| g.is_finite()));
        let error = distance(&ours.gradients.flat, &theirs.gradients.flat);
        prop_assert!(error < 1e-2, "gradients differ by {:e}", error);
        let (a, b) = (our_range.largest_gradient, range.largest_gradient);
        prop_assert!((a - b).abs() <= 0.03 * b, "{} {}", a, b);
        prop_assert_eq!(our_range.overflow > 0, a > 65_504.0);
    }

    #[test]
    fn prop_threads_change_no_bit(case in cases(), half in any::<bool>()) {
        let format = if half { Format::Fp16 } else { Format::Fp32 };
        let [one, three] = [1, 3].map(|threads| gradient_bits(&case, format, threads));
        prop_assert_eq!(one, three);
    }
}

/// Bits, because NaN is no number's equal, its own neither, and FP16 overflows now and then.
fn gradient_bits(case: &Case, format: Format, threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let (pass, _) = pool.install(|| case.run(format, KernelChoice::Fused));
    pass.gradients.flat.iter().map(|g| g.to_bits()).collect()
}
