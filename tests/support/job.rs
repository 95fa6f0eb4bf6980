//! Processes that `mpirun` starts: how they are started, and which of them is which rank.

use std::path::Path;
use std::process::Command;

/// So many processes of a program, whose arguments are still to be added.
pub fn mpirun(processes: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args(["--allow-run-as-root", "--oversubscribe", "--bind-to"])
        .args(["none", "-n", processes])
        .arg(program.as_ref())
        .env("RAYON_NUM_THREADS", "1");
    command
}

pub fn children(process: u32) -> Vec<u32> {
    let tasks = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(tasks).unwrap_or_default();
    let numbers = children.split_whitespace();
    numbers.filter_map(|id| id.parse().ok()).collect()
}

/// The process number of a rank among the children of `mpirun`.
pub fn child_with_rank(mpirun: u32, rank: u32) -> Option<u32> {
    let wanted = format!("OMPI_COMM_WORLD_RANK={rank}");
    children(mpirun).into_iter().find(|id| {
        let variables = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        variables
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
    })
}

/// Sends a signal to ranks.
pub fn signal(ranks: &[u32], signal: &str) {
    let ranks = ranks.iter().map(u32::to_string);
    let status = Command::new("kill").arg(signal).args(ranks).status();
    assert!(status.unwrap().success(), "{signal}");
}
