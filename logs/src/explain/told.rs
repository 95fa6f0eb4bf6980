//! The sentences.

use std::fmt::Write as _;

use super::{Answer, Begun, Compared, Explained, Facts, Incident, Shape};
use crate::import::{Attempt, Join};
use crate::record::Record;
use crate::spike::{Definition, is_judged, lead, spikes};

/// What is said of some incidents of a run, for a terminal; what cannot be told once, at the end.
#[must_use]
pub fn text(explained: &[Explained]) -> String {
    let mut text = String::new();
    let mut untold: Vec<&String> = Vec::new();
    for of in explained {
        let _ = writeln!(text, "{}\n  {}", heading(&of.incident), of.sentence);
        for line in &of.seen {
            let _ = writeln!(text, "  - {line}");
        }
        text.push('\n');
        untold.extend(
            of.untold
                .iter()
                .filter(|line| !untold.contains(line))
                .collect::<Vec<_>>(),
        );
    }
    if !untold.is_empty() {
        text += "What cannot be told:\n";
    }
    for line in untold {
        let _ = writeln!(text, "  - {line}");
    }
    text
}

/// `step 122002: a collapse, loss 2.2010 to 10.9812, not back by the end of the log`.
fn heading(incident: &Incident) -> String {
    let Incident {
        signal,
        first,
        peak,
        ..
    } = incident;
    let mut text = format!("step {first}: {}, {signal}", incident.shape.words());
    let value = incident
        .value
        .map_or_else(|| "not finite".to_owned(), shown);
    let _ = match incident.level {
        Some(level) => write!(text, " {} to {value}", shown(level)),
        None => write!(text, " {value}"),
    };
    if peak != first {
        let _ = write!(text, " at step {peak}");
    }
    match incident.shape {
        Shape::NonFinite | Shape::Collapse | Shape::Shift => match incident.back {
            Some(step) => {
                let _ = write!(text, ", back from step {step} on");
            }
            None => text += ", not back by the end of the log",
        },
        Shape::Spike => {
            let _ = write!(text, ", until step {}", incident.last);
        }
        Shape::Silent
        | Shape::OneStep
        | Shape::OneValue
        | Shape::Divergence
        | Shape::Unfinished => {}
    }
    text
}

/// Never hundreds of digits; loss scales are whole.
fn shown(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() >= 100.0 {
        return words::number(value);
    }
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
        return format!("{value:.4}");
    }
    format!("{value:.4e}")
}

/// `The collapse at step 122002 is put down to …`, or that it cannot be said.
pub(super) fn sentence(
    incident: &Incident,
    answer: Answer,
    facts: &Facts,
    attempt: Option<&Attempt>,
) -> String {
    let (at, name) = (incident.first, name(incident.shape));
    let why = why(answer, facts, incident, attempt);
    let cause = match answer {
        Answer::Unclear => {
            return format!("What caused {name} at step {at} cannot be said: {why}.");
        }
        Answer::Restore => "a restore (suspected)",
        Answer::NotDataAlone => "more than the data",
        Answer::Data | Answer::DataAndModel | Answer::Batch => answer.words(),
    };
    let name = capital(name);
    format!("{name} at step {at} is put down to {cause}: {why}.")
}

fn name(shape: Shape) -> &'static str {
    match shape {
        Shape::NonFinite => "the loss that is not finite",
        Shape::Silent => "the alarm",
        Shape::OneStep | Shape::OneValue => "the excursion",
        Shape::Spike | Shape::Unfinished => "the spike",
        Shape::Collapse => "the collapse",
        Shape::Shift => "the level shift",
        Shape::Divergence => "the divergence",
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn why(answer: Answer, facts: &Facts, incident: &Incident, attempt: Option<&Attempt>) -> String {
    let (same, other) = (facts.same_size, facts.other_size);
    let (have, of) = (same.have + other.have, same.of + other.of);
    match answer {
        Answer::Data => {
            format!("it shows at that step in {have} of {of} runs that read the same batches")
        }
        Answer::DataAndModel if facts.one_step && have == 0 => format!(
            "it is over at the next step, so it was in the batch, and of {} that read it none shows it",
            words::counted(of as u64, "other run")
        ),
        Answer::DataAndModel if facts.one_step => format!(
            "it is over at the next step, so it was in the batch, and of {} that read it only {have} {} it",
            words::counted(of as u64, "other run"),
            if have == 1 { "shows" } else { "show" }
        ),
        Answer::DataAndModel => format!(
            "it shows at that step in {} of {} runs of the same size that read the same batches, and in {} of {} of other sizes",
            same.have, same.of, other.have, other.of
        ),
        Answer::Batch => "it is over at the next step, and a loss is measured before the step's update, so no state had changed".to_owned(),
        Answer::Restore => {
            let (number, first) = attempt.map_or((0, 0), |attempt| (attempt.attempt, attempt.first));
            format!(
                "attempt {number} of the run began {} before it, at step {first}",
                words::counted(incident.first - first, "step")
            )
        }
        Answer::NotDataAlone if of > 0 => {
            let runs = words::counted(of as u64, "other run");
            format!("of {runs} that read the same batches none shows it there")
        }
        Answer::NotDataAlone => "an earlier attempt took the same steps without it".to_owned(),
        Answer::Unclear if facts.earlier == Some(true) => {
            "an earlier attempt had it at the same step, so it is no chance, and batch and state were the same".to_owned()
        }
        Answer::Unclear => {
            "a batch, the state that the run had got to, its number format and its optimiser can all look like this".to_owned()
        }
    }
}

/// What the attempts say; none where they say nothing.
pub(super) fn restored(begun: &Begun<'_>, incident: &Incident) -> Option<String> {
    let attempt = begun.attempt;
    if let Some(had) = begun.earlier {
        let number = attempt.attempt;
        return Some(if had {
            format!("attempt {number} took the steps of an earlier one again, and both had it")
        } else {
            format!(
                "attempt {number} took the steps of an earlier one again, which did not have it"
            )
        });
    }
    if !begun.near {
        return None;
    }
    let mut text = if incident.first == attempt.first {
        "the attempt's first loss already shows it: its weights or its place in the data were not those it left off with".to_owned()
    } else {
        "the attempt's first loss was still at the old level, so its weights were read well; what its first updates need as well (Adam's moments and step counter, the loss scaler) is the nearest suspect".to_owned()
    };
    if let (true, Join::Overlap { steps, equal, .. }) = (begun.again, &attempt.join) {
        let _ = write!(
            text,
            "; another attempt began at the same step and gave {equal} of {steps} losses alike, so it is no chance"
        );
    }
    Some(text)
}

/// Whether the loss can have had a spike that nobody could tell, for want of values before it.
pub(super) fn unjudged(records: &[Record], incident: &Incident) -> Option<String> {
    let before = &records[..records.partition_point(|record| record.step < incident.first)];
    let is_silent = incident.shape == Shape::Silent;
    (is_silent && !is_judged(before, "loss"))
        .then(|| "the loss has too few values before it for a spike of it to be told".to_owned())
}

/// Whether the gradient norm grew before the loss.
pub(super) fn gradient(records: &[Record], incident: &Incident) -> Option<String> {
    if incident.signal != "loss" {
        return None;
    }
    let spikes = spikes(records, "loss");
    let spike = spikes.iter().find(|spike| spike.first == incident.first)?;
    Some(match lead(records, spike, "grad_norm")? {
        0 => "the gradient norm had not doubled before the loss rose".to_owned(),
        steps => format!(
            "the gradient norm had doubled {} before the loss rose: it began before this batch",
            words::counted(steps, "step")
        ),
    })
}

/// Where the loss scale went: it falls where gradients are too large for FP16.
pub(super) fn loss_scale(near: &[&Record], incident: &Incident) -> Option<String> {
    let scale = |record: &&&Record| record.scalar("loss_scale").filter(|scale| *scale > 0.0);
    let (before, after): (Vec<&Record>, Vec<&Record>) =
        near.iter().partition(|record| record.step < incident.first);
    let first = before.iter().find_map(|record| scale(&record))?;
    let least = |part: &[&Record]| {
        part.iter()
            .filter_map(|record| scale(&record))
            .reduce(f64::min)
    };
    let halvings = |to: f64| (first / to).log2().round().max(0.0) as u64;
    let fell = halvings(least(&before)?);
    let later = least(&after).map_or(0, halvings);
    Some(match (fell, later) {
        (0, 0) => format!("the loss scale stays at {first}: gradients stayed in the range of FP16"),
        (0, later) => format!(
            "the loss scale falls by {} after it has begun, and not before",
            words::counted(later, "halving")
        ),
        (fell, _) => format!(
            "the loss scale had fallen by {} before it: gradients left the range of FP16 first",
            words::counted(fell, "halving")
        ),
    })
}

/// What other runs say, those with other batches as well.
pub(super) fn siblings(facts: &Facts, siblings: &[Compared]) -> Vec<String> {
    let exit = Definition::LOSS.exit;
    let told = |run: &Compared| {
        let how = match (run.correlation, run.deviations) {
            _ if run.same_run => {
                "has the very same losses: it is this run, and says nothing more".to_owned()
            }
            (None, _) => "has too few steps in common to be compared".to_owned(),
            (Some(_), None) => "has too few values before that step to be judged".to_owned(),
            (Some(correlation), Some(far)) => {
                let shows = if far >= exit {
                    "shows it"
                } else {
                    "does not show it"
                };
                let far = match far {
                    far if far.is_infinite() => "not finite".to_owned(),
                    far if far.abs() < 1e6 => format!("{far:.1} deviations from its level"),
                    far => format!("{far:.1e} deviations from its level"),
                };
                format!("{shows} ({far}; moves go together at {correlation:.2})")
            }
        };
        format!("`{}` {how}", run.name)
    };
    let same = siblings.iter().filter(|run| {
        run.same_batches || run.same_run || run.has_it().is_none() || run.correlation.is_none()
    });
    let mut lines: Vec<String> = same.map(told).collect();
    let others = facts.others;
    if others.of > 0 {
        lines.push(format!(
            "of {} that read other batches, by the moves of their losses, {} such a deviation there",
            words::counted(others.of as u64, "run"),
            match others.have {
                0 => "none has".to_owned(),
                1 => "1 has".to_owned(),
                have => format!("{have} have"),
            }
        ));
    }
    lines
}
