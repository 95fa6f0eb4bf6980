use super::*;
use experiments_config::load_preset;

fn rows(nodes: u64, batch: u64, sets: &[&str]) -> Vec<PublishedRow> {
    let sets: Vec<_> = sets.iter().map(|set| set.parse().unwrap()).collect();
    let config = load_preset("glm-130b", &sets).unwrap();
    let cluster = Cluster {
        nodes,
        ..published_cluster()
    };
    let layout = Layout {
        data_parallel: nodes / 4,
        global_batch: batch,
        ..published_layout()
    };
    published(&config, &cluster, &layout, &PlanOptions::default()).unwrap()
}

/// Every published figure within 1.3 % (what rounding explains), or with a
/// note that explains the difference.
#[test]
fn every_difference_is_small_or_explained() {
    let rows = rows(96, 4224, &[]);
    for row in &rows {
        let small = row
            .difference
            .is_none_or(|difference| difference.abs() < 0.013);
        assert!(small || !row.note.is_empty(), "{row:?}");
    }
    assert!(rows.len() > 45);
}

/// What must be exact is exact.
#[test]
fn counts_are_exact() {
    let rows = rows(96, 4224, &[]);
    let ours = |quantity: &str| {
        let row = rows.iter().find(|row| row.quantity == quantity);
        row.unwrap_or_else(|| panic!("{quantity}")).ours
    };
    assert_eq!(ours("parameters"), 128_697_794_560.0);
    assert_eq!(ours("iterations of the ramp"), 4_296.0);
    assert_eq!(ours("iterations of the warm-up"), 2_318.0);
    assert_eq!(ours("planned iterations"), 55_014.0);
    assert_eq!(ours("units per stage"), 9.0);
    assert_eq!(ours("padded vocabulary"), 150_528.0);
    assert_eq!(ours("stairs of the ramp"), 168.0);
    for row in rows.iter().filter(|row| row.source == "LS configs") {
        assert_eq!(row.difference, Some(0.0), "{row:?}");
    }
}

/// Figures stand only beside what they were published for.
#[test]
fn rows_appear_where_they_belong() {
    let has = |rows: &[PublishedRow], quantity| rows.iter().any(|row| row.quantity == quantity);
    let smaller = rows(24, 4224, &[]);
    assert!(has(&smaller, "parameters") && has(&smaller, "planned iterations"));
    assert!(!has(&smaller, "energy"));
    assert!(rows(96, 4224, &["model.layers=69"]).is_empty());
    let constant = rows(96, 4224, &["batch.gradient_accumulation=192"]);
    assert!(!has(&constant, "planned iterations"));
}
