//! What the monitor asks of the runs of a sweep: the same requests as `sweep stop` and `sweep skip`, through the same files.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use sweeps::{Request, Sweep};

/// Time between two looks at what is to end.
const INTERVAL: Duration = Duration::from_millis(200);

/// Something to be done with some runs of a sweep, by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) what: What,
    pub(crate) runs: Vec<String>,
    /// Number of one of them on the screen: which sweep is meant.
    pub(crate) one: usize,
    /// The name of that sweep, where others are on the screen.
    pub(crate) of: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Save the state and end, for now.
    Stop,
    /// End, and leave out from now on.
    Skip,
    /// Take a skip back.
    Resume,
    /// Take a skip back, and have the executor at work go on with what ended early.
    GoOn,
}

impl What {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Skip => "skip",
            Self::Resume | Self::GoOn => "resume",
        }
    }
}

impl Action {
    pub(crate) fn question(&self) -> String {
        let runs = match &*self.runs {
            [run] => run.clone(),
            runs => words::counted(runs.len() as u64, "run"),
        };
        let of = self.of.as_ref();
        let of = of.map_or_else(String::new, |sweep| format!(" of {sweep}"));
        let then = match self.what {
            What::Stop => "its state is saved, `sweep run` continues",
            What::Skip => "left out until it is resumed",
            What::Resume => "no longer left out; the next executor takes it",
            What::GoOn => "the executor at work goes on with it when a worker is free",
        };
        format!("{} {runs}{of}? {then}", self.what.word())
    }

    /// Does it beside the screen, since ending a run takes as long as its checkpoint. What is said comes through the channel.
    pub(crate) fn start(self, sweep: Sweep) -> Receiver<String> {
        let (say, heard) = channel();
        std::thread::spawn(move || {
            let request = match self.what {
                What::Stop => Some(Request::Stop),
                What::Skip => Some(Request::Skip),
                What::Resume | What::GoOn => None,
            };
            if let Some(request) = request {
                // All at once: each takes as long as its checkpoint.
                for run in &self.runs {
                    // What is wrong is told when it is waited for.
                    let _ = sweep.request(run, request);
                }
            }
            for run in &self.runs {
                // Nobody hears it once the monitor is left; what was asked for stays asked.
                let _ = say.send(one(&sweep, run, self.what, &say));
            }
        });
        heard
    }
}

fn one(sweep: &Sweep, run: &str, what: What, say: &Sender<String>) -> String {
    let request = match what {
        What::Stop => Request::Stop,
        What::Skip => Request::Skip,
        What::Resume => {
            let withdrawn = sweep.withdraw(run, Request::Skip);
            return told(withdrawn.map(|()| format!("{run} is no longer left out")));
        }
        What::GoOn => return told(go_on(sweep, run)),
    };
    let _ = say.send(format!(
        "{} {run}: asked, waiting for its checkpoint",
        what.word()
    ));
    let mut reached = false;
    let left = sweep.end_run(run, request, INTERVAL, &mut |_| reached = true);
    told(left.map(|left| match (left.first(), what) {
        (Some(still), _) => format!("{run} goes on: {}", still.process),
        (None, What::Skip) => format!("skipped {run}; `:resume run` takes it back"),
        (None, What::Stop | What::Resume | What::GoOn) if reached => format!("stopped {run}"),
        (None, What::Stop | What::Resume | What::GoOn) => {
            format!("nothing to stop: {run} is not trained, and no executor is at work")
        }
    }))
}

fn go_on(sweep: &Sweep, run: &str) -> Result<String, sweeps::SweepError> {
    sweep.withdraw(run, Request::Skip)?;
    Ok(if sweep.resume_run(run, INTERVAL)? {
        format!("the executor goes on with {run}")
    } else {
        format!("no executor took {run}; `:resume run` trains it without one")
    })
}

fn told(result: Result<String, sweeps::SweepError>) -> String {
    result.unwrap_or_else(|error| format!("error: {error}"))
}
