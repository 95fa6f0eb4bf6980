//! A job as the executor follows it.

use super::commands::{self, Ended, Listed};
use super::submission::NO_LOG;
use std::path::Path;
use std::time::Instant;

/// A job that has not been seen to end.
#[derive(Debug)]
pub(super) struct Job {
    /// Number of its array.
    pub(super) array: String,
    /// As Slurm last listed it; none before it was.
    pub(super) listed: Option<Listed>,
    /// Whether Slurm listed it no more at the last look.
    pub(super) is_gone: bool,
    /// Number of the submission and place in it.
    pub(super) place: (u32, usize),
    /// Its runs, as positions in the plan, each with the steps that it had before.
    pub(super) runs: Vec<(usize, u64)>,
    /// Whether it was seen to run.
    pub(super) has_begun: bool,
    /// Whether this executor cancelled it for the sake of one of its runs.
    pub(super) cancelled: bool,
    /// When it was asked to save its state and end.
    pub(super) asked: Option<Instant>,
}

impl Job {
    pub(super) fn new(array: String, place: (u32, usize), runs: Vec<(usize, u64)>) -> Self {
        Self {
            array,
            listed: None,
            is_gone: false,
            place,
            runs,
            has_begun: false,
            cancelled: false,
            asked: None,
        }
    }

    /// One that is in the queue.
    pub(super) fn of(listed: Listed, runs: Vec<(usize, u64)>) -> Self {
        Self {
            listed: Some(listed.clone()),
            ..Self::new(listed.array, (listed.submission, listed.index), runs)
        }
    }

    /// As Slurm's commands name it.
    pub(super) fn name(&self) -> String {
        format!("{}_{}", self.array, self.place.1)
    }

    /// Whether it is this one of the queue.
    pub(super) fn is(&self, listed: &Listed) -> bool {
        self.place == (listed.submission, listed.index)
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.runs.iter().any(|(run, _)| *run == index)
    }

    /// Slurm holds back a job that it took from a node for two minutes, whatever its load. The run has a checkpoint and can
    /// go on at once.
    pub(super) fn hasten(&mut self) {
        let held = self.listed.as_ref().filter(|job| job.is_pending());
        if let Some(job) = held.filter(|job| job.reason == "BeginTime") {
            // Without it, it goes on a little later.
            let _ = commands::hasten(&job.name());
            self.has_begun = false;
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.listed.as_ref().is_some_and(Listed::is_pending)
    }
}

/// What the end of a job means for those of its runs that are not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It did what it was submitted for; its runs ended for reasons of their own.
    Done {
        /// Its node.
        node: String,
    },
    /// Somebody cancelled it.
    Cancelled,
    /// It had to end before its runs did, for this reason.
    CutShort(String),
    /// Its node is at fault.
    Fault {
        /// The node; empty where Slurm does not say.
        node: String,
        /// What is wrong there, as far as Slurm knows.
        problem: String,
    },
}

impl Fate {
    /// From what Slurm remembers of a job of the sweep in `dir`. Of its exit codes 0 and 3 are those of a job that ended in
    /// an orderly way, with 3 after it was asked to.
    pub(super) fn of(ended: Option<Ended>, dir: &Path) -> Self {
        let Some(Ended { state, exit, node }) = ended else {
            return Self::CutShort("Slurm has forgotten its job".to_owned());
        };
        let fault = |problem: String| Self::Fault {
            node: node.clone(),
            problem,
        };
        match (state.as_str(), exit) {
            ("COMPLETED", _) => Self::Done { node },
            ("CANCELLED", _) => Self::Cancelled,
            ("FAILED", (3, 0)) | ("TIMEOUT", _) => {
                Self::CutShort("the time of its job was over".to_owned())
            }
            ("FAILED", (NO_LOG, 0)) => fault(format!(
                "node {node} cannot write to `{}`: program, texts and sweep directory have to be the same files on every node",
                dir.display()
            )),
            ("FAILED", (code, 0)) => fault(format!("a job ended with exit code {code}")),
            ("FAILED", (_, signal)) => fault(format!("a job ended by signal {signal}")),
            ("NODE_FAIL" | "BOOT_FAIL", _) => fault("Slurm lost the node".to_owned()),
            (other, _) => Self::CutShort(format!("its job ended as {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_fault_it_was_is_told_by_state_and_exit_code() {
        let dir = Path::new("/shared/q");
        let fate = |state: &str, exit| {
            let ended = Ended {
                state: state.to_owned(),
                exit,
                node: "n1".to_owned(),
            };
            Fate::of(Some(ended), dir)
        };
        let is_fault = |fate: Fate| matches!(fate, Fate::Fault { node, .. } if node == "n1");
        assert!(matches!(fate("COMPLETED", (0, 0)), Fate::Done { node } if node == "n1"));
        assert_eq!(fate("CANCELLED", (3, 0)), Fate::Cancelled);
        for cut in [
            ("FAILED", (3, 0)),
            ("TIMEOUT", (0, 15)),
            ("PREEMPTED", (0, 0)),
        ] {
            assert!(matches!(fate(cut.0, cut.1), Fate::CutShort(_)), "{cut:?}");
        }
        for fault in [
            ("FAILED", (4, 0)),
            ("FAILED", (0, 53)),
            ("NODE_FAIL", (0, 0)),
        ] {
            assert!(is_fault(fate(fault.0, fault.1)), "{fault:?}");
        }
        assert!(matches!(Fate::of(None, dir), Fate::CutShort(_)));
        let Fate::Fault { problem, .. } = fate("FAILED", (NO_LOG, 0)) else {
            panic!("a node without the sweep directory is at fault");
        };
        assert!(
            problem.starts_with("node n1 cannot write to `/shared/q`"),
            "{problem}"
        );
    }
}
