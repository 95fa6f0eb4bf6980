use super::*;
use crate::published::{published_cluster as cluster, published_layout as published};
use experiments_config::load_preset;

/// The bar of the issue: the published layout is among the legal ones that fit, its rank is
/// explained by terms that add up.
#[test]
fn the_published_layout_is_ranked_and_explained() {
    let config = load_preset("glm-130b", &[]).unwrap();
    let found = search(&config, &cluster(), &published(), &PlanOptions::default()).unwrap();
    let explanation = found.explain(&published()).unwrap();
    let all = explanation
        .best
        .iter()
        .chain(&explanation.best_alike)
        .chain(&explanation.slower_alike);
    for difference in all {
        let sum: f64 = difference.by_term.iter().map(|(_, seconds)| seconds).sum();
        assert!((sum - difference.saves).abs() < 1e-9);
    }
    for line in (found.text(12) + &explanation.text()).lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    // What a layer costs whatever its size is paid less often by larger micro-batches.
    assert!(explanation.best_alike.unwrap().layout.micro_batch > 1);
}

/// Everything listed is legal and within the limit, in order of time.
#[test]
fn what_is_listed_is_legal_fits_and_is_in_order() {
    let config = load_preset("glm-130b", &[]).unwrap();
    let found = search(&config, &cluster(), &published(), &PlanOptions::default()).unwrap();
    assert!(found.ranked.is_sorted_by(|a, b| a.seconds <= b.seconds));
    for candidate in &found.ranked {
        candidate.layout.check(&config, &cluster()).unwrap();
        assert!(candidate.peak_bytes <= found.limit_bytes + 1);
    }
}

/// A model that fits nowhere says how much it would need.
#[test]
fn nothing_fits_is_said() {
    let config = load_preset("glm-130b", &[]).unwrap();
    let one = Cluster {
        nodes: 1,
        ..cluster()
    };
    let found = search(
        &config,
        &one,
        &Layout {
            global_batch: 8,
            ..published()
        },
        &PlanOptions::default(),
    )
    .unwrap();
    assert!(found.ranked.is_empty());
    assert!(found.text(5).contains("smallest needs"));
}
