//! `workbench verdict`.

use crate::cli::Verdict;
use crate::failure::Failure;
use experiments_plan::preflight::{ArmResult, CardResult};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;
use sweeps::{Outcome, Settings, Sweep, SweepReader};

pub(crate) fn run(arguments: &Verdict) -> Result<ExitCode, Failure> {
    let sweep = Sweep::open(&arguments.dir)?;
    let verdict = sweep.verdict()?;
    sweep.write_verdict(&verdict)?;
    if let Some(file) = &arguments.result {
        logs::write_json_atomic(file, &card_result(&sweep, &verdict)?)?;
    }
    if arguments.json {
        super::print_json(&verdict)?;
    } else {
        super::print(&text(&verdict));
    }
    Ok(ExitCode::SUCCESS)
}

/// The sentence, and under it what the numbers cannot show, missing languages among it.
pub(crate) fn text(verdict: &sweeps::Verdict) -> String {
    let notes = verdict.notes.iter().map(|note| format!("  {note}\n"));
    std::iter::once(format!("{}\n", verdict.sentence))
        .chain(notes)
        .collect()
}

/// What a full run's preflight reads: failed runs by arm. A run that has no outcome counts nowhere.
fn card_result(sweep: &Sweep, verdict: &sweeps::Verdict) -> Result<CardResult, Failure> {
    let card = &sweep.plan().card;
    let mut reader = SweepReader::new(sweep.clone());
    reader.poll();
    let mut arms: Vec<ArmResult> = Vec::new();
    for (run, state) in sweep.runs().iter().zip(reader.states()) {
        let Some(outcome) = state.outcome() else {
            continue;
        };
        let axis_values = values(&run.settings)?;
        let known = arms.iter().position(|arm| arm.axis_values == axis_values);
        let index = known.unwrap_or_else(|| {
            arms.push(ArmResult {
                axis_values,
                runs: 0,
                failed: 0,
            });
            arms.len() - 1
        });
        arms[index].runs += 1;
        arms[index].failed += u64::from(!matches!(outcome, Outcome::Ok | Outcome::Recovered));
    }
    Ok(CardResult {
        card: card.name.clone(),
        claim: card.title.clone(),
        verdict: serde_json::to_value(verdict.status)
            .ok()
            .and_then(|status| status.as_str().map(str::to_owned))
            .unwrap_or_default(),
        fixed: values(&card.fixed)?,
        arms,
    })
}

fn values(settings: &Settings) -> Result<BTreeMap<String, Value>, Failure> {
    let json = |value| {
        serde_json::to_value(value).map_err(|error| Failure::io("cannot write JSON", &error.into()))
    };
    let pairs = settings.iter();
    pairs
        .map(|(key, value)| Ok((key.clone(), json(value)?)))
        .collect()
}
