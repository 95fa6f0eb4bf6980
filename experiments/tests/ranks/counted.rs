//! What the ranks count is what the plan says.

use crate::bench::{Bench, Given, data, degrees, with_rows};
use crate::meddling::with_one_meddling;
use experiments_collective::Outbound;
use experiments_plan::communication::{Communication, StagePlace};
use experiments_plan::hardware::gpu;
use experiments_plan::memory::MemoryOptions;
use experiments_plan::{Cluster, Layout, Recompute, Schedule, Sharding};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn layout(replicas: u64) -> Layout {
    Layout {
        tensor_parallel: 1,
        pipeline_parallel: 1,
        data_parallel: replicas,
        micro_batch: 2,
        global_batch: 2 * replicas,
        recompute: Recompute::None,
        schedule: Schedule::OneForwardOneBackward,
        chunks: 1,
        uneven_stages: false,
        context_parallel: 1,
        sequence_parallel: false,
        sharding: Sharding::Zero1,
        flash_attention: false,
        vocab_multiple: 1,
    }
}

fn cluster() -> Cluster {
    Cluster {
        nodes: 1,
        gpus_per_node: 8,
        gpu: "a100-40g".to_owned(),
    }
}

/// What the ranks count is what the plan says for such a layout.
#[test]
fn what_is_sent_is_what_was_planned() {
    let bench = Bench::new();
    for (ranks, set) in [
        (2, ["batch.gradient_accumulation=2"]),
        (4, ["batch.gradient_accumulation=4"]),
    ] {
        let config = bench.config(&set);
        let run = format!("counted-{ranks}");
        bench.train(&config, &run, ranks);
        let layout = layout(ranks as u64);
        let links = Communication::of(&layout, &cluster(), gpu("a100-40g").unwrap());
        let parameters = config.model.parameter_count(config.tokenizer.vocab_size);
        let step = links.step(&config, &layout, parameters).unwrap();
        let counted = |key: &str| bench.finished(&run, key);
        let planned = |bytes: f64| (bytes * ranks as f64 * 6.0) as u64;
        assert_eq!(
            counted("reduce_scatter_bytes"),
            planned(step.gradients.bytes)
        );
        assert_eq!(counted("all_gather_bytes"), planned(step.weights.bytes));
        assert_eq!(counted("send_bytes"), 0);
        assert_eq!(counted("tied_bytes"), 0);
    }
}

/// Of two stages each sends the other a residual stream for every micro-batch.
#[test]
fn what_stages_pass_on_is_what_was_planned() {
    let bench = Bench::new();
    let config = bench.config(&["model.layers=8"]);
    bench.train_by(&config, "stages", degrees([1, 5, 1]));
    let layout = Layout {
        pipeline_parallel: 5,
        ..layout(1)
    };
    let links = Communication::of(&layout, &cluster(), gpu("a100-40g").unwrap());
    let place = StagePlace {
        layers: 2,
        first: false,
        last: false,
    };
    let plain = MemoryOptions {
        partition_checkpoints: false,
        ..MemoryOptions::default()
    };
    let cost = links.micro_batch(&config, &layout, &plain, place).pipeline;
    // Both directions, over four borders, four micro-batches, six steps.
    let planned = cost.bytes * 4.0 * 4.0 * 6.0;
    assert_eq!(bench.finished("stages", "send_bytes"), planned as u64);
    // The last stage's way into tied embeddings, once for each of four micro-batches; the way back are weights.
    let parameters = config.model.parameter_count(config.tokenizer.vocab_size);
    let step = links.step(&config, &layout, parameters).unwrap();
    let planned = step.tied_embedding.bytes * 4.0 * 6.0;
    assert!(planned > 0.0);
    assert_eq!(bench.finished("stages", "tied_bytes"), planned as u64);
}

/// Both ways into tied embeddings cross, and their sum does not: it is made by the rank that updates them.
#[test]
fn a_gradient_of_tied_embeddings_crosses_in_its_two_ways_alone() {
    let bench = Bench::new();
    // All that is no embedding is smaller than that, and the second rank's.
    let set = [
        "batch.gradient_accumulation=2",
        "model.layers=1",
        "model.ffn_hidden_size=8",
    ];
    let config = bench.config(&set);
    let model = &config.model;
    let table = config.tokenizer.vocab_size * model.hidden_size;
    let all = model.parameter_count(config.tokenizer.vocab_size) as usize;
    assert!(model.tie_embeddings && all < 2 * table, "{all} {table}");
    let found = Arc::new(AtomicU64::new(0));
    let counted = found.clone();
    let engines = with_one_meddling(2, 1, move |_, outbound| {
        let len = |message: &&Outbound| message.pieces.iter().map(|piece| piece.len()).sum();
        let is_long = |len: usize| len >= 4 * table;
        let long = outbound.iter().filter(|message| is_long(len(message)));
        counted.fetch_add(long.count() as u64, Ordering::Relaxed);
        Ok(())
    });
    let given = engines
        .into_iter()
        .map(|engine| Given::new(&config, engine));
    bench.train_each("tied", data(2), given.collect()).unwrap();
    // In each of six steps.
    assert_eq!(found.load(Ordering::Relaxed), 2 * 6);
    bench.train(&config, "alone", 1);
    bench.assert_same("tied", "alone", "tied embeddings");
}

/// Four sums of the residual stream in each layer and one of the embedding, of all slots as planned; and two of what has a
/// target, whose number follows from the two numbers that each rank tells of every target.
#[test]
fn what_ranks_that_share_matrices_sum_is_what_was_planned() {
    let bench = Bench::new();
    let config = bench.config(&[]);
    bench.train_by(&config, "shared", degrees([2, 1, 1]));
    let layout = Layout {
        tensor_parallel: 2,
        ..layout(1)
    };
    let links = Communication::of(&layout, &cluster(), gpu("a100-40g").unwrap());
    let parameters = config.model.parameter_count(config.tokenizer.vocab_size);
    let (steps, micro_batches) = (6.0, 4.0);
    let weights = 4.0 * parameters as f64 * steps;
    let told = bench.finished("shared", "all_gather_bytes") as f64 - weights;
    // Each of two ranks tells the other.
    let targets = told / (2.0 * 4.0 * 2.0);
    let [h, slots] = [
        config.model.hidden_size as f64,
        2.0 * config.model.seq_len as f64,
    ];
    let layers = config.model.layers as f64;
    let stream = links.tensor.all_reduce(4.0 * slots * h).bytes;
    let place = StagePlace {
        layers: config.model.layers as u64,
        first: true,
        last: false,
    };
    let plain = MemoryOptions {
        partition_checkpoints: false,
        ..MemoryOptions::default()
    };
    let cost = links.micro_batch(&config, &layout, &plain, place);
    let planned = cost.tensor_forward.bytes + cost.tensor_backward.bytes;
    assert_eq!(planned, stream * (4.0 * layers + 1.0));
    let of_targets = links.tensor.all_reduce(4.0 * targets * (1.0 + h)).bytes;
    let expected = 2.0 * (planned * micro_batches * steps + of_targets);
    assert_eq!(
        bench.finished("shared", "all_reduce_bytes"),
        expected as u64
    );
}

/// Ranks that share rows, too, send as many bytes: half of them to gather what a branch reads, half to sum up what it
/// leaves.
#[test]
fn what_ranks_that_share_rows_send_is_what_was_planned() {
    let bench = Bench::new();
    let config = bench.config(&[]);
    let keys = [
        "reduce_scatter_bytes",
        "all_gather_bytes",
        "all_reduce_bytes",
    ];
    let sent = |run: &str, layout| {
        bench.train_by(&config, run, layout);
        keys.map(|key| bench.finished(run, key))
    };
    let [gradients, weights, sums] = sent("whole", degrees([2, 1, 1]));
    let [scattered, gathered, rest] = sent("rows", with_rows([2, 1, 1]));
    assert_eq!(scattered + gathered + rest, gradients + weights + sums);
    // What is left are the logits of targets.
    let of_rows = sums - rest;
    assert_eq!(
        [scattered - gradients, gathered - weights],
        [of_rows / 2; 2]
    );
    let layout = Layout {
        tensor_parallel: 2,
        sequence_parallel: true,
        ..layout(1)
    };
    let links = Communication::of(&layout, &cluster(), gpu("a100-40g").unwrap());
    let place = StagePlace {
        layers: config.model.layers as u64,
        first: true,
        last: false,
    };
    let cost = links.micro_batch(&config, &layout, &MemoryOptions::default(), place);
    let planned = cost.tensor_forward.bytes + cost.tensor_backward.bytes;
    let width = config.model.hidden_size as f64;
    // One number and one row of gradients for each target.
    let of_targets = rest as f64 * width;
    let passes = 2.0 * 4.0 * 6.0;
    assert_eq!(of_rows as f64, planned * passes + of_targets);
}
