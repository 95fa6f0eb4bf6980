//! The runs as a table of values.

use std::collections::BTreeSet;

use sweeps::card::label;

use crate::shared::Shared;

/// The runs that are shown, in the order of the screen, with their axis values.
pub(super) fn table(shared: &Shared) -> Vec<Vec<String>> {
    let runs = &shared.sweep().runs;
    let keys: BTreeSet<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let behind = named(&[
        "seed",
        "state",
        "step",
        "steps",
        "loss",
        "held_out_loss",
        "outcome",
        "drawn",
    ]);
    let axes = keys.iter().map(|key| (*key).clone()).collect();
    let mut table = vec![[named(&["run", "arm"]), axes, behind].concat()];
    let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    for place in &shared.order {
        let Some(run) = runs.get(*place) else {
            continue;
        };
        let axis = |key: &&String| run.settings.get(*key).map_or_else(String::new, label);
        let outcome = run.outcome.map_or("", |outcome| outcome.name());
        let values = vec![
            run.seed.map_or_else(String::new, |seed| seed.to_string()),
            run.state.name().to_owned(),
            run.step.to_string(),
            run.steps.to_string(),
            number(run.loss),
            number(run.held_out),
            outcome.to_owned(),
            shared.is_selected(*place).to_string(),
        ];
        let axes = keys.iter().map(axis).collect();
        table.push([vec![run.id.clone(), run.arm.clone()], axes, values].concat());
    }
    table
}
