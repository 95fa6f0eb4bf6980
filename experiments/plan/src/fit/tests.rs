use super::*;
use crate::step_time::shipped;
use std::path::PathBuf;

/// A file of the program's own data.
fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(name)
}

fn shipped_table() -> Systems {
    systems(&data("systems.csv")).unwrap()
}

fn group<'a>(groups: &'a [Group], name: &str) -> &'a Group {
    groups.iter().find(|group| group.name == name).unwrap()
}

/// Whoever changes the model or the table must fit anew (`workbench plan fit TABLE --out FILE --errors FILE`), and
/// show the errors that it then makes.
#[test]
fn what_is_shipped_is_the_fit_of_the_shipped_table() {
    let found = fit(&shipped_table(), &[]).unwrap();
    let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-2, "{a} for {b}");
    for (a, b) in found
        .fitted
        .coefficients
        .values()
        .iter()
        .zip(shipped().unwrap().coefficients.values())
    {
        near(*a, *b);
    }
    near(
        found.fitted.spread.measured,
        shipped().unwrap().spread.measured,
    );
    near(
        found.fitted.spread.unmeasured,
        shipped().unwrap().spread.unmeasured,
    );
    near(found.fitted.spread.fp8, shipped().unwrap().spread.fp8);
}

/// Reasons hold commas; what is written is read again cell by cell.
#[test]
fn the_table_of_errors_keeps_its_columns() {
    let text = check(&shipped_table(), shipped().unwrap()).unwrap().csv();
    let rows: Vec<_> = logs::rows::Rows::new(text.as_bytes(), b',').collect();
    assert!(
        rows.iter()
            .all(|row| row.valid && row.cells.len() == rows[0].cells.len())
    );
    assert!(
        rows.iter()
            .any(|row| row.cells.last().is_some_and(|aside| aside.contains(',')))
    );
}

/// The errors on documents that nothing was fitted to: what a plan's interval rests on.
#[test]
fn documents_held_out_are_predicted() {
    let found = fit(&shipped_table(), &[]).unwrap().errors.groups();
    let held_out = group(&found, "held out: all held out");
    assert_eq!(held_out.systems, 20);
    assert!(
        held_out.median < 0.07 && held_out.ninety < 0.15,
        "{held_out:?}"
    );
    assert!(
        held_out.covered >= 0.75 && held_out.rank_correlation.unwrap() > 0.8,
        "{held_out:?}"
    );
}

/// All memory figures but one lie no more than a tenth above the upper end; that one has siblings with larger
/// micro-batches and less memory.
#[test]
fn published_memory_lies_below_the_upper_end() {
    let errors = check(&shipped_table(), shipped().unwrap()).unwrap();
    let modelled = |one: &&Prediction| !one.id.contains("-zb-2p") && one.memory.is_some();
    let above = errors
        .predictions
        .iter()
        .filter(modelled)
        .filter(|one| one.predicted_memory.1 < 0.9 * one.memory.unwrap());
    let above: Vec<&str> = above.map(|one| one.id.as_str()).collect();
    assert_eq!(above, ["tr11-h13824-l84-n48-tp8-pp6-dp8-mb2-gb2048-fp16"]);
}

/// A table with one cell of its second row changed, read.
fn changed(column: &str, value: &str) -> Result<Systems, PlanError> {
    let header = "id,layers,hidden,vocab,seq_len,gpu,gpus,tensor_parallel,pipeline_parallel,global_batch,micro_batch,\
                  recompute,seconds_per_step";
    let row = [
        "a-1",
        "24",
        "2304",
        "51200",
        "2048",
        "A100-SXM4-80GB",
        "32",
        "1",
        "1",
        "512",
        "16",
        "full",
        "3.5",
    ];
    let names: Vec<&str> = header.split(',').collect();
    let mut second = row.to_vec();
    let known = names.iter().position(|name| *name == column);
    if let Some(at) = known {
        second[at] = value;
    }
    let header = if known.is_some() {
        header.to_owned()
    } else {
        header.replace("vocab", column)
    };
    let folder = std::env::temp_dir().join(format!("plan-fit-{}-{column}", std::process::id()));
    std::fs::write(
        &folder,
        format!("{header}\n{}\n{}\n", row.join(","), second.join(",")),
    )
    .unwrap();
    let found = systems(&folder);
    std::fs::remove_file(&folder).unwrap();
    found
}

/// One clear error each, with the row's line and the column, and what would be right.
#[test]
fn bad_tables_are_refused_by_row_and_column() {
    for (column, value, parts) in [
        (
            "memory_gb_per_gpu",
            "",
            &["line 1", "did you mean `memory_gib_per_gpu`"][..],
        ),
        (
            "vocabulary",
            "",
            &["line 1", "no column is called `vocabulary`", "vocab"],
        ),
        ("gpu", "A100-SXM4-81GB", &["line 3", "`gpu`", "a100-80g"]),
        ("gpus", "0", &["line 3", "`gpus`", "above 0"]),
        ("tensor_parallel", "3", &["line 3", "`gpus` is `32`"]),
        ("seconds_per_step", "3.5 s", &["line 3", "without a unit"]),
        ("seconds_per_step", "NaN", &["line 3", "above 0"]),
        ("hidden", "-1", &["line 3", "`hidden`", "above 0"]),
        ("layers", "2.5", &["line 3", "whole number"]),
        (
            "hidden",
            "99999999999999",
            &["line 3", "`hidden`", "largest number"],
        ),
        (
            "global_batch",
            "16",
            &["line 3", "`global_batch`", "every replica"],
        ),
        ("recompute", "some", &["line 3", "`selective`"]),
        ("gpus", "1e300", &["line 3", "`gpus`", "whole number"]),
        ("layers", "999999999999", &["line 3", "`a-1`"]),
        ("seq_len", "99999999999999", &["line 3", "`a-1`"]),
        ("vocab", "99999999999999", &["line 3", "`a-1`"]),
        // Without a precision it is BF16, which this GPU has not.
        ("gpu", "v100", &["line 3", "`a-1`", "BF16"]),
    ] {
        let found = changed(column, value).map(|table| table.systems.len());
        let Err(error) = found else {
            panic!("{column} = {value} was taken");
        };
        let error = error.to_string();
        for part in parts {
            assert!(error.contains(part), "{column}: {error}");
        }
    }
    assert_eq!(changed("id", "b-2").unwrap().systems.len(), 2);
}

/// Fewer rows than coefficients leave the rest to belief: refused, not fitted in silence.
#[test]
fn too_few_rows_are_refused() {
    let table = changed("id", "b-2").unwrap();
    let error = fit(&table, &[]).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("2 rows") && error.contains("at least"),
        "{error}"
    );
    let error = fit(&table, &["c".to_owned()])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`hold-out` is c") && error.contains("a, b"),
        "{error}"
    );
}

/// A table with a mark of its encoding and the line ends of another system is the same table.
#[test]
fn tables_of_other_systems_are_read() {
    let text = std::fs::read_to_string(data("systems.csv")).unwrap();
    let path = std::env::temp_dir().join(format!("plan-fit-{}-crlf.csv", std::process::id()));
    std::fs::write(&path, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    let found = systems(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(found.unwrap().systems.len(), shipped_table().systems.len());
}

/// An empty table, and one that is no file.
#[test]
fn what_is_no_table_is_refused() {
    let path = std::env::temp_dir().join(format!("plan-fit-{}-empty.csv", std::process::id()));
    std::fs::write(&path, "").unwrap();
    let error = systems(&path).map(|_| ()).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(error.contains("`id` is missing"), "{error}");
    for path in ["/dev/zero", "/", "/dev/full"] {
        assert!(systems(std::path::Path::new(path)).is_err(), "{path}");
    }
}

/// A fit of one's own brings its own interval.
#[test]
fn a_fit_of_ones_own_has_its_own_interval() {
    let config = experiments_config::load_preset("glm-130b", &[]).unwrap();
    let mut fitted = shipped().unwrap().clone();
    fitted.spread = Spread {
        measured: 0.5,
        unmeasured: 0.9,
        fp8: 1.5,
    };
    let factor = |options: &PlanOptions| {
        let (cluster, layout) = (
            crate::published::published_cluster(),
            crate::published::published_layout(),
        );
        let plan = crate::plan::plan(&config, &cluster, &layout, options).unwrap();
        plan.summary.interval.factor
    };
    let own = PlanOptions::default().with_fit(fitted);
    assert_eq!(factor(&own), 0.5);
    assert_eq!(factor(&PlanOptions { fp8: true, ..own }), 1.5);
    assert_eq!(
        factor(&PlanOptions::default()),
        shipped().unwrap().spread.measured
    );
}

/// Each document that is fitted is predicted by a fit to the others; that error is the model's.
#[test]
fn every_document_is_predicted_without_itself() {
    let errors = fit(&shipped_table(), &[]).unwrap().errors;
    let groups = errors.groups();
    for document in ["dgxc", "mpt", "pythia", "sc21", "tr11"] {
        let fitted = group(&groups, &format!("fitted: {document}"));
        let left_out = group(&groups, &format!("left out: {document}"));
        assert_eq!(fitted.systems, left_out.systems);
        assert!(left_out.median >= fitted.median, "{document}");
    }
    let (median, ninety) = (errors.unseen(0.5).unwrap(), errors.unseen(0.9).unwrap());
    assert!(median < 0.075 && ninety < 0.18, "{median} {ninety}");
}

/// With few documents the interval is wider than that of the documents themselves.
#[test]
fn the_interval_is_that_of_the_next_document() {
    let errors = |documents: usize| -> Vec<(String, f64)> {
        (1..=documents)
            .map(|n| (n.to_string(), 0.01 * n as f64))
            .collect()
    };
    for (documents, largest) in [(5, 0.05_f64), (4, 0.04), (9, 0.08), (99, 0.8)] {
        let found = half_width(&errors(documents), COVERAGE);
        assert!(
            (found - largest.exp_m1()).abs() < 1e-12,
            "{documents}: {found}"
        );
    }
    assert_eq!(half_width(&[], COVERAGE), 0.0);
}
