//! What can go wrong between an executor and Slurm.

/// Slurm cannot be used, or not as asked for.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// A command of Slurm is not there.
    #[error(
        "cannot execute `{command}`: `--executor slurm` needs Slurm's commands on this machine. `--executor local` runs here, `--executor shared` on several machines without a scheduler"
    )]
    NoCommand {
        /// Its name.
        command: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// There is no such partition.
    #[error("Slurm has no partition `{name}`{hint}")]
    Partition {
        /// What was asked for.
        name: String,
        /// `; did you mean ...?`, and those that there are.
        hint: String,
    },
    /// Slurm would take no job with these options.
    #[error("Slurm refuses such jobs: {message}")]
    Refused {
        /// What `sbatch` said.
        message: String,
    },
    /// A command failed.
    #[error("`{command}` failed: {message}")]
    Failed {
        /// Its name.
        command: &'static str,
        /// What it said.
        message: String,
    },
    /// No node is left.
    #[error(
        "no run could go on: jobs failed on every node ({nodes}), the last time because of this: {problem}. Nothing is held against the runs; once that is mended, the same command continues"
    )]
    NoNode {
        /// The nodes.
        nodes: String,
        /// What the last job said.
        problem: String,
    },
    /// A job was started for something that is not there.
    #[error("submission {number} of the sweep has no job {index}")]
    NoJob {
        /// Number of the submission.
        number: u32,
        /// Number of the job in it.
        index: usize,
    },
}
