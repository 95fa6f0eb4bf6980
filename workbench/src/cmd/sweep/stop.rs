//! `workbench sweep stop` and `skip`: they return when what they stop has stopped.

use crate::console::say;
use crate::failure::{Failure, exit};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use sweeps::{Request, State, StillRunning, StopNews, Sweep, SweepReader};

/// Time between two looks at what is to end.
const INTERVAL: Duration = Duration::from_millis(200);

/// Stops the executor and every run that is trained.
pub(super) fn all(dir: &Path) -> Result<ExitCode, Failure> {
    let sweep = Sweep::open(dir)?;
    let mut stopped = false;
    let left = sweep.stop(INTERVAL, &mut |news| {
        stopped = true;
        tell(&news);
    })?;
    if !left.is_empty() {
        return Ok(report(&left));
    }
    if stopped {
        say("stopped; `workbench sweep run` with the same card continues");
    } else {
        say("nothing to stop: no executor is at work, and no run is trained");
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends one run, for now or for good.
pub(super) fn one(dir: &Path, run: &str, request: Request) -> Result<ExitCode, Failure> {
    let reader = SweepReader::open(dir)?;
    let sweep = reader.sweep();
    let id = sweep.find(run)?.id.clone();
    let state = reader.states().iter().find(|s| s.id == id).map(|s| s.state);
    if state == Some(State::Finished) {
        return Err(Failure::usage(format!("{id} is finished already")));
    }
    let mut reached = false;
    let left = sweep.end_run(&id, request, INTERVAL, &mut |news| {
        reached = true;
        tell(&news);
    })?;
    if !left.is_empty() {
        return Ok(report(&left));
    }
    match request {
        Request::Skip => say(&format!("skipped {id}; `--undo` takes it back")),
        Request::Stop if reached => say(&format!("stopped {id}")),
        Request::Stop => say(&format!(
            "nothing to stop: {id} is not trained, and no executor is at work; `workbench sweep skip` leaves a run out"
        )),
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(news: &StopNews) {
    match news {
        StopNews::Executor(process) => say(&format!("asked the executor ({process})")),
        StopNews::Job(job) => say(&format!("asked job {job} of Slurm, which has no executor")),
        StopNews::Run { id } => say(&format!("asked {id}, which has no executor")),
        StopNews::Ended { id } => say(&format!("ended {id}")),
    }
}

/// What goes on all the same.
fn report(left: &[StillRunning]) -> ExitCode {
    for StillRunning { id, process } in left {
        say(&format!("error: {id} is not stopped: {process}"));
    }
    ExitCode::from(exit::FAILED)
}
