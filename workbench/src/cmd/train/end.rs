//! What a run leaves in the terminal when its progress is gone.

use experiments::Ending;
use experiments_config::Config;
use logs::{EventKind, RunReader};
use std::path::Path;
use sweeps::{OutcomeRules, judge};

/// How the run in `directory` ended, its last losses, its outcome by the default rules, and where it is.
pub(super) fn line(directory: &Path, config: &Config, ending: Ending) -> String {
    let path = directory.display();
    if ending == Ending::Stopped && !directory.join(logs::run::MANIFEST_FILE).exists() {
        return format!("stopped before the text was ready: nothing was begun in {path}");
    }
    let ended = match ending {
        Ending::Finished => "finished",
        Ending::Stopped | Ending::Alarmed => "stopped",
    };
    let mut parts = Vec::new();
    match RunReader::open_scalars(directory) {
        Ok(reader) => {
            let step = steps(&reader, ending);
            parts.push(format!("{ended} after {step} of {} steps", config.steps));
            parts.extend(alarm(&reader, ending));
            parts.extend(last(&reader, "loss", "loss"));
            parts.extend(last(&reader, "held_out_loss", "held-out loss"));
            parts.extend(outcome(&reader, config, ending));
            parts.extend(idle(directory));
        }
        // The run is done and safe; that its files cannot be read again is no reason to fail here.
        Err(error) => parts.push(format!("{ended}, but its records cannot be shown: {error}")),
    }
    let rest = match ending {
        Ending::Finished => path.to_string(),
        Ending::Stopped | Ending::Alarmed => {
            let word = words::shell_word(&directory.to_string_lossy());
            format!("{path}; `workbench train {word}` continues")
        }
    };
    format!("{}: {rest}", parts.join(" · "))
}

/// The alarm that stopped it, as the summary says.
fn alarm(reader: &RunReader, ending: Ending) -> Option<String> {
    let summary = reader.summary().filter(|_| ending == Ending::Alarmed);
    summary?.message.clone()
}

/// Steps done, by the summary where the run has finished: its records may be lost.
fn steps(reader: &RunReader, ending: Ending) -> u64 {
    let recorded = reader.records().last().map_or(0, |record| record.step);
    let summary = reader.summary().filter(|_| ending == Ending::Finished);
    summary.map_or(recorded, |summary| summary.steps)
}

/// `loss 3.2568`, the last one recorded.
fn last(reader: &RunReader, signal: &str, words: &str) -> Option<String> {
    let (_, value) = reader.series(signal).pop()?;
    Some(format!("{words} {value:.4}"))
}

/// How long stages waited for each other, where the run had several and has finished.
fn idle(directory: &Path) -> Option<String> {
    let events = logs::read::events(directory).ok()?;
    let finish = events
        .iter()
        .rfind(|event| event.kind == EventKind::Finish)?;
    let share = |key: &str| finish.data.get(key)?.as_f64();
    let (idle, scheduled) = (share("idle_share")?, share("scheduled_idle_share")?);
    let [idle, of_schedule] = [idle, scheduled].map(|share| 100.0 * share);
    (scheduled > 0.0)
        .then(|| format!("stages idle {idle:.0} % of their passes, {of_schedule:.0} % by schedule"))
}

/// Only of a run that trains and has come to its end; of one that lost a part, that it has none.
fn outcome(reader: &RunReader, config: &Config, ending: Ending) -> Option<String> {
    if ending != Ending::Finished || config.is_probe() {
        return None;
    }
    match judge(reader, &OutcomeRules::default()) {
        Ok(found) => found.map(|found| format!("outcome {}", found.outcome)),
        Err(lost) => Some(format!("no outcome ({lost})")),
    }
}
