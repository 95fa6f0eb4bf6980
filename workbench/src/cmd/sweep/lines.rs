//! What `sweep run` says while it goes on, and the line it leaves.

use crate::progress;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use sweeps::{Progress, State, SweepReader};

/// Time between two lines of progress where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Every start and end of a run, and how far all of it is: a bar in a terminal, a line now and then without one.
#[derive(Default)]
pub(crate) struct Lines {
    /// Set while the monitor has the terminal.
    hidden: Option<Arc<AtomicBool>>,
    last: Option<Instant>,
    bar: progress::Sweep,
}

impl Lines {
    /// Lines that appear only while `hidden` is not set.
    pub(crate) fn unless(hidden: Arc<AtomicBool>) -> Self {
        let hidden = Some(hidden);
        Self {
            hidden,
            ..Self::default()
        }
    }

    pub(super) fn show(&mut self, news: &Progress) {
        if self
            .hidden
            .as_ref()
            .is_some_and(|hidden| hidden.load(Ordering::Relaxed))
        {
            return;
        }
        match news {
            Progress::Started { id, resumed: false } => self.say(&format!("started   {id}")),
            Progress::Started { id, resumed: true } => self.say(&format!("continued {id}")),
            Progress::Finished { id, outcome } => {
                let outcome = outcome.map_or("no outcome", |o| o.name());
                self.say(&format!("finished  {id}: {outcome}"));
            }
            Progress::Failed { id, message } => self.say(&format!("FAILED    {id}: {message}")),
            Progress::Note { message } => self.say(&format!("note: {message}")),
            Progress::Restored { id, message } => self.say(&format!("note: {id}: {message}")),
            Progress::Stopped { id, message: None } => self.say(&format!("stopped   {id}")),
            Progress::Stopped {
                id,
                message: Some(why),
            } => self.say(&format!("stopped   {id}: {why}")),
            Progress::Interrupted { id, message } => {
                self.say(&format!("broke off {id}: {message}"));
            }
            Progress::Elsewhere { id } => {
                self.say(&format!("waits for {id}, which another process trains"));
            }
            Progress::OutOfReach { id, process } => self.say(&format!("goes on   {id}: {process}")),
            Progress::Tick {
                finished,
                total,
                steps_done,
                steps,
                eta_seconds,
                ..
            } => {
                let left = match eta_seconds {
                    _ if finished == total => "done".to_owned(),
                    None => "estimating the time left".to_owned(),
                    Some(seconds) => format!("{} left", words::duration(*seconds)),
                };
                self.tick(
                    (*steps_done, *steps),
                    &format!("{finished}/{total} runs"),
                    &left,
                );
            }
        }
    }

    fn say(&self, line: &str) {
        self.bar.say(line);
    }

    fn tick(&mut self, (done, all): (u64, u64), runs: &str, left: &str) {
        // Beside a monitor, which may take the terminal at any time, there is no bar.
        if self.hidden.is_none() && self.bar.at(done, all, format!("{runs} · {left}")) {
            return;
        }
        if self.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.say(&format!("{runs} · {done}/{all} steps · {left}"));
            self.last = Some(Instant::now());
        }
    }

    /// Takes the bar away; what is to stay is said afterwards.
    pub(crate) fn end(&mut self) {
        self.bar.end();
    }
}

/// How many runs have finished and how, their losses, and where they are: `finished 12 of 12 runs · 6 ok, 6 stuck · held-out loss
/// 3.15 to 3.58: DIR; …`.
pub(super) fn last(reader: &SweepReader) -> String {
    let runs = words::counted(reader.states().len() as u64, "run");
    let mut parts = vec![format!(
        "finished {} of {runs}",
        reader.count(State::Finished)
    )];
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in reader.states().iter().filter_map(sweeps::RunState::outcome) {
        *outcomes.entry(outcome.name()).or_default() += 1;
    }
    if !outcomes.is_empty() {
        let counts: Vec<String> = outcomes
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        parts.push(counts.join(", "));
    }
    parts.extend(losses(reader));
    let dir = reader.sweep().dir();
    format!(
        "{}: {}; `workbench report {}` writes its report",
        parts.join(" · "),
        dir.display(),
        words::shell_word(&dir.to_string_lossy())
    )
}

/// From the lowest to the highest loss that decided an outcome.
fn losses(reader: &SweepReader) -> Option<String> {
    let finished = reader
        .states()
        .iter()
        .filter_map(|run| run.classified.as_ref()?.value);
    let finite: Vec<f64> = finished.filter(|value| value.is_finite()).collect();
    let low = finite.iter().copied().reduce(f64::min)?;
    let high = finite.iter().copied().reduce(f64::max)?;
    Some(format!("final loss {low:.4} to {high:.4}"))
}
