//! What can go wrong between a card and its verdict.

use experiments_config::{Complaint, ConfigError};
use std::path::PathBuf;

/// Why a card, a sweep directory or an executor could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The card is not TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// The card.
        origin: String,
        /// The parser's message with line and column.
        message: String,
    },
    /// The card says something that cannot be done; every complaint at once.
    #[error("{origin} cannot be used:\n{}", list(complaints))]
    Card {
        /// The card.
        origin: String,
        /// All complaints.
        complaints: Vec<Complaint>,
    },
    /// `--set` arguments do not fit the card; every complaint at once.
    #[error("`--set` does not fit the card `{card}`:\n{}", list(complaints))]
    Override {
        /// Name of the card.
        card: String,
        /// All complaints.
        complaints: Vec<Complaint>,
    },
    /// A configuration of a run does not resolve.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory holds no sweep.
    #[error(
        "`{}` is no sweep directory: it has no `sweep.json` (make one with `workbench sweep run CARD`)",
        path.display()
    )]
    NotASweep {
        /// The directory.
        path: PathBuf,
    },
    /// A new sweep was asked for in a directory with other files in it.
    #[error(
        "`{}` holds other files (`{found}`); name a new or empty directory for the sweep",
        path.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// The sweep was written by a newer or an older program.
    #[error(
        "`{}` has format version {found}, this program reads version {ours}: use the program that wrote it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        found: u64,
        /// The version this program reads.
        ours: u64,
    },
    /// `sweep.json` cannot be understood.
    #[error("`{}` is damaged: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        message: String,
    },
    /// The sweep directory is no longer where it was when the executor began.
    #[error(
        "`{}` was moved or deleted, or something else was put there, while its runs were trained; training has stopped. What was recorded is where it was moved to: `workbench sweep run` continues it there",
        path.display()
    )]
    Gone {
        /// The sweep directory.
        path: PathBuf,
    },
    /// The directory of a run that has begun is not that of the run that was planned.
    #[error("`{}` was left as it is: {problem}", path.display())]
    OtherRun {
        /// The run directory.
        path: PathBuf,
        /// What differs, and what to do.
        problem: String,
    },
    /// A list of runs to judge cannot be used.
    #[error("`{}` is no list of runs to judge: {message}", path.display())]
    Listed {
        /// The list.
        path: PathBuf,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// A listed run cannot be judged.
    #[error("`{}` cannot be judged: {problem}", path.display())]
    GivenRun {
        /// The run directory.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// What was named as a fork cannot be shown as one.
    #[error("`{}` {problem}", path.display())]
    Fork {
        /// The directory.
        path: PathBuf,
        /// What it is instead.
        problem: String,
    },
    /// The directory holds the sweep of another card.
    #[error(
        "`{}` was started from a card that differs in {differs}; a card is fixed once its sweep has begun: choose another directory, or undo the change",
        path.display()
    )]
    OtherCard {
        /// The sweep directory.
        path: PathBuf,
        /// The parts that differ, for example `seeds`, `criterion`.
        differs: String,
    },
    /// The card is the same but its runs are not.
    #[error(
        "`{}` was planned with other runs ({detail}): overrides or available texts have changed; choose another directory",
        path.display()
    )]
    OtherRuns {
        /// The sweep directory.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// No run has this name.
    #[error("no run of the sweep is called `{name}`{hint}")]
    UnknownRun {
        /// What was asked for.
        name: String,
        /// `; did you mean ...?` or empty.
        hint: String,
    },
    /// Several runs have this part in their names.
    #[error("`{name}` is a part of the names of {} runs; say which one is meant: {}", matches.len(), some(matches))]
    AmbiguousRun {
        /// What was asked for.
        name: String,
        /// Ids of the runs.
        matches: Vec<String>,
    },
    /// Another executor works on the sweep.
    #[error(
        "another executor ({executor}) works on `{}`; attach with `workbench monitor`, or end it with `workbench sweep stop`",
        path.display()
    )]
    Busy {
        /// The sweep directory.
        path: PathBuf,
        /// Its process.
        executor: crate::sweep::ExecutorProcess,
    },
    /// The machine ran out of something, so that no run can go on.
    #[error(
        "run `{run}` could not go on, and no other could: {problem}. Nothing is held against the runs; once that is mended, the same command continues"
    )]
    Machine {
        /// The run that met it first.
        run: String,
        /// What the trainer said, or what is known of the disk.
        problem: String,
    },
    /// A machine has not what the others have.
    #[error(
        "machine `{machine}` has no `{}`: program and texts have to be the same files on every machine that trains. Nothing is held against the runs; once that is mended, the same command continues",
        path.display()
    )]
    Lacking {
        /// Its name.
        machine: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// The trainer could not be started at all.
    #[error("cannot start the trainer `{}`", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A trainer's end could not be observed.
    #[error("lost sight of the process of run `{run}`")]
    Wait {
        /// The run.
        run: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Slurm cannot be used, or not as asked for.
    #[error(transparent)]
    Slurm(#[from] crate::SlurmError),
    /// A run directory could not be read or written.
    #[error(transparent)]
    Log(#[from] logs::LogError),
}

fn list(complaints: &[Complaint]) -> String {
    complaints
        .iter()
        .map(|complaint| format!("  {complaint}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first few names, and how many more there are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let list: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => list.join(", "),
        more => format!("{} and {more} more", list.join(", ")),
    }
}
