//! Text read row by row against the whole pass, over everything on which a pass branches.

mod codes;

use super::*;
use crate::data::objective::{sample_gmask, sample_gpt, sample_mask, sample_task};
use crate::parameters::Parameters;
use crate::pass::fused::Host;
use crate::pass::{Engine, Run};
use crate::random::stream;
use experiments_config::{
    Ffn, Format, GmaskPositions, MaskPositions, Norm, ObjectiveMode, PbRelaxMax, Positions,
};
use experiments_text::SpecialIds;
use rand::RngExt;
use std::collections::BTreeMap;

const VOCABULARY: usize = 43;

fn config(norm: Norm, positions: Positions) -> Config {
    let mut config = Config::default();
    config.tokenizer.vocab_size = VOCABULARY;
    config.precision.format = Format::Fp32;
    config.objective.aggregated_samples = 2;
    let model = &mut config.model;
    (model.layers, model.num_heads, model.hidden_size) = (2, 2, 16);
    (model.ffn_hidden_size, model.seq_len) = (21, 26);
    (model.norm, model.positions) = (norm, positions);
    config
}

/// A row of every objective, with the ids that the model's positions want.
fn samples(config: &Config) -> [Sample; 4] {
    let seq_len = config.model.seq_len;
    let special = SpecialIds::of(VOCABULARY);
    let mut rng = stream(5, "text", 0);
    let mut text = |len: usize| -> Vec<u32> {
        (0..len)
            .map(|_| rng.random_range(0..special.mask))
            .collect()
    };
    let (whole, halves) = (text(seq_len + 1), [text(10), text(10)]);
    let objective = &config.objective;
    let tasks = [
        (&halves[0][..5], &halves[1][..4]),
        (&halves[1][..3], &halves[0][..6]),
    ];
    let mut rng = stream(6, "spans", 0);
    let all = [
        sample_gmask(
            objective,
            &special,
            &whole[..seq_len - 1],
            seq_len,
            &mut rng,
        ),
        sample_mask(objective, &special, &halves, seq_len, &mut rng),
        sample_task(objective, &special, &tasks, seq_len),
        sample_gpt(&whole, seq_len),
    ];
    all.map(|sample| {
        if config.model.positions.reads_spans() {
            sample.with_block_positions()
        } else {
            sample
        }
    })
}

/// Logits of every slot with a target: what all attend to at once, then one row of each segment at a time.
fn row_by_row(model: &mut Incremental, sample: &Sample) -> BTreeMap<usize, Vec<f32>> {
    let row = |(sequence, segment): (usize, &Segment), slot: usize| {
        let seen = sample.visible(slot);
        Row {
            sequence,
            token: sample.tokens[slot],
            position: sample.positions[slot],
            block: sample.block_positions[slot],
            sees: std::iter::once(seen.start - segment.start..seen.end - segment.start).collect(),
            asks: sample.targets[slot].is_some(),
        }
    };
    let segments = || sample.segments.iter().enumerate();
    let mut steps: Vec<Vec<(usize, Row)>> = vec![Vec::new(); sample.tokens.len() + 1];
    for (number, segment) in segments() {
        // A text without a prefix begins with one row.
        let prefix = segment.prefix.max(1);
        for at in 0..segment.len {
            let step = (at + 1).saturating_sub(prefix);
            let slot = segment.start + at;
            steps[step].push((slot, row((number, segment), slot)));
        }
    }
    let mut found = BTreeMap::new();
    model.clear();
    for step in steps {
        let rows: Vec<Row> = step.iter().map(|(_, row)| row.clone()).collect();
        let logits = model.read(&rows);
        let asking = step.iter().filter(|(_, row)| row.asks);
        for ((slot, _), logits) in asking.zip(logits.chunks_exact(VOCABULARY)) {
            found.insert(*slot, logits.to_vec());
        }
    }
    found
}

/// The largest difference as a share of the largest logit.
fn difference(config: &Config) -> f32 {
    let parameters = Parameters::initialise(&config.model, VOCABULARY, 7);
    let precision = Precision::new(&config.precision, config.model.layers);
    let weights = Arc::new(Weights::new(&parameters, &config.model, &precision));
    let packed = PackedMaps::new();
    let mut model = Incremental::new(config, &precision, &weights, &packed);
    let mut worst = 0.0_f32;
    for sample in samples(config) {
        let found = row_by_row(&mut model, &sample);
        let batch = Batch {
            samples: vec![sample],
            languages: vec![None],
        };
        let whole = Host.logits(Run {
            config,
            precision: &precision,
            parameters: &parameters,
            batch: &batch,
        });
        let found: Vec<f32> = found.into_values().flatten().collect();
        assert_eq!(found.len(), whole.len());
        let top = whole.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
        let apart = found.iter().zip(&whole).map(|(a, b)| (a - b).abs());
        worst = apart.fold(worst, |worst, apart| f32::max(worst, apart / top));
    }
    worst
}

#[test]
fn every_norm_and_position_gives_the_logits_of_the_whole_pass() {
    for norm in Norm::ALL {
        for positions in Positions::ALL {
            let difference = difference(&config(norm, positions));
            assert!(difference < 1e-5, "{norm:?} {positions:?}: {difference}");
        }
    }
}

#[test]
fn every_other_choice_gives_the_logits_of_the_whole_pass() {
    type Change = (&'static str, fn(&mut Config));
    let changes: [Change; 12] = [
        ("gelu", |c| c.model.ffn = Ffn::Gelu),
        ("norms of heads", |c| c.model.qk_norm = true),
        ("untied", |c| c.model.tie_embeddings = false),
        ("no bias", |c| c.model.bias = false),
        ("embedding norm", |c| c.model.embedding_norm = true),
        ("query-key layer scaling", |c| {
            c.precision.query_key_layer_scaling = true;
        }),
        ("relaxed norm", |c| c.precision.pb_relax.norm = true),
        ("relaxed rows", |c| {
            c.precision.pb_relax.attention = PbRelaxMax::Row;
        }),
        ("relaxed heads", |c| {
            c.precision.pb_relax.attention = PbRelaxMax::Head;
        }),
        ("relaxed magnitudes", |c| {
            c.precision.pb_relax.attention = PbRelaxMax::AbsMax;
        }),
        ("plain [MASK]", |c| {
            c.objective.mask_positions = MaskPositions::Plain;
        }),
        ("shifted [gMASK]", |c| {
            c.objective.gmask_positions = GmaskPositions::Shifted;
        }),
    ];
    for (name, change) in changes {
        let mut config = config(Norm::DeepnormGlm, Positions::Rope);
        // The two exclude one another.
        config.precision.query_key_layer_scaling = false;
        change(&mut config);
        let difference = difference(&config);
        assert!(difference < 1e-5, "{name}: {difference}");
    }
}

/// Where every tensor is rounded, a sum in another order now and then rounds to the other side.
#[test]
fn formats_with_16_bits_agree_to_their_rounding() {
    for (format, bound) in [(Format::Fp16, 4e-3), (Format::Bf16, 3e-2)] {
        for positions in Positions::ALL {
            for softmax in [Format::Fp32, format] {
                let mut config = config(Norm::Sandwich, positions);
                config.precision.format = format;
                config.precision.query_key_layer_scaling = false;
                config.precision.softmax = softmax;
                let difference = difference(&config);
                assert!(
                    difference < bound,
                    "{format:?} {positions:?} {softmax:?}: {difference}"
                );
            }
        }
    }
}

/// Two answers to one text that share its slots do not see one another.
#[test]
fn texts_that_share_their_beginning_are_as_if_each_had_its_own() {
    let config = config(Norm::Pre, Positions::Alibi);
    let parameters = Parameters::initialise(&config.model, VOCABULARY, 7);
    let precision = Precision::new(&config.precision, config.model.layers);
    let weights = Arc::new(Weights::new(&parameters, &config.model, &precision));
    let packed = PackedMaps::new();
    let mut model = Incremental::new(&config, &precision, &weights, &packed);
    let layout = experiments_evaluation::Layout::of(&config);
    assert_eq!(layout.mode, ObjectiveMode::Glm);
    let text = vec![3, 9, layout.special.gmask];
    let prompt = layout.at_blank(text, experiments_evaluation::Blank::Gmask);
    let first = prompt.len();
    let mut answer = |tokens: [[u32; 2]; 2], shared: bool| {
        let mut out = Vec::new();
        for tokens in if shared {
            vec![tokens]
        } else {
            vec![[tokens[0]; 2], [tokens[1]; 2]]
        } {
            let mut rows = prompt.rows(0);
            for (number, own) in tokens.iter().enumerate() {
                for (index, token) in own.iter().enumerate() {
                    let start = first + 2 * number;
                    let sees = vec![0..first, start..start + index + 1];
                    rows.push(prompt.answer_row(0, index, *token, sees));
                }
            }
            model.clear();
            let logits = model.read(&rows);
            let answers = logits[VOCABULARY..].chunks_exact(2 * VOCABULARY);
            out.extend(answers.take(if shared { 2 } else { 1 }).flatten().copied());
        }
        out
    };
    let tokens = [[1, 2], [8, 5]];
    assert_eq!(answer(tokens, true), answer(tokens, false));
}
