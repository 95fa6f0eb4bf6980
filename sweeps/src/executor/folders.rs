//! Runs that belong to no sweep, several processes at a time.

use super::process::{End, Process};
use crate::{LocalExecutor, SweepError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// Time between two looks at the processes.
const SLICE: Duration = Duration::from_millis(20);

impl LocalExecutor {
    /// Trains the run directories, `workers` at a time. `ended` is called with the place of each and, where it did not
    /// finish, why. Returns false where `stop` was set: all processes have then saved their state and ended.
    ///
    /// Where the machine runs out of something the others are asked to end, and it is an error.
    pub fn train_folders(
        &self,
        folders: &[PathBuf],
        stop: &AtomicBool,
        ended: &mut dyn FnMut(usize, Result<(), String>),
    ) -> Result<bool, SweepError> {
        let mut at_work: Vec<Process> = Vec::new();
        let trained = self.train_all(folders, stop, ended, &mut at_work);
        if !matches!(trained, Ok(true)) {
            // No process outlives who started it.
            for process in &mut at_work {
                while matches!(process.ended(), Ok(None)) {
                    process.stop();
                    sleep(SLICE);
                }
            }
        }
        trained
    }

    fn train_all(
        &self,
        folders: &[PathBuf],
        stop: &AtomicBool,
        ended: &mut dyn FnMut(usize, Result<(), String>),
        at_work: &mut Vec<Process>,
    ) -> Result<bool, SweepError> {
        let mut waiting = 0..folders.len();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            while at_work.len() < self.workers.max(1) {
                let Some(next) = waiting.next() else { break };
                at_work.push(Process::start(self, &[(next, folders[next].clone())])?);
            }
            if at_work.is_empty() {
                return Ok(true);
            }
            let mut place = 0;
            while place < at_work.len() {
                let index = at_work[place].runs[0].index;
                let name = || folders[index].display().to_string();
                let end = at_work[place].ended();
                let end = end.map_err(|source| SweepError::Wait {
                    run: name(),
                    source,
                })?;
                let Some(end) = end else {
                    place += 1;
                    continue;
                };
                let process = at_work.swap_remove(place);
                let words = process.runs[0].last_words(&folders[index]);
                let why = || words.unwrap_or_else(|| end.to_string());
                match end {
                    End::Done => ended(index, Ok(())),
                    End::Machine => {
                        return Err(SweepError::Machine {
                            run: name(),
                            problem: why(),
                        });
                    }
                    End::Stopped | End::Taken | End::Killed(_) | End::Failed(_) => {
                        ended(index, Err(why()));
                    }
                }
            }
            sleep(SLICE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trainer that is a shell script with the run directory as its first argument.
    fn executor(script: &str) -> LocalExecutor {
        let mut executor = LocalExecutor::new("sh");
        executor.arguments = vec!["-c".to_owned(), script.to_owned(), "trainer".to_owned()];
        executor.workers = 2;
        executor
    }

    fn folders(names: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let root = tempfile::tempdir().unwrap();
        let folders: Vec<_> = names.iter().map(|name| root.path().join(name)).collect();
        for folder in &folders {
            std::fs::create_dir(folder).unwrap();
        }
        (root, folders)
    }

    #[test]
    fn every_folder_is_trained_and_one_that_fails_keeps_no_other() {
        let (_root, folders) = folders(&["a", "bad", "c"]);
        let script =
            "touch \"$1/seen\"; case $1 in *bad) echo 'error: no such thing' >&2; exit 2;; esac";
        let mut ends = Vec::new();
        let stop = AtomicBool::new(false);
        let done = executor(script)
            .train_folders(&folders, &stop, &mut |index, end| ends.push((index, end)));
        assert!(done.unwrap());
        ends.sort_by_key(|end| end.0);
        assert_eq!(ends[1], (1, Err("no such thing".to_owned())));
        assert!(ends[0].1.is_ok() && ends[2].1.is_ok());
        assert!(folders.iter().all(|folder| folder.join("seen").exists()));
    }

    #[test]
    fn a_machine_without_room_ends_all_and_a_stop_starts_nothing() {
        let (_root, folders) = folders(&["a", "b"]);
        let stop = AtomicBool::new(false);
        let script =
            "case $1 in *a) exit 4;; esac; trap 'touch \"$1/asked\"; exit 3' TERM; sleep 60 & wait";
        let error = executor(script).train_folders(&folders, &stop, &mut |_, _| {});
        assert!(matches!(error, Err(SweepError::Machine { .. })));
        let stop = AtomicBool::new(true);
        let done = executor("exit 1").train_folders(&folders, &stop, &mut |_, _| panic!("it ran"));
        assert!(!done.unwrap());
    }
}
