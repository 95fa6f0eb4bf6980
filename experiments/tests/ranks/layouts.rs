//! The same records, weights, decisions and checkpoints under every layout.

use crate::bench::{Bench, FP16, data, degrees, with_rows};
use experiments::{Ending, train, train_on_threads};
use experiments_config::{Config, Norm, resolve};
use logs::{Event, EventKind};

/// Every arrangement of norms, tied and untied.
#[test]
fn one_micro_batch_each_is_accumulation_to_the_last_bit() {
    let bench = Bench::new();
    for norm in Norm::ALL {
        for tied in [true, false] {
            let name = norm.name();
            let what = format!("{name}, tied {tied}");
            let set = [
                format!("model.norm={name}"),
                format!("model.tie_embeddings={tied}"),
            ];
            let set: Vec<&str> = set.iter().map(String::as_str).collect();
            let config = bench.config(&set);
            let run = |ranks: usize| format!("{name}-{tied}-{ranks}");
            for ranks in [1, 4] {
                bench.train(&config, &run(ranks), ranks);
            }
            bench.assert_same(&run(1), &run(4), &what);
        }
    }
}

/// Two rounds of two ranks, three ranks of which each passes parts, and FP16 with skipped steps.
#[test]
fn rounds_and_formats_change_nothing() {
    let bench = Bench::new();
    let adagc: Vec<&str> = FP16
        .into_iter()
        .chain(["optimizer.clip_mode=adagc", "optimizer.clip_grad=0.1"])
        .collect();
    let cases: [(&str, &[&str]); 4] = [
        ("fp32", &[]),
        ("fp16", &FP16),
        ("adagc", &adagc),
        (
            "bf16",
            &[
                "precision.format=bf16",
                "objective.z_loss=1e-3",
                "record.noise_interval=2",
            ],
        ),
    ];
    for (name, set) in cases {
        let config = bench.config(set);
        let run = |ranks: usize| format!("{name}-{ranks}");
        for ranks in [1, 2, 4] {
            bench.train(&config, &run(ranks), ranks);
        }
        bench.assert_same(&run(1), &run(2), name);
        bench.assert_same(&run(1), &run(4), name);
        if name == "fp16" {
            let skipped = bench
                .records(&run(4))
                .iter()
                .filter(|record| record.scalar("skipped") == Some(1.0))
                .count();
            assert!(skipped > 0, "no step overflowed");
        }
    }
}

/// Where keys are not turned by their position, a bias that all keys have shifts all scores of a query alike. No loss feels
/// that, so its gradient is rounding, which Adam brings to the size of other updates: up to 4.7e-3 in 30 steps.
const SHIFTED: [(&str, f64); 1] = [("layer_max_attention_logit", 1e-2)];

/// A micro-batch that is cut is summed in another order, and no more than that: dropout and data are the same. Of sizes
/// that are the largest of several micro-batches its parts are such: 13 % at the most here.
#[test]
fn parts_of_a_micro_batch_agree_within_rounding() {
    let bench = Bench::new();
    let set = [
        "batch.micro_batch=4",
        "batch.gradient_accumulation=1",
        "steps=50",
    ];
    let config = bench.config(&set);
    for ranks in [1, 2, 4] {
        bench.train(&config, &format!("parts-{ranks}"), ranks);
    }
    for ranks in [2, 4] {
        let largest = ["layer_norm_input_rms", "layer_activation_rms"].map(|name| (name, 0.2));
        bench.assert_close_but("parts-1", &format!("parts-{ranks}"), &largest);
    }
}

/// The layout does not show in a run: whoever goes on with it, it is the same.
#[test]
fn any_number_of_ranks_continues_what_another_began() {
    let bench = Bench::new();
    let config = bench.config(&FP16);
    bench.train(&config, "alone", 1);
    for (name, first, then) in [("grown", 1, 4), ("shrunk", 4, 1), ("changed", 2, 4)] {
        let ending = bench.ask(&config, name, 2, |request| match first {
            1 => train(request),
            _ => train_on_threads(request, data(first)),
        });
        assert_eq!(ending.unwrap(), Ending::Stopped);
        bench.train(&config, name, then);
        bench.assert_same_steps("alone", name);
    }
}

/// Stages pass on what one process keeps, and change no bit of it: uneven stages (8 layers and both ends make ten units),
/// tied and untied, FP16 with overflows, together with replicas, fewer micro-batches than stages.
#[test]
fn stages_of_a_pipeline_are_one_process_to_the_last_bit() {
    /// A name, what is set, and stages and replicas.
    type Case<'a> = (&'a str, &'a [&'a str], &'a [[usize; 2]]);

    let bench = Bench::new();
    let deep = ["model.layers=8", "model.norm=sandwich"];
    let untied: Vec<&str> = deep
        .iter()
        .copied()
        .chain(["model.tie_embeddings=false", "model.embedding_norm=true"])
        .collect();
    let half: Vec<&str> = deep.iter().copied().chain(FP16).collect();
    let few: Vec<&str> = deep
        .iter()
        .copied()
        .chain(["batch.gradient_accumulation=1"])
        .collect();
    let cases: [Case; 4] = [
        ("deep", &deep, &[[2, 1], [5, 1], [2, 2]]),
        ("untied", &untied, &[[2, 1], [4, 2]]),
        ("half", &half, &[[2, 1], [2, 4], [5, 2]]),
        ("few", &few, &[[8, 1]]),
    ];
    for (name, set, layouts) in cases {
        let config = bench.config(set);
        bench.train(&config, &format!("{name}-alone"), 1);
        for [pipeline, data] in layouts {
            let (pipeline, data) = (*pipeline, *data);
            let run = format!("{name}-{pipeline}-{data}");
            bench.train_by(&config, &run, degrees([1, pipeline, data]));
            bench.assert_same(&format!("{name}-alone"), &run, &run);
        }
    }
}

/// A run of eight layers and four heads, of every arrangement of norms, tied and untied. With warm-up: at the full learning
/// rate from the first step on, training amplifies the last bits sooner. `reordered` has head norms, as OLMo 2 has it.
fn arrangements(bench: &Bench, set: &[&str]) -> Vec<(String, Config)> {
    let base = [
        "model.layers=8",
        "model.hidden_size=32",
        "model.num_heads=4",
        "optimizer.lr=1e-3",
        "optimizer.warmup_samples=400",
        "eval.interval=0",
        "checkpoint.interval=50",
    ];
    let cases = Norm::ALL
        .into_iter()
        .flat_map(|norm| [true, false].map(|tied| (norm, tied)));
    let config = |(norm, tied): (Norm, bool)| {
        let own = [
            format!("model.norm={}", norm.name()),
            format!("model.tie_embeddings={tied}"),
            format!("model.qk_norm={}", norm == Norm::Reordered),
        ];
        let own = own.iter().map(String::as_str);
        let all: Vec<&str> = base
            .into_iter()
            .chain(own)
            .chain(set.iter().copied())
            .collect();
        (format!("{}-{tied}", norm.name()), bench.config(&all))
    };
    cases.map(config).collect()
}

/// Losses and gradient norms of 50 steps are those of one process but for the order of sums.
fn assert_layouts_agree(layouts: &[[usize; 3]]) {
    let bench = Bench::new();
    for (name, config) in arrangements(&bench, &["steps=50"]) {
        bench.train(&config, &name, 1);
        for layout in layouts {
            let run = format!("{name}-{layout:?}");
            bench.train_by(&config, &run, degrees(*layout));
            bench.assert_close(&name, &run);
        }
    }
}

/// The three layouts that have all kinds of degrees between them.
#[test]
fn shares_of_matrices_agree_within_rounding() {
    assert_layouts_agree(&[[2, 2, 2], [1, 4, 2], [4, 1, 2]]);
}

#[test]
#[ignore = "a minute and more; each kind of degree alone, which the layouts above have together"]
fn each_kind_of_degree_agrees_within_rounding() {
    assert_layouts_agree(&[[2, 1, 1], [1, 2, 1], [1, 1, 2]]);
}

/// In FP16 steps that overflow are skipped, and the loss scale falls and grows, at the same steps.
fn assert_decisions_agree(layouts: &[[usize; 3]]) {
    let bench = Bench::new();
    let set: Vec<&str> = FP16.into_iter().chain(["steps=50"]).collect();
    for (name, config) in arrangements(&bench, &set) {
        bench.train(&config, &name, 1);
        let alone = bench.decided(&name);
        assert!(alone.iter().any(|[skipped, _]| *skipped == Some(1.0)));
        for layout in layouts {
            let run = format!("{name}-{layout:?}");
            bench.train_by(&config, &run, degrees(*layout));
            assert_eq!(alone, bench.decided(&run), "{run}");
        }
    }
}

#[test]
fn fp16_takes_the_same_decisions_with_every_arrangement() {
    assert_decisions_agree(&[[2, 2, 2], [1, 4, 2], [4, 1, 2]]);
}

#[test]
#[ignore = "a minute and more; each kind of degree alone, which the layouts above have together"]
fn fp16_takes_the_same_decisions_with_each_kind_of_degree() {
    assert_decisions_agree(&[[2, 1, 1], [1, 2, 1], [1, 1, 2]]);
}

/// Rows from random tokens, and a layer whose weights grow at once: alarms are raised of numbers that differ in their last
/// bits, and yet at the same steps, of the same signals and layers, by the same rules.
#[test]
fn alarms_are_those_of_one_process() {
    let bench = Bench::new();
    let mut config = bench.config(&[
        "model.layers=4",
        "model.hidden_size=32",
        "model.num_heads=4",
        "steps=90",
        "eval.interval=0",
        "checkpoint.interval=90",
    ]);
    let planted = r#"
[[inject]]
kind = "noise"
step = 70
steps = 2
[[inject]]
kind = "weight"
step = 80
tensor = "layers.1.ffn.up.weight"
factor = 30.0
"#;
    let planted: Config = resolve(toml::from_str(planted).unwrap(), &[], "test").unwrap();
    config.inject = planted.inject;
    bench.train(&config, "alone", 1);
    let alone = bench.alarms("alone");
    let is_of_layer = |(_, signal, _): &(u64, String, Vec<String>)| signal.starts_with("layer_");
    assert!(alone.iter().any(is_of_layer), "{alone:?}");
    for (run, layout) in [
        ("shared", degrees([2, 2, 2])),
        ("rows", with_rows([4, 1, 2])),
    ] {
        bench.train_by(&config, run, layout);
        assert_eq!(alone, bench.alarms(run), "{run}");
    }
}

/// Without norms of heads the branches of `reordered` read a stream that nothing has normed: attention logits of 60 to 90
/// at the start, and gradient norms that the last bits of the weights change by 1e-5. No layout changes them by more.
#[test]
fn without_head_norms_layouts_differ_as_last_bits_of_weights_do() {
    let bench = Bench::new();
    let set = |more: &[&str]| -> Config {
        let base = [
            "model.norm=reordered",
            "model.layers=8",
            "model.hidden_size=32",
            "model.num_heads=4",
            // The learning rate begins at 0: the weights after this step are those before it.
            "optimizer.warmup_samples=400",
            "steps=1",
            "eval.interval=0",
        ];
        bench.config(
            &base
                .into_iter()
                .chain(more.iter().copied())
                .collect::<Vec<_>>(),
        )
    };
    bench.train(&set(&[]), "plain", 1);
    let norm = |run: &str| bench.records(run)[0].scalar("grad_norm").unwrap();
    let apart = |run: &str| (norm(run) / norm("plain") - 1.0).abs();
    let weights = bench.checkpoint("plain", 1).weights;
    let of_bits = (1..=6).map(|seed| {
        let (run, file) = (format!("bits-{seed}"), format!("bits-{seed}.safetensors"));
        std::fs::write(bench.path(&file), with_other_last_bits(&weights, seed)).unwrap();
        let file = format!("model.init.weights={}", bench.path(&file).display());
        bench.train(&set(&[&file]), &run, 1);
        apart(&run)
    });
    let most = of_bits.fold(0.0, f64::max);
    assert!(most > 3e-6, "well-conditioned after all: {most}");
    for layout in [[2, 1, 1], [4, 1, 1], [2, 2, 2]] {
        let run = format!("{layout:?}");
        bench.train_by(&set(&[]), &run, degrees(layout));
        assert!(apart(&run) < 2.0 * most, "{run}: {} {most}", apart(&run));
    }
}

/// A safetensors file of FP32 values, of which about half have another last bit.
fn with_other_last_bits(file: &[u8], seed: u32) -> Vec<u8> {
    let (header, rest) = file.split_first_chunk().unwrap();
    let start = u64::from_le_bytes(*header) as usize;
    let (_, values) = rest.split_at(start);
    let mut state = seed;
    let values = values.as_chunks::<4>().0.iter().flat_map(|value| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (u32::from_le_bytes(*value) ^ (state >> 31)).to_le_bytes()
    });
    file[..8 + start].iter().copied().chain(values).collect()
}

/// What a variant of the network adds is shared as well: heads' norms and slopes, a feed-forward without a gate, learned
/// positions, a norm of embeddings, PB-Relax, z-loss; and FP16 takes the same decisions.
#[test]
fn variants_are_shared_alike() {
    let bench = Bench::new();
    let base = [
        "model.hidden_size=32",
        "model.num_heads=4",
        "steps=20",
        "eval.interval=0",
        "checkpoint.interval=20",
    ];
    let cases: [(&str, &[&str]); 4] = [
        (
            "alibi",
            &[
                "model.positions=alibi",
                "model.qk_norm=true",
                "model.ffn=gelu",
            ],
        ),
        (
            "learned",
            &[
                "model.positions=learned",
                "model.embedding_norm=true",
                "objective.z_loss=1e-3",
                "model.bias=false",
            ],
        ),
        ("relax", &["precision.pb_relax.norm=true"]),
        ("fp16", &FP16),
    ];
    for (name, set) in cases {
        let set: Vec<&str> = base.iter().chain(set).copied().collect();
        let config = bench.config(&set);
        bench.train(&config, &format!("{name}-alone"), 1);
        bench.train_by(&config, &format!("{name}-shared"), degrees([2, 2, 1]));
        if name == "fp16" {
            assert_eq!(bench.decided("fp16-alone"), bench.decided("fp16-shared"));
            continue;
        }
        let bounds: &[_] = if name == "alibi" { &SHIFTED } else { &[] };
        let runs = ["alone", "shared"].map(|ranks| format!("{name}-{ranks}"));
        bench.assert_close_but(&runs[0], &runs[1], bounds);
    }
}

/// The same where these ranks have each some of the rows between the branches, in every arrangement of norms: with
/// dropout, stages, replicas, rows that the ranks do not divide evenly, and what a variant of the network adds; FP16 takes
/// the same decisions.
#[test]
fn ranks_that_share_rows_agree_within_rounding() {
    let bench = Bench::new();
    let mut cases = arrangements(&bench, &["steps=30", "checkpoint.interval=30"]);
    let variant = [
        "model.hidden_size=32",
        "model.num_heads=4",
        "model.seq_len=25",
        "model.positions=learned",
        "model.embedding_norm=true",
        "model.bias=false",
        "model.qk_norm=true",
        "objective.z_loss=1e-3",
        "steps=30",
        "eval.interval=0",
        "checkpoint.interval=30",
    ];
    cases.push(("variant".to_owned(), bench.config(&variant)));
    for (name, config) in cases {
        let run = format!("{name}-rows");
        let layout = if name == "variant" {
            [4, 1, 1]
        } else {
            [2, 2, 2]
        };
        bench.train(&config, &name, 1);
        bench.train_by(&config, &run, with_rows(layout));
        let bounds: &[_] = if name == "variant" { &SHIFTED } else { &[] };
        bench.assert_close_but(&name, &run, bounds);
    }
    let half = bench.config(&FP16);
    bench.train(&half, "half", 1);
    bench.train_by(&half, "half-rows", with_rows([2, 1, 1]));
    assert_eq!(bench.decided("half"), bench.decided("half-rows"));
}

/// Going back is decided by rank 0 and done by all.
#[test]
fn policies_act_on_all_ranks() {
    let bench = Bench::new();
    let mut config = bench.config(&["steps=14", "optimizer.lr=1e-2"]);
    let table = r#"
[alarm]
detectors = ["jump-loss"]
threshold.jump-loss = 1.5
[recovery]
detectors = ["jump-loss"]
cool_down = 2
policy = [{ kind = "rollback_skip", rollback_steps = 4, skip_steps = 1 }, { kind = "change", steps = 3, set = ["optimizer.clip_grad=0.2"] }]
[[inject]]
kind = "noise"
step = 8
steps = 2
"#;
    let table: Config = resolve(toml::from_str(table).unwrap(), &[], "test").unwrap();
    config.alarm = table.alarm;
    config.recovery = table.recovery;
    config.inject = table.inject;
    for ranks in [1, 2] {
        bench.train(&config, &format!("policy-{ranks}"), ranks);
    }
    let went_back = |event: &Event| event.kind == EventKind::Intervention;
    assert!(
        bench.events("policy-1").iter().any(went_back),
        "no policy acted"
    );
    bench.assert_same("policy-1", "policy-2", "policies");
}
