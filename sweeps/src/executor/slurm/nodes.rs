//! Nodes that jobs failed on, for a reason that is not the runs'.

use crate::{Sweep, SweepError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Failures after which a node is given no more jobs. One may be chance.
const ENOUGH: usize = 2;

/// What is held against nodes. It is kept in a file: a node is no better when the executor is killed and started again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Nodes {
    faults: BTreeMap<String, Fault>,
}

/// What is held against one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Fault {
    /// Failures in a row.
    failures: usize,
    /// Why the last one was.
    problem: String,
}

impl Nodes {
    /// A job failed there. Whether the node is given no more jobs from now on.
    pub(super) fn failed(&mut self, node: &str, problem: &str) -> bool {
        let fault = self.faults.entry(node.to_owned()).or_default();
        fault.failures += 1;
        problem.clone_into(&mut fault.problem);
        fault.failures == ENOUGH
    }

    /// A job did there what it should. Whether that changes anything.
    pub(super) fn worked(&mut self, node: &str) -> bool {
        !self.is_avoided(node) && self.faults.remove(node).is_some()
    }

    pub(super) fn is_avoided(&self, node: &str) -> bool {
        self.faults
            .get(node)
            .is_some_and(|fault| fault.failures >= ENOUGH)
    }

    /// Those that are given no more jobs, and why.
    pub(super) fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        let avoided = self.faults.iter().filter(|(node, _)| self.is_avoided(node));
        avoided.map(|(node, fault)| (node.as_str(), fault.problem.as_str()))
    }

    /// Those that are given no more jobs, as Slurm reads a list.
    pub(super) fn avoided(&self) -> String {
        let avoided: Vec<_> = self.problems().map(|(node, _)| node).collect();
        avoided.join(",")
    }
}

impl Sweep {
    pub(super) fn nodes_path(&self) -> PathBuf {
        self.slurm_folder().join("nodes.json")
    }

    /// What an executor before held against nodes; nothing where its file cannot be read.
    pub(super) fn nodes(&self) -> Nodes {
        let bytes = std::fs::read(self.nodes_path()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Keeps that for the executors to come.
    pub(super) fn keep_nodes(&self, nodes: &Nodes) -> Result<(), SweepError> {
        Ok(logs::write_json_atomic(&self.nodes_path(), nodes)?)
    }

    /// Nothing is held against any node.
    pub(super) fn forget_nodes(&self) {
        // A file that stays only keeps nodes out that may be good again.
        let _ = std::fs::remove_file(self.nodes_path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sweep;

    #[test]
    fn a_node_is_avoided_after_repeated_failures_only() {
        let mut nodes = Nodes::default();
        assert!(!nodes.failed("n1", "full"));
        assert!(nodes.worked("n1"));
        assert!(!nodes.failed("n1", "full") && nodes.avoided().is_empty());
        assert!(nodes.failed("n1", "empty"), "the second in a row");
        assert!(!nodes.failed("n1", "empty"), "it is told once");
        assert!(!nodes.worked("n1"));
        nodes.failed("n2", "full");
        assert_eq!(nodes.avoided(), "n1");
        assert_eq!(nodes.problems().collect::<Vec<_>>(), [("n1", "empty")]);
    }

    /// An executor that is started again knows what the one before did, and a damaged file is no reason to fail.
    #[test]
    fn what_is_held_against_nodes_outlives_the_executor() {
        let (_directory, sweep) = sweep();
        std::fs::create_dir_all(sweep.slurm_folder()).unwrap();
        assert_eq!(sweep.nodes(), Nodes::default());
        let mut nodes = Nodes::default();
        nodes.failed("n1", "no \"text\"");
        nodes.failed("n1", "no \"text\"");
        sweep.keep_nodes(&nodes).unwrap();
        assert_eq!(sweep.nodes(), nodes);
        std::fs::write(sweep.nodes_path(), "{\"n1\": 2").unwrap();
        assert_eq!(sweep.nodes(), Nodes::default());
        sweep.forget_nodes();
        assert!(!sweep.nodes_path().exists());
    }
}
