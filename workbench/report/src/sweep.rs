//! The report of a sweep, in any state: pending, running, finished, with failed runs.

pub(crate) mod comparison;
mod run;
mod warnings;

use crate::arms::{self, ArmLook};
use crate::error::ReportError;
use crate::figures::{self, ArmRuns};
use crate::layers::{self, WithLayers};
use crate::plot::Figure;
use crate::plot::curves::Level;
use crate::view::{Claim, Fact, Report, Verdict as VerdictView};
use crate::{Options, Over, branches, by_axis, cost, parallel, prose, provenance};
use logs::{Manifest, RunReader};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use sweeps::card::{Arm, Kind, Source};
use sweeps::overview::{Chosen, LookAxis, Looks};
use sweeps::{ByAxis, Card, Origin, Outcome, OutcomeRules, State, Sweep, SweepReader, Verdict};
use words::counted;

/// Reads everything a sweep directory says.
pub(crate) fn report(dir: &Path, options: Options<'_>) -> Result<(Report, Verdict), ReportError> {
    let chosen = options.chosen;
    let reader = SweepReader::open(dir)?;
    let verdict = reader.verdict()?;
    let sweep = reader.sweep();
    let card = &sweep.plan().card;
    let readers = || (0..reader.states().len()).filter_map(|index| reader.reader(index));
    let manifests: Vec<&Manifest> = readers().filter_map(RunReader::manifest).collect();

    let entropies = manifests
        .iter()
        .filter_map(|manifest| manifest.unigram_level());
    let levels = figures::levels(entropies, card.outcome.stuck_margin);
    let (facts, differing) = provenance::of(&manifests);
    let by_axis = ByAxis::new(card, reader.states());
    let axes = check_axes(chosen, card, &by_axis, dir)?;
    let looks = arms::of_arms(&card.arms(), chosen);
    let metric = metric_name(&card.metric.label());
    let arms = arms(&reader, &looks);
    let mut by_axis = by_axis::view(card, &by_axis, &metric, reader.untrained(), chosen)?;
    by_axis.figures.extend(parallel::figure(&arms, &axes)?);
    let (spikes, spikes_note) = run::spikes(&reader);
    let mut report = Report {
        spikes,
        spikes_note,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        over: over(card, reader.states().len()),
        title: card.title.clone(),
        verdict: headline(&reader, &verdict),
        warnings: warnings::all(&reader, &verdict, differing),
        hypothesis: Some(card.hypothesis.clone()),
        claim: card.source.as_ref().map(claim),
        measured: comparison::measured(&verdict),
        cost: cost::of(readers()),
        figures: figures(&arms, &levels, options.over)?,
        figures_note: "Lines are medians over the seeds of an arm, bands reach from the lowest to \
                       the highest run, and a cross on the upper edge marks a value that was not \
                       finite."
            .to_owned(),
        outcome_names: Outcome::ALL
            .map(|outcome| outcome.name().to_owned())
            .to_vec(),
        event_name: card.event_name(),
        by_axis,
        arms: comparison::arms(&verdict, &looks),
        arms_note: comparison::arms_note(card),
        best: run::best(&reader, &looks),
        statistics: comparison::statistics(card, &verdict),
        limits: verdict.notes.clone(),
        runs: run::all(&reader, &looks),
        branches: Vec::new(),
        rules: rules(&card.outcome),
        command: Some(words::shell_command(&sweep.registration().command)),
        provenance: registration(sweep).into_iter().chain(facts).collect(),
        card_text: logs::disk::read_text(&dir.join(logs::output::CARD_FILE)).ok(),
    };
    report.warnings.extend(options.over.missing(readers()));
    branch(&mut report, &reader, options.forks)?;
    Ok((report, verdict))
}

/// Adds the replays of the runs, and the forks that were named.
fn branch(report: &mut Report, reader: &SweepReader, forks: &[PathBuf]) -> Result<(), ReportError> {
    let runs = reader.states().iter().enumerate();
    let begun = runs.filter_map(|(index, run)| Some((&*run.id, reader.reader(index)?)));
    let begun: Vec<_> = begun.collect();
    report.branches = branches::replays(&begun, &mut report.warnings)?;
    report.branches.extend(branches::forks(&begun, forks)?);
    Ok(())
}

fn over(card: &Card, runs: usize) -> String {
    let kind = match card.kind {
        Kind::Symptom => "about a symptom",
        Kind::Mechanism => "about a mechanism",
        Kind::Exploration => "an exploration",
    };
    format!(
        "Training-stability report · card {} · {kind} · {}",
        card.name,
        counted(runs as u64, "run")
    )
}

fn headline(reader: &SweepReader, verdict: &Verdict) -> VerdictView {
    let class = prose::verdict_class(verdict.status);
    let word = verdict.status.words();
    // The word stands above the sentence here and need not begin it.
    let sentence = verdict
        .sentence
        .strip_prefix(&format!("{word}: "))
        .unwrap_or(&verdict.sentence);
    let all = reader.states().len();
    let finished = reader.count(State::Finished);
    let mut facts = vec![format!(
        "{finished} of {} finished",
        counted(all as u64, "run")
    )];
    facts.extend(comparison::headline(verdict));
    VerdictView {
        class: class.to_owned(),
        word: word.to_owned(),
        sentence: prose::capitalised(sentence),
        facts,
    }
}

/// What the source claims, and where.
pub(crate) fn claim(source: &Source) -> Claim {
    let parts = [Some(&source.paper), source.place.as_ref()];
    let parts: Vec<&str> = (parts.into_iter().flatten().map(String::as_str))
        .filter(|part| !part.is_empty())
        .collect();
    let numbers = source.numbers.iter();
    Claim {
        paper: source.paper.clone(),
        reference: parts.join(", "),
        text: source
            .claim
            .clone()
            .unwrap_or_else(|| "The card quotes no claim.".to_owned()),
        numbers: numbers
            .map(|(name, value)| Fact::new(name.replace('_', " "), prose::significant(*value, 6)))
            .collect(),
    }
}

/// The arms in the order of the card, which fixes their numbers.
fn arms<'a>(reader: &'a SweepReader, looks: &[ArmLook]) -> Vec<ArmRuns<'a>> {
    let card = &reader.sweep().plan().card;
    let event = card.event();
    let mut of_arms: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, run) in reader.states().iter().enumerate() {
        of_arms.entry(&run.arm).or_default().push(index);
    }
    let of_arm = |(number, arm): (usize, Arm)| {
        let own = of_arms
            .get(arm.label.as_str())
            .map_or(&[][..], Vec::as_slice);
        let ends = own.iter().filter_map(|index| {
            let run = &reader.states()[*index];
            let shown = run.shows(&event).unwrap_or(false);
            Some((run.id.as_str(), run.classified.as_ref()?, shown))
        });
        ArmRuns {
            number,
            look: looks[number].clone(),
            readers: own
                .iter()
                .filter_map(|index| reader.reader(*index))
                .collect(),
            ends: ends.collect(),
        }
    };
    card.arms().into_iter().enumerate().map(of_arm).collect()
}

/// The axes in the order in which they are shown. Refuses what is no axis in which arms differ, and what is chosen twice.
fn check_axes(
    chosen: Chosen<'_>,
    card: &Card,
    by_axis: &ByAxis<'_>,
    dir: &Path,
) -> Result<Vec<LookAxis>, ReportError> {
    let axes = by_axis.axes();
    let is_axis = |key: &str| axes.iter().any(|(known, _)| known == key);
    if let Some(key) = chosen.keys().find(|key| !is_axis(key)) {
        let keys: Vec<String> = axes.iter().map(|(key, _)| format!("`{key}`")).collect();
        return Err(ReportError::NoAxis {
            key: key.to_owned(),
            known: match keys.as_slice() {
                [] => "no axis: all arms are alike".to_owned(),
                keys => format!("one of {}", keys.join(", ")),
            },
            path: dir.to_owned(),
        });
    }
    let arms = card.arms();
    let named: Vec<_> = arms
        .iter()
        .map(|arm| (&*arm.label, &arm.settings))
        .collect();
    // Of axes that change between the same arms one stands for all.
    let shown = Looks::of(&named, chosen).axes;
    let mut before: Vec<&str> = Vec::new();
    for key in chosen.keys() {
        if before.contains(&key) || shown.iter().all(|axis| axis.key != key) {
            return Err(ReportError::SameAxis {
                key: key.to_owned(),
                path: dir.to_owned(),
            });
        }
        before.push(key);
    }
    Ok(shown)
}

/// Everything drawn by step and by layer.
fn figures(arms: &[ArmRuns<'_>], levels: &[Level], over: Over) -> Result<Vec<Figure>, ReportError> {
    let mut drawn = figures::draw(arms, levels, over)?;
    let with_layers: Vec<_> = arms
        .iter()
        .map(|arm| (arm, WithLayers::of(arm, arms.len())))
        .collect();
    drawn.extend(layers::draw(&with_layers)?);
    Ok(drawn)
}

/// `held_out_loss` as `held-out loss`; other signals by their own name.
pub(crate) fn metric_name(metric: &str) -> String {
    match metric {
        "held_out_loss" => "held-out loss".to_owned(),
        other => other.replace('_', " "),
    }
}

fn registration(sweep: &Sweep) -> Vec<Fact> {
    let registration = sweep.registration();
    let mut facts = vec![
        Fact::new("registered", &registration.created),
        Fact::code("card", &registration.card_hash),
        Fact::code("criterion", &registration.criterion_hash),
        Fact::new("base", &sweep.plan().card.base),
    ];
    let plan = sweep.plan();
    facts.extend(plan.overrides.iter().map(|(key, value)| {
        let name = match plan.origins.get(key) {
            None => format!("--set {key}"),
            Some(Origin::Pinned) => format!("{key}, pinned"),
            Some(Origin::Substitute) => format!("{key}, as available"),
        };
        Fact::code(name, sweeps::card::label(value))
    }));
    facts
}

/// The outcome rules in words; `sweeps::outcome` states them exactly.
pub(crate) fn rules(rules: &OutcomeRules) -> Vec<Fact> {
    let OutcomeRules {
        stuck_margin,
        window,
        diverged_nats,
        diverged_mads,
        mad_window,
        recovery_steps,
    } = rules;
    vec![
        Fact::new(
            "nonfinite",
            "a loss is NaN or infinite; a step that the loss scaler skipped is not enough",
        ),
        Fact::new(
            "diverged",
            format!(
                "the mean of {window} training losses rises above the best such mean so far by \
                 more than {diverged_nats} nats and more than {diverged_mads} median absolute \
                 deviations of the {mad_window} losses before, and is not back below that line \
                 within {recovery_steps} steps"
            ),
        ),
        Fact::new(
            "stuck",
            format!(
                "the last held-out loss (without one, the mean of the last {window} training \
                 losses) lies above the unigram entropy minus {stuck_margin} nats: the level of a \
                 model that knows how frequent tokens are and nothing else"
            ),
        ),
        Fact::new(
            "recovered",
            format!("it crossed the divergence line and came back within {recovery_steps} steps"),
        ),
        Fact::new("ok", "none of these"),
    ]
}
