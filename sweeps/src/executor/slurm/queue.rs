//! Where runs stand in Slurm's queue, as the executor last saw it: a file, so that whoever looks at the sweep needs no
//! command of Slurm.

use super::commands::Listed;
use crate::{Sweep, SweepError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The job of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// As Slurm names it: `12_3`.
    pub job: String,
    /// Slurm's code, such as `PD` or `R`.
    pub state: String,
    /// Why it waits, in Slurm's word; absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its node; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl From<&Listed> for Waiting {
    fn from(job: &Listed) -> Self {
        let some = |text: &str, unless: &str| (text != unless).then(|| text.to_owned());
        Self {
            job: job.name(),
            state: job.state.clone(),
            reason: some(&job.reason, "None"),
            node: some(&job.node, ""),
        }
    }
}

/// `job 12_3 waits: Resources`, `job 12_3 on n1`.
impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.job)?;
        match (self.state.as_str(), &self.reason, &self.node) {
            ("PD", Some(reason), _) => write!(f, " waits: {reason}"),
            ("PD", None, _) => write!(f, " waits"),
            ("R", _, Some(node)) => write!(f, " on {node}"),
            (state, _, Some(node)) => write!(f, " on {node} ({state})"),
            (state, _, None) => write!(f, " ({state})"),
        }
    }
}

/// Jobs by run id.
pub(crate) type Queue = BTreeMap<String, Waiting>;

impl Sweep {
    fn queue_path(&self) -> PathBuf {
        self.slurm_folder().join("queue.json")
    }

    /// Makes the queue known to those who look at the sweep.
    pub(super) fn show_queue(&self, queue: &Queue) -> Result<(), SweepError> {
        crate::sweep::make_folder(&self.dir().join("control"))?;
        crate::sweep::make_folder(&self.slurm_folder())?;
        Ok(logs::write_json_atomic(&self.queue_path(), queue)?)
    }

    /// Whether there may be jobs: an executor that has ended in an orderly way has left none.
    pub(super) fn has_queue(&self) -> bool {
        self.queue_path().exists()
    }

    /// Nobody looks at the queue any more.
    pub(super) fn forget_queue(&self) {
        // One that stays is that of jobs that are no more.
        let _ = std::fs::remove_file(self.queue_path());
    }

    /// The queue as it was last seen; empty without an executor that submits jobs.
    pub(crate) fn queue(&self) -> Queue {
        let bytes = std::fs::read(self.queue_path()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_in_words() {
        let job = |state: &str, reason: &str, node: &str| {
            Waiting::from(&Listed {
                array: "12".to_owned(),
                index: 3,
                submission: 1,
                state: state.to_owned(),
                reason: reason.to_owned(),
                node: node.to_owned(),
            })
            .to_string()
        };
        assert_eq!(job("PD", "Resources", ""), "job 12_3 waits: Resources");
        assert_eq!(job("R", "None", "n1"), "job 12_3 on n1");
        assert_eq!(job("CG", "None", "n1"), "job 12_3 on n1 (CG)");
    }
}
