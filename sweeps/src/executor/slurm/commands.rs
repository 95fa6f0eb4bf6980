//! Slurm's commands. Their output is asked for in a form that has stayed the same over versions.

use super::error::SlurmError;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A script that does nothing, to ask what Slurm would say of it.
const NOTHING: &[u8] = b"#!/bin/sh\n";

/// Time between two looks at Slurm's queue: one command, which the whole cluster's users share.
pub(super) const LOOK: Duration = Duration::from_secs(3);

/// A job of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Number of the array.
    pub(super) array: String,
    /// Place in the array.
    pub(super) index: usize,
    /// Number of the submission.
    pub(super) submission: u32,
    /// Slurm's code, such as `PD` or `R`.
    pub(super) state: String,
    /// Why it waits, in Slurm's word.
    pub(super) reason: String,
    /// Where it runs; empty where it does not.
    pub(super) node: String,
}

impl Listed {
    /// As Slurm's commands name it.
    pub(super) fn name(&self) -> String {
        format!("{}_{}", self.array, self.index)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.state == "PD"
    }
}

/// How a job ended, as far as Slurm remembers it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// Slurm's word, such as `TIMEOUT`.
    pub(super) state: String,
    /// Exit code, and the signal that ended it.
    pub(super) exit: (i32, i32),
    /// Its node.
    pub(super) node: String,
}

fn command(name: &'static str, arguments: &[String], input: &[u8]) -> Result<Output, SlurmError> {
    let missing = |source| SlurmError::NoCommand {
        command: name,
        source,
    };
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut pipe) = child.stdin.take() {
        // A command that reads nothing says itself what it wants.
        let _ = pipe.write_all(input);
    }
    child.wait_with_output().map_err(missing)
}

/// Standard output of a command that succeeds.
fn ask(name: &'static str, arguments: &[String], input: &[u8]) -> Result<String, SlurmError> {
    let output = command(name, arguments, input)?;
    if !output.status.success() {
        let words = [output.stderr, output.stdout].concat();
        return Err(SlurmError::Failed {
            command: name,
            message: said(&words),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a command complained about, in one line without the names of commands.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(|line| {
        let line = line.split_once(": error: ").map_or(line, |(_, rest)| rest);
        line.trim()
    });
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => "it does not say why".to_owned(),
        lines => lines.join("; "),
    }
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|text| (*text).to_owned()).collect()
}

/// Asks whether Slurm would take a job with these arguments; nothing is submitted.
pub(super) fn test(arguments: &[String]) -> Result<(), SlurmError> {
    let mut all = owned(&["--test-only"]);
    all.extend_from_slice(arguments);
    let output = command("sbatch", &all, NOTHING)?;
    if output.status.success() {
        return Ok(());
    }
    let partition = arguments
        .iter()
        .find_map(|a| a.strip_prefix("--partition="));
    let known = partitions()?;
    // Slurm judges by the nodes that it sees: while one is down and the others are busy it would refuse what it takes.
    let judged_by_nodes = said(&output.stderr).contains("node configuration is not available");
    if judged_by_nodes && is_a_node_away(partition)? {
        return Ok(());
    }
    match partition {
        Some(name)
            if !known.is_empty() && !name.split(',').all(|n| known.iter().any(|k| k == n)) =>
        {
            let near = words::hint(name, known.iter());
            Err(SlurmError::Partition {
                name: name.to_owned(),
                hint: format!("{near}; there are: {}", known.join(", ")),
            })
        }
        _ => Err(SlurmError::Refused {
            message: said(&output.stderr),
        }),
    }
}

fn partitions() -> Result<Vec<String>, SlurmError> {
    let text = ask("sinfo", &owned(&["--noheader", "--format=%R"]), b"")?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

/// Whether Slurm does not see a node of a partition, or of any, as it should be.
fn is_a_node_away(partition: Option<&str>) -> Result<bool, SlurmError> {
    let mut arguments = owned(&["--noheader", "--Node", "--format=%t"]);
    arguments.extend(partition.map(|name| format!("--partition={name}")));
    let text = ask("sinfo", &arguments, b"")?;
    Ok(text.split_whitespace().any(is_away))
}

/// Whether a node of this state may come back: `down*`, `unk`, `boot`. A star says that it does not answer.
fn is_away(state: &str) -> bool {
    let may_return = ["down", "unk", "boot", "drain", "drng", "fail", "maint"];
    state.ends_with('*') || may_return.iter().any(|word| state.starts_with(word))
}

/// Names of the nodes of a partition, or of all.
pub(super) fn nodes(partition: Option<&str>) -> Result<Vec<String>, SlurmError> {
    let mut arguments = owned(&["--noheader", "--Node", "--format=%N"]);
    arguments.extend(partition.map(|name| format!("--partition={name}")));
    let text = ask("sinfo", &arguments, b"")?;
    let mut nodes: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    nodes.sort();
    nodes.dedup();
    Ok(nodes)
}

/// Most jobs of an array.
pub(super) fn most_in_an_array() -> Result<usize, SlurmError> {
    /// What Slurm takes where nothing else is configured.
    const DEFAULT: usize = 1001;
    let text = ask("scontrol", &owned(&["show", "config"]), b"")?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let most = lines.find(|(key, _)| key.trim() == "MaxArraySize");
    let most = most.and_then(|(_, value)| value.trim().parse().ok());
    Ok(most.unwrap_or(DEFAULT).max(1))
}

/// Submits a script as an array of jobs; the number of the array.
pub(super) fn submit(arguments: &[String], script: &[u8]) -> Result<String, SlurmError> {
    let mut all = owned(&["--parsable"]);
    all.extend_from_slice(arguments);
    let text = ask("sbatch", &all, script)?;
    // The name of the cluster may stand behind it.
    let number = text.trim().split(';').next();
    Ok(number.unwrap_or_default().to_owned())
}

/// The jobs of that name that have not ended.
pub(super) fn list(name: &str) -> Result<Vec<Listed>, SlurmError> {
    let arguments = [
        "--noheader",
        "--array",
        "--format=%F|%K|%k|%t|%r|%N",
        "--name",
        name,
    ];
    let text = ask("squeue", &owned(&arguments), b"")?;
    Ok(text.lines().filter_map(listed).collect())
}

/// A line of `squeue`; none where it is no job of ours.
fn listed(line: &str) -> Option<Listed> {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let [array, index, submission, state, reason, node] = fields.as_slice() else {
        return None;
    };
    Some(Listed {
        array: (*array).to_owned(),
        index: index.parse().ok()?,
        submission: submission.parse().ok()?,
        state: (*state).to_owned(),
        reason: reason.trim_matches(['(', ')']).to_owned(),
        node: (*node).to_owned(),
    })
}

/// How a job ended; none where Slurm has forgotten it.
pub(super) fn ended(job: &str) -> Result<Option<Ended>, SlurmError> {
    match ask("scontrol", &owned(&["--oneliner", "show", "job", job]), b"") {
        Ok(text) => Ok(text.lines().find_map(fate)),
        Err(SlurmError::Failed { message, .. })
            if message.contains("Invalid job id") || message.contains("not found") =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A line of `scontrol --oneliner show job`.
fn fate(line: &str) -> Option<Ended> {
    let field = |key: &str| {
        let mut words = line.split_whitespace();
        words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let (code, signal) = field("ExitCode")?.split_once(':')?;
    Some(Ended {
        state: field("JobState")?.to_owned(),
        exit: (code.parse().ok()?, signal.parse().ok()?),
        node: field("BatchHost").unwrap_or_default().to_owned(),
    })
}

/// Cancels jobs: those that wait are gone at once, others are asked to end, and killed after Slurm's `KillWait`.
pub(super) fn cancel(jobs: &[String]) -> Result<(), SlurmError> {
    steer(&[], jobs)
}

/// Asks jobs that run to save their state and end, for as long as it takes.
pub(super) fn ask_to_end(jobs: &[String]) -> Result<(), SlurmError> {
    steer(&["--batch", "--signal=TERM"], jobs)
}

fn steer(how: &[&str], jobs: &[String]) -> Result<(), SlurmError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut arguments = owned(&["--quiet"]);
    arguments.extend(owned(how));
    arguments.extend_from_slice(jobs);
    // A job that has ended meanwhile is none that fails: what is left, the next look at the queue shows.
    command("scancel", &arguments, b"").map(drop)
}

/// Lets a job begin as soon as there is room for it.
pub(super) fn hasten(job: &str) -> Result<(), SlurmError> {
    let job = format!("JobId={job}");
    command("scontrol", &owned(&["update", &job, "StartTime=now"]), b"").map(drop)
}

/// How long jobs of a partition may take; none where there is no limit.
pub(super) fn longest(partition: Option<&str>) -> Result<Option<u64>, SlurmError> {
    let mut arguments = owned(&["--noheader", "--format=%P %l"]);
    arguments.extend(partition.map(|name| format!("--partition={name}")));
    let text = ask("sinfo", &arguments, b"")?;
    let lines = text.lines().filter_map(|line| line.trim().split_once(' '));
    // A star marks the one that a job gets that names none.
    let mut own = lines.filter(|(name, _)| partition.is_some() || name.ends_with('*'));
    Ok(own.find_map(|(_, limit)| super::time::seconds(limit.trim())))
}

/// Keeps an array that waits away from nodes.
pub(super) fn avoid(array: &str, nodes: &str) -> Result<(), SlurmError> {
    let nodes = format!("ExcNodeList={nodes}");
    let job = format!("JobId={array}");
    // Jobs of it that run already cannot be changed, and Slurm complains of them.
    command("scontrol", &owned(&["update", &job, &nodes]), b"").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_queue_are_read() {
        let line = "2|3|7|PD|JobArrayTaskLimit|";
        let job = listed(line).unwrap();
        assert_eq!((job.name().as_str(), job.submission), ("2_3", 7));
        assert!(job.is_pending() && job.reason == "JobArrayTaskLimit" && job.node.is_empty());
        let job = listed("12|0|1|R|None|n1").unwrap();
        assert!(!job.is_pending() && job.node == "n1");
        // Somebody's job of the same name.
        assert_eq!(listed("12|N/A|(null)|R|None|n1"), None);
        assert_eq!(listed(""), None);
    }

    #[test]
    fn a_node_that_may_come_back_is_away() {
        for away in ["down*", "down", "idle*", "unk*", "drain", "boot"] {
            assert!(is_away(away), "{away}");
        }
        for there in ["idle", "alloc", "mix", "comp"] {
            assert!(!is_away(there), "{there}");
        }
    }

    #[test]
    fn the_end_of_a_job_is_read() {
        let line = "JobId=3 ArrayJobId=2 ArrayTaskId=0 JobName=x JobState=CANCELLED Reason=None ExitCode=3:0 BatchHost=n1 Comment=JobState=no StdIn=/dev/null";
        let expected = Ended {
            state: "CANCELLED".to_owned(),
            exit: (3, 0),
            node: "n1".to_owned(),
        };
        assert_eq!(fate(line), Some(expected));
        assert_eq!(fate("No jobs in the system"), None);
    }

    #[test]
    fn complaints_lose_the_names_of_commands() {
        let text = b"sbatch: error: invalid partition specified: nope\nallocation failure: no\n";
        assert_eq!(
            said(text),
            "invalid partition specified: nope; allocation failure: no"
        );
        assert_eq!(said(b"\n"), "it does not say why");
    }
}
