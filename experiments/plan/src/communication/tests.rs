use super::*;
use crate::hardware::gpu;
use crate::published::{published_cluster, published_layout};
use experiments_config::load_preset;

fn cluster(nodes: u64) -> Cluster {
    Cluster {
        nodes,
        ..published_cluster()
    }
}

fn layout(t: u64, p: u64, d: u64) -> Layout {
    Layout {
        tensor_parallel: t,
        pipeline_parallel: p,
        data_parallel: d,
        ..published_layout()
    }
}

/// Which link a dimension uses decides its cost: the published layout keeps tensor parallelism
/// inside a node, replicas two to a node, stages apart.
#[test]
fn dimensions_use_the_links_their_placement_allows() {
    let a100 = gpu("a100-40g").unwrap();
    let links = Communication::of(&layout(4, 8, 24), &cluster(96), a100);
    assert_eq!(links.tensor.link, a100.intra_node.title);
    assert_eq!((links.data.in_node, links.pipeline.in_node), (2, 1));
    assert_eq!(links.pipeline.link, a100.network.title);
    let port = a100.network.bandwidth * a100.network.efficiency;
    assert_eq!(links.data.bandwidth, 2.0 * port);
    assert_eq!(links.pipeline.bandwidth, port);
    let wide = Communication::of(&layout(16, 8, 6), &cluster(96), a100);
    assert_eq!(wide.tensor.link, a100.network.title);
    let small = Communication::of(&layout(2, 2, 2), &cluster(1), a100);
    for connection in [&small.tensor, &small.pipeline, &small.data] {
        assert_eq!(connection.link, a100.intra_node.title);
    }
}

/// A ring all-reduce sends `2(n-1)/n` of the bytes; one GPU sends nothing.
#[test]
fn rings_send_what_they_must() {
    let a100 = gpu("a100-40g").unwrap();
    let links = Communication::of(&layout(4, 1, 1), &cluster(1), a100);
    assert_eq!(links.tensor.all_reduce(1000.0).bytes, 1500.0);
    assert_eq!(links.data.all_reduce(1000.0), Cost::default());
    assert_eq!(links.pipeline.send(1000.0), Cost::default());
}

/// Six all-reduces per layer and micro-batch under full recomputation, four without.
#[test]
fn recomputation_repeats_the_forward_all_reduces() {
    let config = load_preset("glm-130b", &[]).unwrap();
    let a100 = gpu("a100-40g").unwrap();
    let options = MemoryOptions {
        partition_checkpoints: false,
        ..MemoryOptions::default()
    };
    let place = StagePlace {
        layers: 9,
        first: false,
        last: false,
    };
    let stream = 2048.0 * 12_288.0 * 2.0;
    let sent = |recompute| {
        let layout = Layout {
            recompute,
            ..layout(4, 8, 24)
        };
        let links = Communication::of(&layout, &cluster(96), a100);
        let cost = links.micro_batch(&config, &layout, &options, place);
        (cost.tensor_forward.bytes + cost.tensor_backward.bytes) / (9.0 * 1.5 * stream)
    };
    assert!((sent(Recompute::Full) - 6.0).abs() < 1e-12);
    assert!((sent(Recompute::Selective) - 4.0).abs() < 1e-12);
}
