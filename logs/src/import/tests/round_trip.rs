//! What was imported, exported and imported again is the same.

use super::*;

/// Every number of a run as (step, name, bits); every NaN is one.
fn of(run: &Path, round: impl Fn(f64) -> f64) -> Vec<(u64, String, u64)> {
    let reader = RunReader::open(run).unwrap();
    assert!(!reader.records().is_empty());
    let records = reader.records().iter().cloned();
    let numbers = records.flat_map(|mut record| {
        for value in record.scalars.values_mut() {
            *value = if value.is_nan() {
                f64::NAN
            } else {
                round(*value)
            };
        }
        of_record(record)
    });
    numbers.collect()
}

#[test]
fn an_imported_run_comes_through_csv_and_tensorboard_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    // NaN, infinity, inner names, gaps, an attempt that goes back, names with a comma, a quote and a bracket.
    std::fs::write(
        place("odd.tsv"),
        "step\ttrain/loss\tloss\tlr\t\"a,\"\"b[0]\"\n1\t2.5\t2\t1e-45\t\n3\tnan\t-inf\t-0.0\t7\n",
    )
    .unwrap();
    std::fs::write(
        place("run-57j236jh.wandb"),
        include_bytes!("../../../tests/data/run-57j236jh.wandb"),
    )
    .unwrap();
    std::fs::write(
        place("job.log"),
        include_bytes!("../../../tests/data/megatron.log"),
    )
    .unwrap();
    for source in ["odd.tsv", "run-57j236jh.wandb", "job.log"] {
        let first = place("first");
        import(&request(&[&place(source)], &first)).unwrap();
        let records = RunReader::open(&first).unwrap().records().to_vec();
        crate::export::csv_file(&records, &place("again.csv")).unwrap();
        import(&request(&[&place("again.csv")], &place("csv"))).unwrap();
        assert_eq!(
            of(&place("csv"), |value| value),
            of(&first, |value| value),
            "{source}"
        );
        let events = crate::export::tensorboard(&records, &place("tb"), 1.7e9).unwrap();
        import(&request(&[&events], &place("events"))).unwrap();
        // Event files hold 32 bits.
        let round = |value: f64| f64::from(value as f32);
        assert_eq!(of(&place("events"), round), of(&first, round), "{source}");
        for made in ["first", "csv", "events"] {
            std::fs::remove_dir_all(place(made)).unwrap();
        }
    }
}
