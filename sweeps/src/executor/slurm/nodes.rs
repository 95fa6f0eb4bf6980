//! Nodes that jobs failed on, for a reason that is not the runs'.

use std::collections::BTreeMap;

/// Failures after which a node is given no more jobs. One may be chance.
const ENOUGH: usize = 2;

/// What is held against nodes; forgotten when the executor ends.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    faults: BTreeMap<String, usize>,
}

impl Nodes {
    /// A job failed there. Whether the node is given no more jobs from now on.
    pub(super) fn failed(&mut self, node: &str) -> bool {
        let faults = self.faults.entry(node.to_owned()).or_default();
        *faults += 1;
        *faults == ENOUGH
    }

    /// A job did there what it should.
    pub(super) fn worked(&mut self, node: &str) {
        if !self.is_avoided(node) {
            self.faults.remove(node);
        }
    }

    pub(super) fn is_avoided(&self, node: &str) -> bool {
        self.faults
            .get(node)
            .is_some_and(|faults| *faults >= ENOUGH)
    }

    /// Those that are given no more jobs, as Slurm reads a list.
    pub(super) fn avoided(&self) -> String {
        let avoided = self.faults.keys().filter(|node| self.is_avoided(node));
        avoided.cloned().collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_avoided_after_repeated_failures_only() {
        let mut nodes = Nodes::default();
        assert!(!nodes.failed("n1"));
        nodes.worked("n1");
        assert!(!nodes.failed("n1") && nodes.avoided().is_empty());
        assert!(nodes.failed("n1"), "the second in a row");
        assert!(!nodes.failed("n1"), "it is told once");
        nodes.worked("n1");
        nodes.failed("n2");
        assert_eq!(nodes.avoided(), "n1");
    }
}
