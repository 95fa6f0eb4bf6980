//! Every pane as a file of values.

use super::*;
use crate::fixed::twenty;

/// What `:export FILE.csv` writes on a tab, as lines of cells.
fn csv(app: &mut App, name: &str, dir: &Path) -> Result<Vec<Vec<String>>, String> {
    let file = dir.join(format!("{name}.csv"));
    app.screen.open(tab(name));
    app.text(120, 40);
    app.screen
        .command(&format!("export {}", file.display()))
        .unwrap();
    let area = Rect::new(0, 0, 120, 40);
    let written = app.write_export(area).map_err(|error| {
        assert!(!file.exists(), "a file was written all the same");
        error.to_string()
    })?;
    assert!(written.unwrap().to_string().starts_with("wrote "));
    let text = std::fs::read_to_string(file).unwrap();
    let cells = |line: &str| line.split(',').map(str::to_owned).collect();
    Ok(text.lines().map(cells).collect())
}

/// Panes without a table wrote an empty file and said that it was written.
#[test]
fn every_pane_is_written_as_a_table_with_a_heading_and_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = shown(twenty(2), Depth::Mono);
    for entry in &PANES {
        let rows = csv(&mut app, entry.name, dir.path()).unwrap();
        assert!(rows.len() > 1, "{}: {rows:?}", entry.name);
        let heading = &rows[0];
        assert!(
            heading.len() > 2 && heading.iter().all(|name| !name.is_empty()),
            "{}: {heading:?}",
            entry.name
        );
    }
}

#[test]
fn runs_have_their_axes_and_their_state_in_the_order_of_the_screen() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = shown(twenty(2), Depth::Mono);
    for line in [
        "filter seed=2 lr=0.1",
        "sort step",
        "select !heads-num_heads-8-lr-0.1-0123abcd-s2",
    ] {
        app.screen.command(line).unwrap();
    }
    let rows = csv(&mut app, "runs", dir.path()).unwrap();
    let heading = "run,arm,model.num_heads,optimizer.lr,seed,state,step,steps,loss,held_out_loss,outcome,drawn";
    assert_eq!(rows[0].join(","), heading);
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert_eq!(
        rows[1][1..7].join(","),
        "num_heads=1 lr=0.1,1,0.1,2,pending,0"
    );
    let first = rows.iter().find(|row| row[2] == "8").unwrap();
    assert_eq!((&*first[10], &*first[11]), ("diverged", "false"));
}

#[test]
fn a_heat_map_has_a_row_for_every_layer_of_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = app(2, Depth::Mono);
    app.text(120, 40);
    app.screen
        .command("layers layer_grad_norm layer_param_norm")
        .unwrap();
    let rows = csv(&mut app, "layers", dir.path()).unwrap();
    assert_eq!(rows[0], ["run", "signal", "step", "layer", "value"]);
    let record = &fixed(2, STEPS).records[0][9];
    for signal in ["layer_grad_norm", "layer_param_norm"] {
        let value = record.layers[signal][3];
        let wanted = [
            "quickstart-post-0123abcd-s1",
            signal,
            "10",
            "3",
            &value.to_string(),
        ];
        assert!(rows.iter().any(|row| *row == wanted), "{wanted:?}");
    }
}

#[test]
fn alarms_and_the_machine_are_written_with_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = app(6, Depth::Mono);
    let rows = csv(&mut app, "alarms", dir.path()).unwrap();
    assert_eq!(rows[0][..6].join(","), "run,arm,seed,step,kind,signal");
    assert!(
        rows.iter()
            .any(|row| row[4] == "non-finite" && row[6] == "NaN")
    );
    let rows = csv(&mut app, "machine", dir.path()).unwrap();
    assert_eq!(rows[0], ["item", "quantity", "value"]);
    assert!(rows.contains(&["GPU 0".into(), "busy".into(), "0.83".into()].into()));
    let speed = rows.iter().find(|row| row[1] == "tokens_per_second");
    assert!(speed.unwrap()[0].starts_with("quickstart-"), "{speed:?}");
}

#[test]
fn a_pane_with_nothing_to_tell_says_so_by_its_name_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let said = csv(&mut empty(), "outcomes", dir.path()).unwrap_err();
    assert!(said.contains("the pane Outcomes has nothing"), "{said}");
}
